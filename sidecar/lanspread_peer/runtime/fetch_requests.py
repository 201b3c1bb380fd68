"""The requests of one download that are under way: a task each, until it ends or is cut.

Each ends in exactly one report to the planner, besides one for each chunk that it brought. What
comes late from a request that was cut is told too, and counts as the planner says: a right chunk
is right, and a lie stays a lie.
"""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import structlog

from lanspread_peer.core.assignment import Assignment, Received
from lanspread_peer.core.download import Download
from lanspread_peer.core.failure import failure_of
from lanspread_peer.core.liars import Liars
from lanspread_peer.core.peer_db import PeerDb
from lanspread_peer.core.planner import Planner
from lanspread_peer.model import errors
from lanspread_peer.model.ids import PeerId
from lanspread_peer.model.manifest import Chunk
from lanspread_peer.runtime.carrier import Carrier, Target
from lanspread_peer.runtime.clock import monotonic_s
from lanspread_peer.runtime.counters import RunningCounters
from lanspread_peer.runtime.fetch_sources import FetchSources
from lanspread_peer.runtime.log_context import log_about
from lanspread_peer.runtime.partial_sources import Followed
from lanspread_peer.runtime.peer_links import PeerLinks
from lanspread_peer.runtime.tasks import TaskSet

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Network:
    """Where things are fetched from, and who hears of what came."""

    peers: PeerDb
    links: PeerLinks
    carrier: Carrier
    counters: RunningCounters
    liars: Liars


class FetchRequests:
    """`on_end` is called when a request ended, `on_right` for each new chunk that is right."""

    def __init__(
        self,
        target: Target,
        planner: Planner,
        sources: FetchSources,
        network: Network,
        download: Download,
        tasks: TaskSet,
        on_end: Callable[[errors.StorageError | None], None],
        on_right: Callable[[Chunk], None],
    ) -> None:
        self._target = target
        self._planner = planner
        self._sources = sources
        self._network = network
        self._download = download
        self._tasks = tasks
        self._on_end = on_end
        self._on_right = on_right
        self._running: dict[int, tuple[Assignment, asyncio.Task[None]]] = {}

    def __bool__(self) -> bool:
        return bool(self._running)

    def send(self, asked: Assignment) -> None:
        """Begin with a request, after the one that it replaces is cut."""
        if asked.replaces is not None:
            self._cut_one(asked.replaces)
        task = self._tasks.spawn(f"request {asked.id}", self._request(asked))
        self._running[asked.id] = (asked, task)

    def cut(self, requests: Iterable[Assignment]) -> None:
        """End these at once; those that are over already do no harm."""
        for asked in requests:
            self._cut_one(asked.id)

    def cut_all_of(self, peer: PeerId) -> None:
        """A source is gone for this download."""
        # One that is still connected could drip on, and each request holds a buffer.
        self.cut([asked for asked, _ in self._running.values() if asked.peer == peer])

    def came(self, peer: PeerId, chunk: Chunk, received: Received) -> None:
        """A chunk of a source is verified and written, and the planner has said what it means."""
        self._network.counters.verified_chunks += 1
        self.cut(received.cancel)
        if not received.is_new:
            self._download.wasted(chunk.length)
            return
        self._on_right(chunk)
        now = monotonic_s()
        self._download.fetched(chunk.length, now=now)
        self._sources.gave(peer, now=now)
        self._network.liars.gave(peer)
        self._network.peers.served(peer, chunk.length)

    def lied(self, peer: PeerId, error: errors.IntegrityError) -> None:
        """A source gave wrong bytes; the planner is still to be told."""
        self._network.counters.bad_chunks += 1
        if peer not in self._planner.dropped_liars:
            self._network.liars.lied(peer, self._sources.host(peer))
            _log.warning("source dropped", peer=peer, detail=error.message)

    def _cut_one(self, request: int) -> None:
        if running := self._running.pop(request, None):
            running[1].cancel()

    async def _request(self, asked: Assignment) -> None:
        log_about(peer=asked.peer, chunk=asked.chunks.start if asked.chunks else None)
        reports = _Reports(asked, self, self._planner, self._network)
        storage_error: errors.StorageError | None = None
        followed = self._sources.followed(asked.peer)
        try:
            connection = self._sources.connection(asked.peer)
            await self._network.carrier.fetch(connection, self._target, asked, reports)
        except errors.StorageError as error:
            storage_error = error
        except errors.LanspreadError as error:
            self._failed(asked, error, followed)
        finally:
            self._download.wasted(max(0, reports.unverified_bytes))
            self._running.pop(asked.id, None)
        self._on_end(storage_error)

    def _failed(
        self, asked: Assignment, error: errors.LanspreadError, followed: Followed | None
    ) -> None:
        if isinstance(error, errors.IntegrityError):
            self.lied(asked.peer, error)
        now = monotonic_s()
        if isinstance(error, errors.NotFoundByPeer) and followed is not None:
            self._sources.refused(followed, now=now)
        retry_s = error.retry_ms / 1000 if isinstance(error, errors.Busy) else 0.0
        self.cut(self._planner.failed(asked, failure_of(error), now=now, retry_s=retry_s))


class _Reports:
    """What one request brought so far."""

    def __init__(
        self, asked: Assignment, requests: FetchRequests, planner: Planner, network: Network
    ) -> None:
        self._asked = asked
        self._requests = requests
        self._planner = planner
        self._network = network
        self.unverified_bytes = 0

    def on_bytes(self, count: int) -> None:
        self.unverified_bytes += count
        self._network.counters.received_bytes += count
        self._network.links.heard(self._asked.peer)
        self._planner.progressed(self._asked, count, now=monotonic_s())

    def on_chosen(self, number: int) -> bool:
        return self._planner.chosen(self._asked, number, now=monotonic_s())

    def on_chunk(self, chunk: Chunk) -> None:
        self.unverified_bytes -= chunk.length
        received = self._planner.received(self._asked, chunk.number, now=monotonic_s())
        self._requests.came(self._asked.peer, chunk, received)
