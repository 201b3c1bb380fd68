"""What the system says of a disk, as errors of the tree. Every OSError of storage stops here.

Each kind tells a person something else to do: make room, give leave, close a program, plug the
disk in again, or fear for it.
"""

import errno
from collections.abc import Mapping
from contextlib import AbstractContextManager

from lanspread_peer.model.errors import (
    AccessDenied,
    DiskFailure,
    DiskFull,
    FileLocked,
    GameDirGone,
    ReadOnlyDisk,
    StorageError,
)

_NAMES_BY_KIND: Mapping[type[StorageError], tuple[str, ...]] = {
    DiskFull: ("ENOSPC", "EDQUOT"),
    AccessDenied: ("EACCES", "EPERM"),
    ReadOnlyDisk: ("EROFS",),
    FileLocked: ("EBUSY", "ETXTBSY", "EAGAIN", "EWOULDBLOCK", "EDEADLK"),
    DiskFailure: ("EIO", "EREMOTEIO", "EUCLEAN", "EBADMSG", "ENOMEDIUM", "ETIMEDOUT", "ENOLINK"),
    # What a file system says whose server, process or device went away under it.
    GameDirGone: ("ESTALE", "ENOTCONN", "ENODEV", "ESHUTDOWN", "EHOSTDOWN"),
}
# Some systems lack some of the names.
_KINDS: Mapping[int, type[StorageError]] = {
    code: kind
    for kind, names in _NAMES_BY_KIND.items()
    for code in (getattr(errno, name, None) for name in names)
    if code is not None
}
# Windows has more to say than the errno that Python makes of it; system error codes, winerror.h.
_WINDOWS_KINDS: Mapping[int, type[StorageError]] = {
    **dict.fromkeys((39, 112), DiskFull),
    **dict.fromkeys((5,), AccessDenied),
    **dict.fromkeys((19,), ReadOnlyDisk),
    **dict.fromkeys((32, 33, 170, 1224), FileLocked),
    **dict.fromkeys((23, 25, 27, 29, 30, 483, 1117, 1392, 1393), DiskFailure),
    **dict.fromkeys((15, 20, 21, 53, 55, 59, 64, 67, 1167, 1617), GameDirGone),
}
# What the root of our work says when it is gone; below it, a missing name is no such news.
_ROOT_GONE = frozenset([errno.ENOENT])
# What a path says when it, or a folder on the way, is gone or became a link or another kind.
_GONE = frozenset(["ENOENT", "ENOTDIR", "ELOOP", "EISDIR", "EINVAL", "ENXIO"])


class RootGone(OSError):
    """A folder that storage works below is not there; the systems' path guards raise it."""


def require_root(error: OSError) -> None:
    """Raises RootGone when `error`, from opening a root, says that there is none."""
    if error.errno in _ROOT_GONE:
        raise RootGone(error.errno, "its folder is gone or not mounted") from error


def storage_error(error: OSError, doing: str) -> StorageError:
    """The error for a failed `doing`, such as "read 'a/b'"; metadata `errno` has its symbol."""
    detail = error.strerror or type(error).__name__
    symbol = errno.errorcode.get(error.errno or 0, "EIO")
    return _kind_of(error)(f"cannot {doing}: {detail}", doing=doing, errno=symbol)


def disk_errors(doing: str) -> AbstractContextManager[None]:
    """Raises any OSError of the body as StorageError or one of its kinds."""
    return _DiskErrors(doing)


class _DiskErrors(AbstractContextManager[None]):
    # No generator: it stands around each call to the system, several times for each small file.
    __slots__ = ("_doing",)

    def __init__(self, doing: str) -> None:
        self._doing = doing

    def __enter__(self) -> None:
        return

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, OSError):
            raise storage_error(error, self._doing) from error


def is_missing(error: StorageError) -> bool:
    """Whether nothing was there, though the folder that we work in is."""
    return error.metadata.get("errno") == "ENOENT" and not isinstance(error, GameDirGone)


def is_there_already(error: StorageError) -> bool:
    """Whether something has the name that was to be made."""
    return error.metadata.get("errno") == "EEXIST"


def is_gone(error: StorageError) -> bool:
    """Whether what was there is gone, or is no regular file or real folder any more."""
    return error.metadata.get("errno") in _GONE and not isinstance(error, GameDirGone)


def _kind_of(error: OSError) -> type[StorageError]:
    if isinstance(error, RootGone):
        return GameDirGone
    windows_code: int = getattr(error, "winerror", None) or 0
    kind = _WINDOWS_KINDS.get(windows_code)
    return kind or _KINDS.get(error.errno or 0, StorageError)
