"""Taking what comes by TLS, in the worker thread that has the line: read, hashed, and then written.

Chunks that adjoin in a file are written in one go: each call of the system costs the interpreter's
lock, and a writer its turn at the file. Nothing that came waits long for that.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from types import TracebackType
from typing import Self

from lanspread_peer.model import errors
from lanspread_peer.model.limits import MAX_WRITE_BYTES
from lanspread_peer.model.manifest import Chunk
from lanspread_peer.runtime.carrier import Reports, Target
from lanspread_peer.runtime.clock import monotonic_s
from lanspread_peer.runtime.rate_limits import RateLimit
from lanspread_peer.storage import beneath
from lanspread_peer.storage.staging import Staging
from lanspread_peer.transport.tls_reader import DataReader
from lanspread_peer.wire import messages

# So often what came is written, and the loop hears of it; and at the end of a request.
_TELL_S = 0.05


class _Batch:
    """Adjoining chunks, read one by one and written in one go; the last at the end of the block.

    What is right is written, whatever came after it. Raises IntegrityError or StorageError.
    """

    def __init__(
        self, staging: Staging, chunks: Sequence[Chunk], on_written: Callable[[Chunk], None]
    ) -> None:
        self._staging = staging
        self._on_written = on_written
        lengths = [chunk.length for chunk in chunks]
        self._buffer = memoryview(bytearray(max(*lengths, min(sum(lengths), MAX_WRITE_BYTES))))
        self._chunks: list[Chunk] = []
        self._filled = 0
        self._written_at = monotonic_s()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._write()

    def room_for(self, chunk: Chunk) -> memoryview:
        """Where the bytes of the next chunk are to be put."""
        if self._chunks and not self._joins(chunk):
            self._write()
        return self._buffer[self._filled : self._filled + chunk.length]

    def add(self, chunk: Chunk) -> None:
        """Its bytes are there."""
        self._chunks.append(chunk)
        self._filled += chunk.length
        if monotonic_s() - self._written_at >= _TELL_S:
            self._write()

    def _joins(self, chunk: Chunk) -> bool:
        return (
            chunk.file is self._chunks[-1].file
            and chunk.number == self._chunks[-1].number + 1
            and self._filled + chunk.length <= len(self._buffer)
        )

    def _write(self) -> None:
        chunks, data = self._chunks, self._buffer[: self._filled]
        self._chunks, self._filled = [], 0
        if len(chunks) > 1 and self._staging.write_together(chunks, data):
            for chunk in chunks:
                self._on_written(chunk)
        else:
            for chunk in chunks:
                self._staging.write_chunk(chunk, data[: chunk.length])
                data = data[chunk.length :]
                self._on_written(chunk)
        self._written_at = monotonic_s()


class Taking:
    """Takes a run in a worker thread: each chunk is written only when it is right."""

    def __init__(
        self,
        target: Target,
        chunks: list[Chunk],
        reports: Reports,
        limit: RateLimit,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._target = target
        self._limit = limit
        self._chunks = chunks
        self._reports = reports
        self._loop = loop
        self._written: list[Chunk] = []
        self._told_at = monotonic_s()

    def take(self, reader: DataReader) -> None:
        """Raises IntegrityError, StorageError, or what the reader raises."""
        if reader.left != sum(chunk.length for chunk in self._chunks):
            raise errors.IntegrityError(f"{reader.left} bytes are not what was asked for")
        batch = _Batch(self._target.staging, self._chunks, self._note)
        try:
            with beneath.keeping_folders(), batch:
                for chunk in self._chunks:
                    self._read(reader, batch.room_for(chunk))
                    batch.add(chunk)
        finally:
            self._tell()

    def _read(self, reader: DataReader, data: memoryview) -> None:
        while data:
            count = self._limit.wait_in_thread(len(data), reader.is_cut)
            if not count:
                raise errors.ConnectionLost("nobody waits for it any more")
            reader.read_into(data[:count])
            data = data[count:]

    def _note(self, chunk: Chunk) -> None:
        # They are told together: each time wakes the loop.
        self._written.append(chunk)
        if monotonic_s() - self._told_at >= _TELL_S:
            self._tell()

    def _tell(self) -> None:
        written, self._written = self._written, []
        self._told_at = monotonic_s()
        if written:
            self._loop.call_soon_threadsafe(self._report, written)

    def _report(self, written: list[Chunk]) -> None:
        for chunk in written:
            self._reports.on_chunk(chunk)


class TakingAny:
    """Takes the number of a chunk and then the chunk, if it is still wanted."""

    def __init__(
        self,
        target: Target,
        reports: Reports,
        limit: RateLimit,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._target = target
        self._reports = reports
        self._limit = limit
        self._loop = loop

    def take(self, reader: DataReader) -> None:
        """Raises as Taking does; what is not wanted is left unread."""
        number = int.from_bytes(reader.read_head(messages.CHUNK_NUMBER_BYTES), "big")
        chosen: Future[bool] = Future()
        # Cheaper than a coroutine, for each chunk.
        self._loop.call_soon_threadsafe(self._choose, number, chosen)
        if chosen.result():
            chunk = self._target.manifest.chunk(number)
            taking = Taking(self._target, [chunk], self._reports, self._limit, self._loop)
            taking.take(reader)

    def _choose(self, number: int, chosen: Future[bool]) -> None:
        try:
            chosen.set_result(self._reports.on_chosen(number))
        # It belongs to the thread that waits.
        except BaseException as error:  # noqa: BLE001
            chosen.set_exception(error)
