"""What the system says of a disk, as errors of the tree. Every OSError of storage stops here."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from lanspread_peer.model.errors import AccessDenied, DiskFull, StorageError

_FULL = frozenset([errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)])
_DENIED = frozenset([errno.EACCES, errno.EPERM, errno.EROFS])
# What a path says when it, or a folder on the way, is gone or became a link or another kind.
_GONE = frozenset(["ENOENT", "ENOTDIR", "ELOOP", "EISDIR", "EINVAL", "ENXIO"])


def storage_error(error: OSError, doing: str) -> StorageError:
    """The error for a failed `doing`, such as "read 'a/b'"; metadata `errno` has its symbol."""
    kind = StorageError
    if error.errno in _FULL:
        kind = DiskFull
    elif error.errno in _DENIED:
        kind = AccessDenied
    detail = error.strerror or type(error).__name__
    symbol = errno.errorcode.get(error.errno or 0, "EIO")
    return kind(f"cannot {doing}: {detail}", doing=doing, errno=symbol)


@contextmanager
def disk_errors(doing: str) -> Iterator[None]:
    """Raises any OSError of the body as StorageError, DiskFull or AccessDenied."""
    try:
        yield
    except OSError as error:
        raise storage_error(error, doing) from error


def is_missing(error: StorageError) -> bool:
    """Whether nothing was there."""
    return error.metadata.get("errno") == "ENOENT"


def is_gone(error: StorageError) -> bool:
    """Whether what was there is gone, or is no regular file or real folder any more."""
    return error.metadata.get("errno") in _GONE
