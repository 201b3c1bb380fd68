"""The carrier by TLS where a peer can be reached so, and by messages where not.

A worker thread receives a chunk, looks at its hash and writes it, and the loop hears of it. A peer
whose bulk port does not answer soon is asked by messages, and by TLS again after a while.
"""

import asyncio
from collections.abc import Callable

from lanspread_peer.core.assignment import Assignment
from lanspread_peer.model import errors
from lanspread_peer.model.events import Event, Warned
from lanspread_peer.model.ids import PeerId
from lanspread_peer.model.limits import UPLOAD_SLICE_BYTES
from lanspread_peer.model.manifest import Chunk, FileEntry
from lanspread_peer.model.peer import Address
from lanspread_peer.runtime.carrier import Reports, Target
from lanspread_peer.runtime.chunk_fetch import ChunkFetcher
from lanspread_peer.runtime.clock import monotonic_s
from lanspread_peer.runtime.link import Proven
from lanspread_peer.runtime.rate_limits import RateLimit
from lanspread_peer.storage import beneath
from lanspread_peer.transport.base import Connection
from lanspread_peer.transport.tls_client import TlsClient, TlsPeer
from lanspread_peer.transport.tls_reader import DataReader
from lanspread_peer.wire import messages

# A port that a firewall guards does not answer at all; on a LAN every other one does by then, and
# the source does not count as silent yet. Who has answered once may have reasons to let us wait.
_REACHED_WITHIN_S = 2.0
_TRY_AGAIN_S = 60.0
# What says something of the peer or its disk, and nothing of the way to it.
_ANSWERS = (errors.Busy, errors.NotFoundByPeer, errors.Stale, errors.NotIndexed)


class _Route:
    """The way to one peer's bulk port, and whether it works."""

    def __init__(self, address: Address, peer: TlsPeer) -> None:
        self.address = address
        self.peer = peer
        self.works = False
        self.rests_until = 0.0


class BulkCarrier:
    """A Carrier; `said_by` is what a peer said on its link."""

    def __init__(
        self,
        client: TlsClient,
        by_messages: ChunkFetcher,
        limit: RateLimit,
        said_by: Callable[[PeerId], Proven | None],
        emit: Callable[[Event], None],
    ) -> None:
        self._client = client
        self._by_messages = by_messages
        self._limit = limit
        self._said_by = said_by
        self._emit = emit
        self._routes: dict[PeerId, _Route] = {}

    async def fetch(
        self, connection: Connection, target: Target, asked: Assignment, reports: Reports
    ) -> None:
        """See Carrier."""
        route = await self._route(asked.peer)
        if route is None or monotonic_s() < route.rests_until:
            await self._by_messages.fetch(connection, target, asked, reports)
            return
        async with self._by_messages.buffer(target):
            is_done = await self._fetch(route, target, asked, reports)
        if not is_done:
            await self._by_messages.fetch(connection, target, asked, reports)

    async def _fetch(
        self, route: _Route, target: Target, asked: Assignment, reports: Reports
    ) -> bool:
        """Whether the peer could be reached."""
        try:
            await _fetch(route, target, asked, reports, self._limit)
        except (errors.SourceUnavailable, errors.PeerProtocolError, TimeoutError) as error:
            if isinstance(error, _ANSWERS) or route.works:
                # It has to show anew that it works; what was asked is for the planner to decide.
                route.works = isinstance(error, _ANSWERS)
                raise
            self._rest(asked.peer, route, error)
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

    async def _route(self, peer_id: PeerId) -> _Route | None:
        said = self._said_by(peer_id)
        address = said.bulk_address if said is not None else None
        route = self._routes.get(peer_id)
        if route is not None and route.address == address:
            return route
        if route is not None:
            del self._routes[peer_id]
            await route.peer.close()
        if address is None:
            return None
        return self._routes.setdefault(
            peer_id, _Route(address, self._client.peer(address, peer_id))
        )

    def _rest(self, peer_id: PeerId, route: _Route, error: Exception) -> None:
        now = monotonic_s()
        if now >= route.rests_until:
            route.rests_until = now + _TRY_AGAIN_S
            detail = f"{peer_id} at {route.address}: {error}; its chunks come by QUIC"
            self._emit(Warned("BULK_UNREACHABLE", detail))


async def _fetch(
    route: _Route, target: Target, asked: Assignment, reports: Reports, limit: RateLimit
) -> None:
    request = messages.GetChunks(
        content_id=target.content_id, first=asked.chunks.start, count=len(asked.chunks)
    )
    chunks = target.manifest.run(asked.chunks.start, len(asked.chunks))
    taking = _Taking(target, chunks, reports, limit)
    is_over = False
    try:
        async with asyncio.timeout(None if route.works else _REACHED_WITHIN_S) as patience:

            def on_bytes(count: int) -> None:
                route.works = True
                # Late word of what was cut must not touch a limit that is gone.
                if not is_over and not patience.expired():
                    patience.reschedule(None)
                reports.on_bytes(count)

            await route.peer.fetch(request, taking.take, on_bytes)
    finally:
        is_over = True


class _Taking:
    """Takes a run in a worker thread: each chunk is written only when it is right."""

    def __init__(
        self, target: Target, chunks: list[Chunk], reports: Reports, limit: RateLimit
    ) -> None:
        self._target = target
        self._limit = limit
        self._chunks = chunks
        self._reports = reports
        self._loop = asyncio.get_running_loop()
        self._written: list[Chunk] = []
        self._written_bytes = 0

    def take(self, reader: DataReader) -> None:
        """Raises IntegrityError, StorageError, or what the reader raises."""
        if reader.length != sum(chunk.length for chunk in self._chunks):
            raise errors.IntegrityError(f"{reader.length} bytes are not what was asked for")
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
        # Small ones are told together: each time wakes the loop.
        self._written.append(chunk)
        self._written_bytes += chunk.length
        if self._written_bytes >= UPLOAD_SLICE_BYTES:
            self._tell()

    def _tell(self) -> None:
        written, self._written, self._written_bytes = self._written, [], 0
        if written:
            self._loop.call_soon_threadsafe(self._report, written)

    def _report(self, written: list[Chunk]) -> None:
        for chunk in written:
            self._reports.on_chunk(chunk)
