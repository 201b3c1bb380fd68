"""Durability: what each system asks for until bytes and names are on the disk itself."""

import errno
import os
import sys


def sync_descriptor(descriptor: int) -> None:
    """Wait until the disk has what was written to an open file or folder; raises OSError.

    On macOS fsync(2) leaves it in the drive's cache, which a power cut empties; F_FULLFSYNC, see
    fcntl(2) there, does not, and not every file system has it.
    """
    if sys.platform == "darwin":
        from fcntl import F_FULLFSYNC, fcntl

        try:
            fcntl(descriptor, F_FULLFSYNC)
        except OSError as error:
            if error.errno not in (errno.ENOTSUP, errno.ENOTTY, errno.EINVAL):
                raise
        else:
            return
    os.fsync(descriptor)
