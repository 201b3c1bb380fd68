"""The carrier over message streams: chunks into memory first, into staging only when right.

A chunk never takes more memory than its length, however much a source sends, and the requests
of all downloads together hold at most MAX_REQUEST_BUFFERS of them.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager

from lanspread_peer.core.assignment import Assignment
from lanspread_peer.core.chunk_set import ChunkSet, lowest
from lanspread_peer.model import errors
from lanspread_peer.model.ids import ContentId
from lanspread_peer.model.limits import (
    MAX_REQUEST_BUFFERS,
    QUIC_ANSWER_WINDOW_BYTES,
    STALL_TIMEOUT_S,
)
from lanspread_peer.model.manifest import Chunk, FileEntry
from lanspread_peer.runtime.carrier import Reports, Target
from lanspread_peer.runtime.rate_limits import RateLimit
from lanspread_peer.runtime.requests import pieces_of
from lanspread_peer.runtime.tasks import run_in_thread
from lanspread_peer.storage.staging import Staging
from lanspread_peer.transport.base import Connection
from lanspread_peer.wire.chunk_bitmap import encode_bitmap
from lanspread_peer.wire.messages import (
    CHUNK_NUMBER_BYTES,
    GetAnyChunk,
    GetChunks,
    GetGameFileChunk,
    GetGameFileData,
)

# A whole file is the last resort, so even a poor link may give it, but nobody may drip for ever.
_CHUNK_OF_FILE_TIMEOUT_S = 30.0
_NO_BUFFER_RETRY_MS = 100


class ChunkFetcher:
    """Fetches for all downloads of one sidecar."""

    def __init__(self, limit: RateLimit) -> None:
        self._limit = limit
        self._buffers = asyncio.Semaphore(MAX_REQUEST_BUFFERS)
        self._requests: Counter[ContentId] = Counter()

    async def fetch(
        self, connection: Connection, target: Target, asked: Assignment, reports: Reports
    ) -> None:
        """See Carrier.

        Busy comes when all buffers are in use, or the rate limit carries no more requests, as
        waiting would look like the source's silence.
        """
        request = _request_for(asked, target)
        async with self.buffer(target), aclosing(pieces_of(connection, request)) as pieces:
            head = 0 if asked.wanted is None else CHUNK_NUMBER_BYTES
            rest = _Rest(_reported(self._limit.pieces(pieces), reports, head))
            if asked.wanted is None:
                chunks = target.manifest.run(asked.chunks.start, len(asked.chunks))
                await _take(rest, chunks, target, reports)
                return
            number = await rest.take_number()
            if reports.on_chosen(number):
                await _take(rest, [target.manifest.chunk(number)], target, reports)

    @asynccontextmanager
    async def buffer(self, target: Target) -> AsyncIterator[None]:
        """Hold the memory of one request, whatever transport brings it; raises Busy."""
        content_id = target.content_id
        # Each download has its share at once, so that none gets all that the others give back.
        downloads = len(self._requests.keys() | {content_id})
        most = _most_requests(self._limit.bytes_per_second, downloads)
        if self._buffers.locked() or self._requests[content_id] >= most:
            raise errors.Busy(_NO_BUFFER_RETRY_MS)
        self._requests[content_id] += 1
        try:
            async with self._buffers:
                yield
        finally:
            self._requests[content_id] -= 1
            # Without those that have none.
            self._requests = +self._requests

    async def fetch_file(
        self,
        connection: Connection,
        target: Target,
        entry: FileEntry,
        on_chunk: Callable[[Chunk], None],
    ) -> None:
        """See Carrier; each chunk is verified before it is written."""
        request = GetGameFileData(content_id=target.content_id, relative_path=entry.path)
        chunks = target.manifest.chunks_of(entry.path)
        async with self._buffers, aclosing(pieces_of(connection, request)) as pieces:
            rest = _Rest(self._limit.pieces(pieces))
            for chunk in chunks:
                try:
                    async with asyncio.timeout(_CHUNK_OF_FILE_TIMEOUT_S):
                        filling = await rest.fill(_Filling(chunk))
                except TimeoutError as error:
                    raise errors.Stalled("the source sends the file too slowly") from error
                await run_in_thread(target.staging.write_chunk, chunk, filling.finish())
                on_chunk(chunk)
            await rest.require_end()


def _most_requests(rate: int | None, downloads: int) -> int:
    """So many for each that all have their window's worth of the rate before a source gives up."""
    if rate is None:
        return MAX_REQUEST_BUFFERS
    carried = int(rate * STALL_TIMEOUT_S / 2) // QUIC_ANSWER_WINDOW_BYTES
    return max(1, carried // downloads)


def any_request(wanted: ChunkSet, target: Target) -> GetAnyChunk:
    """The message that asks for one of these chunks."""
    # From the first one on, so that a bitmap of MAX_ANY_CHUNKS is enough.
    first = lowest(wanted)
    rest = wanted >> first
    return GetAnyChunk(
        content_id=target.content_id, wanted=encode_bitmap(rest, rest.bit_length()), first=first
    )


def _request_for(asked: Assignment, target: Target) -> GetChunks | GetGameFileChunk | GetAnyChunk:
    if asked.wanted is not None:
        return any_request(asked.wanted, target)
    first, content_id = asked.chunks.start, target.content_id
    if len(asked.chunks) > 1:
        return GetChunks(content_id=content_id, first=first, count=len(asked.chunks))
    chunk = target.manifest.chunk(first)
    return GetGameFileChunk(
        content_id=content_id,
        relative_path=chunk.file.path,
        offset=chunk.offset,
        length=chunk.length,
    )


async def _take(rest: "_Rest", chunks: list[Chunk], target: Target, reports: Reports) -> None:
    """These chunks, and nothing after them."""
    writing = _Writing(target.staging, reports)
    try:
        for chunk in chunks:
            if rest.size < chunk.length:
                # Nothing has to wait for what is still to come.
                await writing.write()
            filling = await rest.fill(_Filling(chunk))
            if chunk is chunks[-1]:
                await rest.require_end()
            writing.add(chunk, filling.finish())
    finally:
        # Right ones stay, whatever came after them.
        await writing.write()


async def _reported(
    pieces: AsyncIterator[bytes], reports: Reports, head: int
) -> AsyncIterator[bytes]:
    """The pieces, told of but for the first `head` bytes, which are of no chunk."""
    async for piece in pieces:
        of_head = min(head, len(piece))
        head -= of_head
        reports.on_bytes(len(piece) - of_head)
        yield piece


class _Writing:
    """Chunks that came together, and are written in one go."""

    def __init__(self, staging: Staging, reports: Reports) -> None:
        self._staging = staging
        self._reports = reports
        self._chunks: list[tuple[Chunk, memoryview]] = []

    def add(self, chunk: Chunk, data: memoryview) -> None:
        """This one came."""
        self._chunks.append((chunk, data))

    async def write(self) -> None:
        """Write what came, as far as it is right; raises IntegrityError or StorageError."""
        chunks, self._chunks = self._chunks, []
        written: list[Chunk] = []
        try:
            if chunks:
                await run_in_thread(self._write, chunks, written)
        finally:
            for chunk in written:
                self._reports.on_chunk(chunk)

    def _write(self, chunks: list[tuple[Chunk, memoryview]], written: list[Chunk]) -> None:
        for chunk, data in chunks:
            self._staging.write_chunk(chunk, data)
            written.append(chunk)


class _Rest:
    """What is left of an answer that comes in pieces of any length."""

    def __init__(self, pieces: AsyncIterator[bytes]) -> None:
        self._pieces = pieces
        self._left = memoryview(b"")

    @property
    def size(self) -> int:
        """The bytes that are here already."""
        return len(self._left)

    async def fill(self, filling: "_Filling") -> "_Filling":
        """The same, full, or as full as the source made it."""
        while True:
            self._left = filling.take(self._left)
            if filling.is_full:
                return filling
            piece = await self._next()
            if not piece:
                return filling
            self._left = memoryview(piece)

    async def take_number(self) -> int:
        """The chunk that the source chose; raises IntegrityError when the answer ends before."""
        while len(self._left) < CHUNK_NUMBER_BYTES:
            piece = await self._next()
            if not piece:
                raise errors.IntegrityError("the source sent no chunk")
            self._left = memoryview(bytes(self._left) + piece)
        number, self._left = self._left[:CHUNK_NUMBER_BYTES], self._left[CHUNK_NUMBER_BYTES:]
        return int.from_bytes(number, "big")

    async def require_end(self) -> None:
        """Raises IntegrityError when there is more."""
        if self._left or await self._next():
            raise errors.IntegrityError("the source sent more than it was asked for")

    async def _next(self) -> bytes:
        return await anext(self._pieces, b"")


class _Filling:
    """One chunk's memory, filled in order."""

    def __init__(self, chunk: Chunk) -> None:
        self.chunk = chunk
        self._buffer = bytearray(chunk.length)
        self._filled = 0

    @property
    def is_full(self) -> bool:
        return self._filled == self.chunk.length

    def take(self, data: memoryview) -> memoryview:
        """Take what fits; what is left over."""
        count = min(len(data), self.chunk.length - self._filled)
        self._buffer[self._filled : self._filled + count] = data[:count]
        self._filled += count
        return data[count:]

    def finish(self) -> memoryview:
        """The whole chunk; raises IntegrityError when bytes are missing."""
        if not self.is_full:
            raise errors.IntegrityError("the source sent less than the chunk")
        return memoryview(self._buffer)
