"""Fetching chunks from one source: into memory first, into staging only when they are right.

A chunk never takes more memory than its length, however much a source sends, and the requests
of all downloads together hold at most MAX_REQUEST_BUFFERS of them.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing

from lanspread_peer.model import errors
from lanspread_peer.model.ids import ContentId
from lanspread_peer.model.limits import MAX_REQUEST_BUFFERS
from lanspread_peer.model.manifest import Chunk, FileEntry, Manifest
from lanspread_peer.runtime.requests import pieces_of
from lanspread_peer.runtime.tasks import run_in_thread
from lanspread_peer.storage.staging import Staging
from lanspread_peer.transport.base import Connection
from lanspread_peer.wire.messages import GetGameFileChunk, GetGameFileData

OnBytes = Callable[[int], None]

# A whole file is the last resort, so even a poor link may give it, but nobody may drip for ever.
_CHUNK_OF_FILE_TIMEOUT_S = 30.0
_NO_BUFFER_RETRY_MS = 100


class ChunkFetcher:
    """Fetches for all downloads of one sidecar."""

    def __init__(self) -> None:
        self._buffers = asyncio.Semaphore(MAX_REQUEST_BUFFERS)

    async def fetch_chunk(
        self,
        connection: Connection,
        content_id: ContentId,
        chunk: Chunk,
        staging: Staging,
        on_bytes: OnBytes,
    ) -> None:
        """Fetch one chunk, verify it, and write it.

        Raises IntegrityError for wrong, short or long bytes, SourceUnavailable, StorageError; Busy
        too when all buffers are in use, as waiting here would look like the source's silence.
        """
        if self._buffers.locked():
            raise errors.Busy(_NO_BUFFER_RETRY_MS)
        request = GetGameFileChunk(
            content_id=content_id,
            relative_path=chunk.file.path,
            offset=chunk.offset,
            length=chunk.length,
        )
        async with self._buffers:
            filling = _Filling(chunk)
            async with aclosing(pieces_of(connection, request)) as pieces:
                async for piece in pieces:
                    filling.add(piece)
                    on_bytes(len(piece))
            await run_in_thread(staging.write_chunk, chunk, filling.finish())

    async def fetch_file(
        self,
        connection: Connection,
        content_id: ContentId,
        manifest: Manifest,
        entry: FileEntry,
        staging: Staging,
        on_chunk: Callable[[Chunk], None],
    ) -> None:
        """Fetch a whole file in one request, each chunk verified before it is written.

        `on_chunk` hears of each one; those before an error stay. Raises as fetch_chunk does.
        """
        request = GetGameFileData(content_id=content_id, relative_path=entry.path)
        chunks = manifest.chunks_of(entry.path)
        async with self._buffers, aclosing(pieces_of(connection, request)) as pieces:
            rest = _Rest(pieces)
            for chunk in chunks:
                try:
                    async with asyncio.timeout(_CHUNK_OF_FILE_TIMEOUT_S):
                        filling = await rest.fill(_Filling(chunk))
                except TimeoutError as error:
                    raise errors.Stalled("the source sends the file too slowly") from error
                await run_in_thread(staging.write_chunk, chunk, filling.finish())
                on_chunk(chunk)
            await rest.require_end()


class _Rest:
    """What is left of a file that comes in pieces of any length."""

    def __init__(self, pieces: AsyncIterator[bytes]) -> None:
        self._pieces = pieces
        self._left = memoryview(b"")

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

    async def require_end(self) -> None:
        """Raises IntegrityError when there is more."""
        if self._left or await self._next():
            raise errors.IntegrityError("the source sent more than the file")

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

    def add(self, piece: bytes) -> None:
        """Take all of it; raises IntegrityError when it is too much."""
        if self.take(memoryview(piece)):
            raise errors.IntegrityError("the source sent more than the chunk")

    def finish(self) -> memoryview:
        """The whole chunk; raises IntegrityError when bytes are missing."""
        if not self.is_full:
            raise errors.IntegrityError("the source sent less than the chunk")
        return memoryview(self._buffer)
