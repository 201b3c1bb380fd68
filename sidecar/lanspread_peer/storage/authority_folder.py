"""An organiser's folder: the authority of a party, whom it trusts, and its members.

`ca.pem` holds the private key and then its certificate, in one file so that no crash parts them,
readable by its owner alone; older ones stay beside it under other names. `party.crt` is what the
members trust. Below `members/`, each has a folder with the two files that it gets. What is in the
files is for others to make and judge.
"""

from dataclasses import dataclass
from pathlib import Path

from lanspread_peer.model.errors import StorageError
from lanspread_peer.model.ids import PeerId
from lanspread_peer.model.limits import MAX_PARTY_FILE_BYTES
from lanspread_peer.storage import beneath
from lanspread_peer.storage.disk_errors import disk_errors
from lanspread_peer.storage.party_folder import AUTHORITIES_FILE, MEMBER_FILE

_AUTHORITY = "ca.pem"
_MEMBERS = "members"


@dataclass(frozen=True, slots=True)
class AuthorityFolder:
    """One that exists; all of it raises StorageError."""

    path: Path

    @classmethod
    def create(cls, path: Path) -> "AuthorityFolder":
        """A folder for a new party; raises StorageError when there is a party in it already."""
        with disk_errors(f"make the folder {path}"):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder = cls.open(path)
        for name in (_AUTHORITY, AUTHORITIES_FILE):
            if beneath.stat(folder.path, name) is not None:
                raise StorageError(f"{path} has a party in it already, in {name}")
        return folder

    @classmethod
    def open(cls, path: Path) -> "AuthorityFolder":
        """One that is there."""
        with disk_errors(f"open the folder {path}"):
            return cls(path.resolve(strict=True))

    def authority(self) -> bytes:
        """The private key and its certificate."""
        return beneath.read_file(self.path, _AUTHORITY, MAX_PARTY_FILE_BYTES + 1)

    def trusted(self) -> bytes:
        """The certificates of all authorities that the party trusts."""
        return beneath.read_file(self.path, AUTHORITIES_FILE, MAX_PARTY_FILE_BYTES + 1)

    def members(self) -> list[str]:
        """The names of the members' folders."""
        if beneath.stat(self.path, _MEMBERS) is None:
            return []
        found = beneath.list_folder(self.path, _MEMBERS)
        return sorted(name for name, is_folder in found if is_folder)

    def member(self, name: str) -> bytes:
        """The certificate in a member's folder."""
        path = f"{_MEMBERS}/{name}/{MEMBER_FILE}"
        return beneath.read_file(self.path, path, MAX_PARTY_FILE_BYTES + 1)

    def keep_authority(self, pem: bytes) -> None:
        """Use this from now on; the one before is kept under another name."""
        if beneath.stat(self.path, _AUTHORITY) is not None:
            taken = {name for name, _ in beneath.list_folder(self.path, "")}
            number = next(n for n in range(1, len(taken) + 2) if f"ca.old-{n}.pem" not in taken)
            # A copy, as there must be a ca.pem at every moment.
            older = f"ca.old-{number}.pem"
            beneath.write_file(self.path, older, self.authority(), mode=beneath.PRIVATE_MODE)
        beneath.write_file(self.path, _AUTHORITY, pem, mode=beneath.PRIVATE_MODE)

    def keep_trusted(self, pem: bytes) -> None:
        """What the party trusts from now on, for all members too."""
        beneath.write_file(self.path, AUTHORITIES_FILE, pem)
        for name in self.members():
            beneath.write_file(self.path, f"{_MEMBERS}/{name}/{AUTHORITIES_FILE}", pem)

    def keep_member(self, peer_id: PeerId, pem: bytes) -> Path:
        """A member's certificate, in place of any older one; the folder that the member gets."""
        name = f"{_MEMBERS}/{peer_id}"
        beneath.make_folders(self.path, name)
        beneath.write_file(self.path, f"{name}/{AUTHORITIES_FILE}", self.trusted())
        beneath.write_file(self.path, f"{name}/{MEMBER_FILE}", pem)
        return self.path / name
