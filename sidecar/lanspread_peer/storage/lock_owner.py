"""Owner files: who uses a folder, for those whom the system's lock does not reach.

A lock of the system holds on one machine; on a network drive it may hold for one client only, or
not be there at all. So whoever uses a folder keeps `lock.owner` in it and refreshes it as long as
it runs. A fresh one of another machine means that the folder is taken; a stale one is replaced. How
old it is, the file system's own clock tells, by a file written for that. On the same machine the
system's lock decides, so that what a dead process left never delays a start.
"""

import os
import platform
import secrets
from hashlib import sha256
from io import FileIO
from pathlib import Path
from typing import Annotated

import msgspec
import psutil
from msgspec import Meta

from lanspread_peer.model.errors import AlreadyRunning, StorageError
from lanspread_peer.model.limits import KIB, LOCK_STALE_S
from lanspread_peer.storage import beneath
from lanspread_peer.storage.disk_errors import disk_errors, is_missing
from lanspread_peer.storage.machine_id import read_boot_id, read_machine_id
from lanspread_peer.storage.positional_file import PositionalFile

OWNER_FILE = "lock.owner"

_MAX_OWNER_BYTES = KIB
_Text = Annotated[str, Meta(max_length=255)]


class Owner(msgspec.Struct, frozen=True, kw_only=True):
    """What the file says; `nonce` is anew for each lock, `machine` and `boot` are hashes of ids."""

    nonce: _Text
    host: _Text
    pid: Annotated[int, Meta(ge=0, le=2**63 - 1)]
    machine: _Text
    boot: _Text


class OwnerFile:
    """Our owner file in a folder; make it with `claim`."""

    def __init__(self, folder: Path, content: bytes) -> None:
        self._folder = folder
        self._content = content

    @classmethod
    def claim(cls, folder: Path, what: str, *, has_lock: bool) -> "OwnerFile":
        """Write our file, in place of a stale one; never waits.

        `has_lock` says whether the system's lock of the folder is ours. Raises AlreadyRunning when
        another sidecar uses the folder, which people know as `what`, or StorageError.
        """
        mine = _new_owner()
        content = msgspec.json.encode(mine)
        # Who finds another's new file in the place of the one removed, looks at that one too.
        for _ in range(2):
            found = _read(folder)
            if found is not None:
                if _is_taken(folder, found, mine, has_lock=has_lock):
                    raise already_running(folder, what)
                _remove(folder, found, mine.nonce)
            if _create(folder, content) and _read(folder) == content:
                return cls(folder, content)
        raise already_running(folder, what)

    def refresh(self) -> bool:
        """Say that we are still here; False when the file is another's or gone.

        Raises StorageError.
        """
        try:
            file = PositionalFile(beneath.open_file(self._folder, OWNER_FILE, write=True))
        except StorageError as error:
            if is_missing(error):
                return False
            raise
        try:
            with disk_errors("refresh the lock"):
                if file.read(0, _MAX_OWNER_BYTES) != self._content:
                    return False
                file.write(self._content, 0)
        finally:
            file.close()
        return True

    def remove(self) -> None:
        """Remove the file if it is still ours; raises StorageError."""
        if _read(self._folder) == self._content:
            beneath.remove_file(self._folder, OWNER_FILE)


def already_running(folder: Path, what: str) -> AlreadyRunning:
    """The error that names whoever uses the folder, as far as his file can be understood."""
    message = f"another sidecar uses the {what} {str(folder)!a}"
    try:
        owner = _parse(_read(folder) or b"")
    except StorageError:
        owner = None
    if owner is None:
        return AlreadyRunning(message, folder=str(folder))
    message = f"{message}, process {owner.pid} on {owner.host!a}"
    return AlreadyRunning(message, folder=str(folder), pid=str(owner.pid), host=ascii(owner.host))


def _new_owner() -> Owner:
    return Owner(
        nonce=secrets.token_hex(16),
        host=platform.node()[:255],
        pid=os.getpid(),
        machine=_hashed(read_machine_id()),
        boot=_hashed(read_boot_id()),
    )


def _hashed(machine_id: str) -> str:
    # The ids are not for everyone who may read a game folder.
    return sha256(f"lanspread lock {machine_id}".encode()).hexdigest() if machine_id else ""


def _is_taken(folder: Path, found: bytes, mine: Owner, *, has_lock: bool) -> bool:
    owner = _parse(found)
    if has_lock and (owner is None or _is_same_machine(owner, mine)):
        return False
    if owner is not None and _is_same_machine(owner, mine) and not psutil.pid_exists(owner.pid):
        return False
    return _is_fresh(folder, mine.nonce)


def _is_same_machine(left: Owner, right: Owner) -> bool:
    """Whether one system's locks hold for both; containers on one machine share them.

    Cloned disks have one machine id, but seldom one name.
    """
    if left.boot and left.boot == right.boot:
        return True
    return bool(left.machine) and (left.machine, left.host) == (right.machine, right.host)


def _is_fresh(folder: Path, nonce: str) -> bool:
    name = f"{OWNER_FILE}-{nonce}"
    try:
        _create(folder, b"now", name)
        now = beneath.stat(folder, name)
    finally:
        beneath.remove_file(folder, name)
    written = beneath.stat(folder, OWNER_FILE)
    if now is None or written is None:
        return False
    # Some servers let clients set the time, so it may lie ahead.
    return abs(now.st_mtime - written.st_mtime) < LOCK_STALE_S


def _remove(folder: Path, found: bytes, nonce: str) -> None:
    """Remove the file with this content, and leave another one that took its place."""
    aside = f"{OWNER_FILE}-{nonce}"
    try:
        beneath.rename(folder, OWNER_FILE, folder, aside)
        if _read(folder, aside) != found:
            beneath.rename(folder, aside, folder, OWNER_FILE)
            return
    except StorageError as error:
        if not is_missing(error):
            raise
    beneath.remove_file(folder, aside)


def _create(folder: Path, content: bytes, name: str = OWNER_FILE) -> bool:
    """Write a file that is not there yet; False when it is."""
    try:
        descriptor = beneath.open_file(folder, name, create=True, mode=beneath.PRIVATE_MODE)
    except StorageError as error:
        if error.metadata.get("errno") == "EEXIST":
            return False
        raise
    with FileIO(descriptor, "w") as file, disk_errors(f"write {name!a}"):
        file.write(content)
    return True


def _read(folder: Path, name: str = OWNER_FILE) -> bytes | None:
    try:
        return beneath.read_file(folder, name, _MAX_OWNER_BYTES)
    except StorageError as error:
        if is_missing(error):
            return None
        raise


def _parse(content: bytes) -> Owner | None:
    try:
        return msgspec.json.decode(content, type=Owner)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
