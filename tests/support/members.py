"""Sidecars at a party with members only, and clocks that a test turns."""

from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509

from lanspread_peer.model.events import Warned
from lanspread_peer.runtime.party_watch import PartyWatch
from lanspread_peer.runtime.sidecar import Sidecar
from lanspread_peer.transport.base import Connection
from lanspread_peer.transport.credentials import Credentials
from lanspread_peer.wire import messages
from support.hostile_peer import HostilePeer
from support.papers import DAY, Authority, node_key_of, utc_now, write_papers
from support.party import AOE2, Files, Party, make_game, wait_sources


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


async def pair(
    party: Party, *, server_end: timedelta = 30 * DAY, client_end: timedelta = 30 * DAY
) -> tuple[Members, Sidecar, Sidecar]:
    """A server with a game and a downloader that is linked to it."""
    members = Members(party)
    server = await members.start("server", {AOE2: make_game(6)}, end=server_end)
    downloader = await members.start("downloader", peers=(server,), end=client_end)
    await wait_sources(downloader, 1)
    return members, server, downloader


def connections_of(sidecar: Sidecar) -> list[Connection]:
    """The one in use of each peer."""
    return list(sidecar._neighbourhood.links.live.values())


def papers_of(party: Party, name: str) -> Path:
    """Where they lie for a sidecar."""
    return party.root / name / "state" / "party"


async def taken_up(sidecar: Sidecar) -> None:
    """Have it look at its files often enough to believe them, and show what is new."""
    for _ in range(3):
        await watch_of(sidecar).look()
    await sidecar._neighbourhood.renew()


def refusal_in(answer: messages.Message) -> messages.Refused:
    """The answer, which must be one."""
    assert isinstance(answer, messages.Refused), answer
    return answer
