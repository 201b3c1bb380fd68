"""The party folder: what an organiser gave this PC, to be read only.

`party.crt` holds the authorities that the party trusts, `member.crt` this PC's certificate, which
may come later. Neither is secret. What is in them is for others to judge.
"""

from dataclasses import dataclass
from pathlib import Path

from lanspread_peer.model.errors import StorageError
from lanspread_peer.model.limits import MAX_PARTY_FILE_BYTES
from lanspread_peer.storage import beneath
from lanspread_peer.storage.disk_errors import is_missing

AUTHORITIES_FILE = "party.crt"
MEMBER_FILE = "member.crt"


@dataclass(frozen=True, slots=True)
class PartyFiles:
    """The bytes of both, one more than allowed at most; `member` None when there is none."""

    authorities: bytes
    member: bytes | None


def read_party_files(folder: Path) -> PartyFiles:
    """What is there now; raises StorageError, also without the authorities."""
    authorities = beneath.read_file(folder, AUTHORITIES_FILE, MAX_PARTY_FILE_BYTES + 1)
    try:
        member = beneath.read_file(folder, MEMBER_FILE, MAX_PARTY_FILE_BYTES + 1)
    except StorageError as error:
        if not is_missing(error):
            raise
        member = None
    return PartyFiles(authorities, member)
