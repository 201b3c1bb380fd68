"""Folder locks: one sidecar per state folder and per game folder.

The system holds the lock, so it ends with the process however that dies. The file `lock.pid`
beside it only tells people whom to look for; it may be stale and decides nothing.
"""

import os
from pathlib import Path

from filelock import FileLock, Timeout

from lanspread_peer.model.errors import AlreadyRunning, StorageError
from lanspread_peer.storage import beneath
from lanspread_peer.storage.disk_errors import disk_errors, storage_error

_LOCK = "lock"
_PID = "lock.pid"


class FolderLock:
    """A held lock; `release` gives it back, and doing so twice is no error."""

    def __init__(self, folder: Path, lock: FileLock) -> None:
        self._folder = folder
        self._lock = lock

    def release(self) -> None:
        if not self._lock.is_locked:
            return
        try:
            beneath.remove_file(self._folder, _PID)
        finally:
            with disk_errors("release the lock"):
                self._lock.release()


def lock_folder(folder: Path, what: str) -> FolderLock:
    """Lock an existing folder, named `what` to people; never waits.

    Raises AlreadyRunning, metadata `folder` and, where known, `pid`; or StorageError, also when
    the folder is a link.
    """
    if beneath.stat(folder, "") is None:
        raise StorageError(f"the {what} {str(folder)!a} does not exist", errno="ENOENT")
    # Each call its own lock, whichever thread releases it; a soft lock would survive a kill.
    lock = FileLock(folder / _LOCK, mode=0o600, thread_local=False, fallback_to_soft=False)
    try:
        lock.acquire(blocking=False)
    except Timeout as error:
        raise _already_running(folder, what) from error
    except OSError as error:
        raise storage_error(error, f"lock the {what} {str(folder)!a}") from error
    held = FolderLock(folder, lock)
    try:
        beneath.write_file(folder, _PID, b"%d\n" % os.getpid(), mode=beneath.PRIVATE_MODE)
    except BaseException:
        held.release()
        raise
    return held


def _already_running(folder: Path, what: str) -> AlreadyRunning:
    message = f"another sidecar uses the {what} {str(folder)!a}"
    pid = _holder(folder)
    if pid:
        return AlreadyRunning(f"{message}, process {pid}", folder=str(folder), pid=pid)
    return AlreadyRunning(message, folder=str(folder))


def _holder(folder: Path) -> str:
    try:
        text = beneath.read_file(folder, _PID, 32).strip()
    except StorageError:
        return ""
    return text.decode("ascii") if text.isdigit() else ""
