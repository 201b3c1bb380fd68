"""The carrier by TLS where a peer can be reached so, and by messages where not.

A worker thread receives a chunk, looks at its hash and writes it, and the loop hears of it. Which
ways there are to a peer, and when none of them is tried, is in bulk_routes.py.
"""

import asyncio
from collections.abc import Callable

from lanspread_peer.core.assignment import Assignment
from lanspread_peer.model import errors
from lanspread_peer.model.manifest import Chunk, FileEntry
from lanspread_peer.runtime.bulk_routes import BulkRoutes, Way
from lanspread_peer.runtime.carrier import Reports, Target
from lanspread_peer.runtime.chunk_fetch import ChunkFetcher, any_request
from lanspread_peer.runtime.clock import monotonic_s
from lanspread_peer.runtime.counters import RunningCounters
from lanspread_peer.runtime.rate_limits import RateLimit
from lanspread_peer.storage import beneath
from lanspread_peer.transport.base import Connection
from lanspread_peer.transport.tls_reader import DataReader
from lanspread_peer.wire import messages

# The loop hears of what is written so often, and at the end of a request.
_TELL_S = 0.05
# What says something of the peer or its disk, and nothing of the way to it.
_ANSWERS = (errors.Busy, errors.NotFoundByPeer, errors.Stale, errors.NotIndexed)


class BulkCarrier:
    """A Carrier; where no way by TLS works, `by_messages` has its turn."""

    def __init__(
        self,
        routes: BulkRoutes,
        by_messages: ChunkFetcher,
        limit: RateLimit,
        counters: RunningCounters,
    ) -> None:
        self._counters = counters
        self._routes = routes
        self._by_messages = by_messages
        self._limit = limit

    async def fetch(
        self, connection: Connection, target: Target, asked: Assignment, reports: Reports
    ) -> None:
        """See Carrier."""
        while (way := await self._routes.way_to(asked.peer)) is not None:
            async with self._by_messages.buffer(target):
                if await self._fetch(way, target, asked, reports):
                    return
        await self._by_messages.fetch(connection, target, asked, reports)

    async def _fetch(self, way: Way, target: Target, asked: Assignment, reports: Reports) -> bool:
        """Whether the peer could be reached this way."""
        has_line = False

        def on_bytes(count: int) -> None:
            nonlocal has_line
            way.reached()
            # The first word of none says that there is a line, which is no sign of life yet.
            if has_line or count:
                self._counters.received_tls_bytes += count
                reports.on_bytes(count)
            has_line = True

        try:
            async with way.in_time():
                await _fetch(way, target, asked, reports, self._limit, on_bytes)
        except (errors.SourceUnavailable, errors.PeerProtocolError) as error:
            # The same words in place of a line, such as Busy for DialBack, say that there is none.
            is_answer = has_line and isinstance(error, _ANSWERS)
            if is_answer or way.works:
                # It has to show anew that it works; what was asked is for the planner to decide.
                way.works = is_answer
                raise
            self._routes.unreachable(asked.peer, way, error)
            return False
        return True

    async def fetch_file(
        self,
        connection: Connection,
        target: Target,
        entry: FileEntry,
        on_chunk: Callable[[Chunk], None],
    ) -> None:
        """See Carrier; the last resort goes by messages."""
        await self._by_messages.fetch_file(connection, target, entry, on_chunk)


async def _fetch(
    way: Way,
    target: Target,
    asked: Assignment,
    reports: Reports,
    limit: RateLimit,
    on_bytes: Callable[[int], None],
) -> None:
    loop = asyncio.get_running_loop()
    request: messages.Message
    taking: _Taking | _TakingAny
    if asked.wanted is None:
        first, count = asked.chunks.start, len(asked.chunks)
        request = messages.GetChunks(content_id=target.content_id, first=first, count=count)
        taking = _Taking(target, target.manifest.run(first, count), reports, limit, loop)
    else:
        request = any_request(asked.wanted, target)
        taking = _TakingAny(target, reports, limit, loop)
    await way.peer.fetch(request, taking.take, on_bytes)


class _Taking:
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
        buffer = memoryview(bytearray(max(chunk.length for chunk in self._chunks)))
        try:
            with beneath.keeping_folders():
                for chunk in self._chunks:
                    data = buffer[: chunk.length]
                    self._read(reader, data)
                    self._target.staging.write_chunk(chunk, data)
                    self._note(chunk)
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


class _TakingAny:
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
        """Raises as _Taking does; what is not wanted is left unread."""
        number = int.from_bytes(reader.read_head(messages.CHUNK_NUMBER_BYTES), "big")
        chosen = asyncio.run_coroutine_threadsafe(self._ask(number), self._loop)
        if chosen.result():
            chunk = self._target.manifest.chunk(number)
            taking = _Taking(self._target, [chunk], self._reports, self._limit, self._loop)
            taking.take(reader)

    async def _ask(self, number: int) -> bool:
        return self._reports.on_chosen(number)
