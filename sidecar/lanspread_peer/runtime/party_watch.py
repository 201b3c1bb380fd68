"""A party's papers while the sidecar runs: new files are taken up, and what has ended counts.

Nothing here needs a restart. Files that are of no use change nothing and are told; new ones count
for new connections, and are shown on those that are there. Whoever has no valid certificate any
more loses its connections, whatever runs on them. Invariant: a member is never let in, or kept, by
files that were not whole.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import structlog
from cryptography.hazmat.primitives.asymmetric import ec

from lanspread_peer.model.errors import InvalidCertificate, NotAMember, StorageError
from lanspread_peer.model.events import Event, Warned
from lanspread_peer.model.ids import PeerId
from lanspread_peer.runtime.logs import LogOnce
from lanspread_peer.storage.party_folder import PartyFiles, read_party_files
from lanspread_peer.transport.credentials import Credentials, Party, read_party
from lanspread_peer.transport.party_trust import ends_at

_log = structlog.get_logger(__name__)

# Two small files are read so often; a person who copied new ones waits twice as long at most.
_LOOK_S = 3.0
# A lost connection is closed at once; so long the tasks on it may take to end.
_GONE_WITHIN_S = 10.0
_DEFAULT_FOLDER = "party"
_WARN_BEFORE = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Papers:
    """What a party's folder held, and what it says."""

    folder: Path
    files: PartyFiles
    party: Party


async def load_party(
    folder: str, state_dir: Path, key: ec.EllipticCurvePrivateKey
) -> Papers | None:
    """The papers in a folder, by default the one in the state folder; None when that is missing.

    Raises InvalidCertificate, which names the folder.
    """
    path = Path(folder) if folder else state_dir / _DEFAULT_FOLDER
    if not folder and not await asyncio.to_thread(os.path.lexists, path):
        return None
    try:
        files = await asyncio.to_thread(read_party_files, path)
        return Papers(path, files, read_party(files.authorities, files.member, key))
    except (StorageError, InvalidCertificate) as error:
        raise InvalidCertificate(f"party folder {path}: {error.message}") from error


class PartyWatch:
    """That of one sidecar; `run` it in a task."""

    def __init__(
        self,
        papers: Papers,
        credentials: Credentials,
        *,
        members: Callable[[], Iterable[PeerId]],
        send_away: Callable[[PeerId, NotAMember], Awaitable[None]],
        renew: Callable[[], Awaitable[None]],
        dial_again: Callable[[], None],
        emit: Callable[[Event], None],
    ) -> None:
        """`members` are those that are connected now; `renew` shows our certificate to them, and
        `dial_again` tries those that are not."""
        self._folder = papers.folder
        self._used = self._seen = papers.files
        self._credentials = credentials
        self._members = members
        self._send_away = send_away
        self._renew = renew
        self._dial_again = dial_again
        self._emit = emit
        self._said = LogOnce()
        self._told: Warned | None = None
        self._told_of_files: Warned | None = None

    async def run(self) -> None:
        """Look again and again, and at once when somebody's certificate ends."""
        while True:
            rest_s = _LOOK_S
            try:
                await self.look()
                rest_s = self._rest_s()
            except Exception as error:  # noqa: BLE001 - no fault may let in for good who must go
                if self._said.first_time("look", type(error).__name__):
                    _log.exception("looking after the party failed")
            await asyncio.sleep(rest_s)

    async def look(self) -> None:
        """Do what is due now."""
        await self._take_new_files()
        going = []
        for peer_id in list(self._members()):
            if (fault := self._credentials.why_not(peer_id)) is not None:
                fault.metadata["peer_id"] = peer_id
                going.append(self._part_from(peer_id, fault))
        # At once, so that nobody stays longer because another is slow to go.
        await asyncio.gather(*going)
        self._look_at_own()

    async def keep_renewed(self) -> None:
        """Show a new certificate to those who are connected; by itself, as they may be slow."""
        while True:
            await self._renew()
            await asyncio.sleep(_LOOK_S)

    async def _part_from(self, peer_id: PeerId, fault: NotAMember) -> None:
        try:
            async with asyncio.timeout(_GONE_WITHIN_S):
                await self._send_away(peer_id, fault)
        except TimeoutError:
            if self._said.first_time(peer_id, "not gone"):
                _log.warning("a peer that must go is still there", peer=peer_id)

    def _rest_s(self) -> float:
        end = self._credentials.next_end()
        if end is None:
            return _LOOK_S
        left_s = (end - self._credentials.now()).total_seconds()
        # A moment later, as it counts until its end.
        return min(_LOOK_S, max(0.0, left_s) + 0.01)

    async def _take_new_files(self) -> None:
        try:
            found = await asyncio.to_thread(read_party_files, self._folder)
            # Seen twice alike: whoever copies two files is done with both by then.
            is_settled, self._seen = found == self._seen, found
            if is_settled and found != self._used:
                party = read_party(found.authorities, found.member, self._credentials.key)
                await asyncio.to_thread(self._credentials.adopt, party)
                self._used = found
                _log.info("new party files", folder=str(self._folder))
                self._dial_again()
        except (StorageError, InvalidCertificate) as error:
            self._tell_of_files(f"the party's files are left as they were: {error.message}")
        except OSError as error:
            self._tell_of_files(f"the party's files cannot be taken up: {error}")
        else:
            if is_settled:
                self._told_of_files = None

    def _tell_of_files(self, message: str) -> None:
        warning = Warned("PARTY_FILES_UNUSABLE", message)
        if warning != self._told_of_files:
            self._told_of_files = warning
            self._emit(warning)

    def _look_at_own(self) -> None:
        warning = self._own_warning()
        if warning is not None and warning != self._told:
            self._emit(warning)
        self._told = warning

    def _own_warning(self) -> Warned | None:
        member = self._credentials.member
        if member is None:
            detail = "this PC has no certificate of the party yet, so nobody lets it in"
            return Warned("NO_MEMBER_CERTIFICATE", detail)
        now, end = self._credentials.now(), member.not_valid_after_utc
        until = f"{end:%Y-%m-%d %H:%M} UTC"
        if now > ends_at(member):
            detail = f"this PC's certificate of the party was valid until {until}"
            return Warned("OWN_CERTIFICATE_EXPIRED", detail)
        if end - now < _WARN_BEFORE:
            detail = f"this PC's certificate of the party is valid until {until} only"
            return Warned("OWN_CERTIFICATE_ENDS_SOON", detail)
        return None
