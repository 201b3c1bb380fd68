"""Folder locks: one sidecar per state folder and per game folder.

The system holds the lock, so it ends with the process however that dies. An owner file beside it
(storage.lock_owner) is for other machines that share the folder, and decides alone where the file
system has no locks.
"""

import errno
from contextlib import suppress
from pathlib import Path
from threading import Lock

from filelock import FileLock, Timeout

from lanspread_peer.model.errors import GameDirGone, StorageError
from lanspread_peer.storage import beneath
from lanspread_peer.storage.disk_errors import disk_errors, storage_error
from lanspread_peer.storage.lock_owner import OwnerFile, already_running

_LOCK = "lock"
# What file systems say that have no locks, or whose server grants none.
_NO_LOCKS = frozenset(
    getattr(errno, name, errno.ENOSYS)
    for name in ("ENOSYS", "ENOLCK", "ENOTSUP", "EOPNOTSUPP", "EINVAL")
)


class FolderLock:
    """A held lock; `release` gives it back, and doing so twice is no error. Any thread may call."""

    def __init__(self, lock: FileLock, owner_file: OwnerFile) -> None:
        self._lock = lock
        self._owner_file = owner_file
        self._is_held = True
        self._turn = Lock()

    def refresh(self) -> bool:
        """Show other machines that the folder is in use; call it every LOCK_REFRESH_S.

        False when another sidecar took the folder meanwhile, as after a long sleep. Raises
        StorageError. A released lock needs no refreshing.
        """
        with self._turn:
            return not self._is_held or self._owner_file.refresh()

    def release(self) -> None:
        with self._turn:
            if not self._is_held:
                return
            self._is_held = False
            # One that cannot be removed, as on a disk that is gone, soon is stale.
            with suppress(StorageError):
                self._owner_file.remove()
            _unlock(self._lock)


def lock_folder(folder: Path, what: str) -> FolderLock:
    """Lock an existing folder, named `what` to people; never waits.

    Raises AlreadyRunning, metadata `folder` and, where known, `pid` and `host`; or StorageError,
    also when the folder is a link.
    """
    try:
        beneath.stat(folder, "")
    except GameDirGone as error:
        raise StorageError(f"the {what} {str(folder)!a} does not exist", errno="ENOENT") from error
    # Each call its own lock, whichever thread releases it; a soft lock would survive a kill.
    lock = FileLock(folder / _LOCK, mode=0o600, thread_local=False, fallback_to_soft=False)
    has_lock = _acquire(lock, folder, what)
    try:
        owner_file = OwnerFile.claim(folder, what, has_lock=has_lock)
    except BaseException:
        _unlock(lock)
        raise
    return FolderLock(lock, owner_file)


def _acquire(lock: FileLock, folder: Path, what: str) -> bool:
    """Whether the lock is ours; False when the file system has no locks."""
    try:
        lock.acquire(blocking=False)
    except Timeout as error:
        raise already_running(folder, what) from error
    except NotImplementedError:
        return False
    except OSError as error:
        if error.errno in _NO_LOCKS:
            return False
        raise storage_error(error, f"lock the {what} {str(folder)!a}") from error
    return True


def _unlock(lock: FileLock) -> None:
    if lock.is_locked:
        with disk_errors("release the lock"):
            lock.release()
