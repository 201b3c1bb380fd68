"""The path guard on disk: every access below a folder, without following a link.

All functions take a trusted, real folder `root` and a relative `path`, its parts joined by `/`:
a SafeRelPath, or such a path in the spelling that the disk has. An empty path is the root. A link,
junction or other reparse point anywhere below the root, and as the root, makes the call fail, even
when it is swapped in while the call runs (POSIX walks held folder handles). Only regular files are
opened. Errors: StorageError and its kinds, GameDirGone when the root is gone; nothing outside the
root is ever touched.
"""

import os
import re
import secrets
import sys
from contextlib import AbstractContextManager
from io import FileIO
from pathlib import Path

from lanspread_peer.model.errors import StorageError
from lanspread_peer.storage.disk_errors import disk_errors, is_missing, storage_error
from lanspread_peer.storage.durable import sync_descriptor

if sys.platform == "win32":
    from lanspread_peer.storage import beneath_windows as _system
else:
    from lanspread_peer.storage import beneath_posix as _system

FOLDER_MODE = 0o755
FILE_MODE = 0o644
PRIVATE_MODE = 0o600
# A part that is empty, or `.` or `..`.
_LEADS_ELSEWHERE = re.compile(r"(?:\A|/)\.{0,2}(?:/|\Z)")


def keeping_folders() -> AbstractContextManager[None]:
    """Within it, this thread walks to each folder once, not again for each file in it.

    A folder that another one moves or removes meanwhile stays the folder that it was.
    """
    return _system.keeping_folders()


def open_file(
    root: Path, path: str, *, write: bool = False, create: bool = False, mode: int = FILE_MODE
) -> int:
    """The descriptor of a regular file, for reading, or also for writing.

    With `create` the file is made, with `mode`, and must not have been there. The caller closes.
    """
    with disk_errors(f"open {path!a}"):
        return _system.open_file(
            root, _parts(path), write=write or create, create=create, mode=mode
        )


def stat(root: Path, path: str) -> os.stat_result | None:
    """The status of what is there, of a link itself too, or None when nothing is."""
    try:
        return _system.stat(root, _parts(path))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise storage_error(error, f"look at {path!a}") from error


def list_folder(root: Path, path: str) -> list[tuple[str, bool]]:
    """The names in a folder in any order, each with whether it is a real folder."""
    with disk_errors(f"list {path!a}"):
        return _system.list_folder(root, _parts(path))


def list_statuses(root: Path, path: str) -> dict[str, os.stat_result]:
    """The status of each name in a folder, of a link itself too."""
    with disk_errors(f"list {path!a}"):
        return _system.list_statuses(root, _parts(path))


def make_folder(root: Path, path: str) -> bool:
    """Make one folder; False when there is one already."""
    with disk_errors(f"make the folder {path!a}"):
        return _system.make_folder(root, _parts(path), FOLDER_MODE)


def make_folders(root: Path, path: str) -> None:
    """Make a folder and those above it where they are missing."""
    parts = _parts(path)
    for depth in range(1, len(parts) + 1):
        make_folder(root, "/".join(parts[:depth]))


def rename(root_a: Path, path_a: str, root_b: Path, path_b: str, *, replace: bool = False) -> None:
    """Move a file, folder or link; without `replace` the new place must be empty.

    On POSIX that is looked up just before, so whoever fills the place within microseconds loses
    what he put there.
    """
    with disk_errors(f"move {path_a!a} to {path_b!a}"):
        _system.rename(root_a, _parts(path_a), root_b, _parts(path_b), replace=replace)


def remove_file(root: Path, path: str) -> None:
    """Remove a file or a link itself; nothing happens when it is gone."""
    try:
        with disk_errors(f"remove {path!a}"):
            _system.remove_file(root, _parts(path))
    except StorageError as error:
        if not is_missing(error):
            raise


def remove_folder(root: Path, path: str) -> bool:
    """Remove a folder if it is empty; False when it is not, or gone."""
    with disk_errors(f"remove the folder {path!a}"):
        return _system.remove_folder(root, _parts(path))


def remove_tree(root: Path, path: str) -> None:
    """Remove a folder and all in it, or a file, or a link itself; a missing one is no error.

    What is read-only goes too. It goes on past what is refused, and raises that in the end.
    """
    try:
        with disk_errors(f"remove {path!a}"):
            _system.remove_tree(root, _parts(path))
    except StorageError as error:
        if not is_missing(error):
            raise


def sync_folder(root: Path, path: str) -> None:
    """Make the names in a folder durable; the system does that by itself on Windows."""
    with disk_errors(f"sync the folder {path!a}"):
        _system.sync_folder(root, _parts(path))


def read_file(root: Path, path: str, max_bytes: int) -> bytes:
    """The start of a file, at most `max_bytes`; ask for one more than allowed to see excess."""
    with FileIO(open_file(root, path)) as file, disk_errors(f"read {path!a}"):
        # As much as is asked for would be allocated first, however small the file is.
        return file.read(min(max_bytes, os.fstat(file.fileno()).st_size + 1))


def write_file(root: Path, path: str, data: bytes, *, mode: int = FILE_MODE) -> None:
    """Write a whole small file so that after a crash it has the old or the new content.

    It is made under a name that nobody can guess, with `mode` from the start, then renamed.
    """
    folder, _, name = path.rpartition("/")
    new_name = f".new-{secrets.token_hex(8)}"
    temporary = f"{folder}/{new_name}" if folder else new_name
    descriptor = open_file(root, temporary, create=True, mode=mode)
    try:
        try:
            with disk_errors(f"write {name!a}"):
                _write_all(descriptor, data)
                sync_descriptor(descriptor)
        finally:
            os.close(descriptor)
        rename(root, temporary, root, path, replace=True)
    except BaseException:
        remove_file(root, temporary)
        raise
    sync_folder(root, folder)


def _write_all(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _parts(path: str) -> list[str]:
    """Checked again here, so that no caller's mistake leads out of the root."""
    parts = path.split("/") if path else []
    if not path.isascii() and not _has_disk_form(path):
        raise StorageError(f"{path!a} is no name that a disk could have", errno="EINVAL")
    if (path and _LEADS_ELSEWHERE.search(path)) or _system.FORBIDDEN.intersection(path):
        raise StorageError(f"{path!a} is no path below a folder", errno="EINVAL")
    return parts


def _has_disk_form(path: str) -> bool:
    try:
        os.fsencode(path)
    except UnicodeEncodeError:
        return False
    return True
