"""An open file that is read and written at offsets, by several threads.

One lock per file keeps a close from racing with a read, whose descriptor could by then be another
file's, and stands in for pread and pwrite on Windows, which has none. The methods raise OSError.
"""

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from lanspread_peer.storage.clone import clone_range
from lanspread_peer.storage.durable import sync_descriptor


class PositionalFile:
    """Owns a descriptor; whoever makes one closes it."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lock = Lock()

    def read(self, offset: int, length: int) -> bytes:
        """Up to `length` bytes; fewer only at the end of the file."""
        with self._lock:
            return self._read(length, offset)

    def write(self, data: bytes | bytearray | memoryview, offset: int) -> None:
        """Write all of `data`; the file never gets shorter."""
        rest = memoryview(data).cast("B")
        with self._lock:
            while rest:
                written = self._write(rest, offset)
                rest = rest[written:]
                offset += written

    def data_range(self, offset: int) -> tuple[int, int] | None:
        """Start and end of the next data from `offset` on, or None when only a hole follows.

        Many file systems, and Windows here, say that there is data up to the end.
        """
        with self._lock:
            descriptor = self._open_descriptor()
            if sys.platform == "win32":
                return offset, os.fstat(descriptor).st_size
            try:
                start = os.lseek(descriptor, offset, os.SEEK_DATA)
                return start, os.lseek(descriptor, start, os.SEEK_HOLE)
            except OSError as error:
                if error.errno == errno.ENXIO:
                    return None
                raise

    def copy_from(
        self, source: "PositionalFile", source_offset: int, offset: int, length: int
    ) -> bool:
        """Copy a range within the system; False when it cannot, and then some may be copied."""
        with self._lock, source.held() as origin:
            return clone_range(origin, source_offset, self._open_descriptor(), offset, length)

    @contextmanager
    def held(self) -> Iterator[int]:
        """The descriptor, which nobody else uses or closes within the block."""
        with self._lock:
            yield self._open_descriptor()

    def stat(self) -> os.stat_result:
        with self._lock:
            return os.fstat(self._open_descriptor())

    def sync(self) -> None:
        """Wait until the disk has what was written before; writes go on meanwhile."""
        with self._lock:
            descriptor = os.dup(self._open_descriptor())
        try:
            sync_descriptor(descriptor)
        finally:
            os.close(descriptor)

    def make_executable(self) -> None:
        """Let whoever may read the file run it; Windows has no such bit."""
        if sys.platform != "win32":
            with self._lock:
                descriptor = self._open_descriptor()
                mode = os.fstat(descriptor).st_mode & 0o777
                os.fchmod(descriptor, mode | (mode & 0o444) >> 2)

    def close(self) -> None:
        """Closing twice is no error."""
        with self._lock:
            descriptor, self._descriptor = self._descriptor, -1
            if descriptor >= 0:
                os.close(descriptor)

    def _open_descriptor(self) -> int:
        if self._descriptor < 0:
            raise OSError(errno.EBADF, "the file is closed")
        return self._descriptor

    def _read(self, length: int, offset: int) -> bytes:
        descriptor = self._open_descriptor()
        if sys.platform == "win32":
            os.lseek(descriptor, offset, os.SEEK_SET)
            data = os.read(descriptor, length)
        else:
            data = os.pread(descriptor, length, offset)
        return data

    def _write(self, data: memoryview, offset: int) -> int:
        descriptor = self._open_descriptor()
        if sys.platform == "win32":
            os.lseek(descriptor, offset, os.SEEK_SET)
            written = os.write(descriptor, data)
        else:
            written = os.pwrite(descriptor, data, offset)
        return written
