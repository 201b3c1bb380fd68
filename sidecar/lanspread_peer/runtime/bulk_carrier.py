"""The carrier by TLS where a peer can be reached so, and by messages where not.

A worker thread takes what comes (bulk_taking.py). Which ways there are to a peer, and when none of
them is tried, is in bulk_routes.py.
"""

import asyncio
from collections.abc import Callable

from lanspread_peer.core.assignment import Assignment
from lanspread_peer.model import errors
from lanspread_peer.model.manifest import Chunk, FileEntry
from lanspread_peer.runtime.bulk_routes import BulkRoutes, Way
from lanspread_peer.runtime.bulk_taking import Taking, TakingAny
from lanspread_peer.runtime.carrier import Reports, Target
from lanspread_peer.runtime.chunk_fetch import ChunkFetcher, any_request
from lanspread_peer.runtime.counters import RunningCounters
from lanspread_peer.runtime.rate_limits import RateLimit
from lanspread_peer.transport.base import Connection
from lanspread_peer.wire import messages

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
    taking: Taking | TakingAny
    if asked.wanted is None:
        first, count = asked.chunks.start, len(asked.chunks)
        request = messages.GetChunks(content_id=target.content_id, first=first, count=count)
        taking = Taking(target, target.manifest.run(first, count), reports, limit, loop)
    else:
        request = any_request(asked.wanted, target)
        taking = TakingAny(target, reports, limit, loop)
    await way.peer.fetch(request, taking.take, on_bytes)
