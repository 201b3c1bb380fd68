"""Sidecars at a party with members only, and clocks that a test turns."""

from datetime import datetime, timedelta

from cryptography import x509

from lanspread_peer.model.events import Warned
from lanspread_peer.runtime.party_watch import PartyWatch
from lanspread_peer.runtime.sidecar import Sidecar
from lanspread_peer.transport.credentials import Credentials
from support.hostile_peer import HostilePeer
from support.papers import DAY, Authority, node_key_of, utc_now, write_papers
from support.party import Files, Party


class Members:
    """Enrols sidecars of a `Party` before they start; their papers lie in the state folder."""

    def __init__(self, party: Party) -> None:
        self.party = party
        self.authority = Authority.make()

    def enrol(
        self,
        name: str,
        *,
        begin: timedelta = -DAY,
        end: timedelta = 30 * DAY,
        authority: Authority | None = None,
        trusted: list[Authority] | None = None,
    ) -> x509.Certificate:
        """Give the sidecar with this name, running or not, these papers."""
        state = self.party.root / name / "state"
        signer = authority or self.authority
        certificate = signer.member(node_key_of(state), begin=begin, end=end)
        write_papers(state / "party", trusted or [signer], certificate)
        return certificate

    async def start(
        self,
        name: str,
        games: dict[str, Files] | None = None,
        *,
        peers: tuple[Sidecar | HostilePeer | str, ...] = (),
        end: timedelta = 30 * DAY,
    ) -> Sidecar:
        """A running member."""
        self.enrol(name, end=end)
        return await self.party.start(name, games, peers=peers)


def credentials_of(sidecar: Sidecar) -> Credentials:
    """What it shows and whom it lets in."""
    return sidecar._identity.credentials


def watch_of(sidecar: Sidecar) -> PartyWatch:
    """What looks after its papers."""
    return sidecar._party


def turn_clock(sidecar: Sidecar, ahead: timedelta) -> None:
    """It is so much later for this sidecar from now on."""

    def now() -> datetime:
        return utc_now() + ahead

    credentials_of(sidecar).now = now


def warnings_of(party: Party, sidecar: Sidecar, code: str) -> list[str]:
    """What the front end was told under this code."""
    return [event.message for event in party.events(sidecar).of(Warned) if event.code == code]
