"""Fetching the chunks of one download: sends what the planner decides, and tells what came of it.

Owns the request tasks; each ends in exactly one report to the planner, or was cut by it. Sources
come and go with the peer database. This decides nothing itself but when to give up.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass
from itertools import chain
from random import SystemRandom

import structlog

from lanspread_peer.core.assignment import Assignment
from lanspread_peer.core.download import Download
from lanspread_peer.core.failure import failure_of
from lanspread_peer.core.liars import Liars
from lanspread_peer.core.peer_db import PeerDb
from lanspread_peer.core.planner import Planner
from lanspread_peer.model import errors
from lanspread_peer.model.download import DownloadState
from lanspread_peer.model.ids import ContentId, GameKey, PeerId
from lanspread_peer.model.limits import MAX_RETRY_COUNT
from lanspread_peer.model.manifest import Chunk, FileEntry, Manifest
from lanspread_peer.model.paths import SafeRelPath
from lanspread_peer.runtime.chunk_fetch import ChunkFetcher
from lanspread_peer.runtime.clock import monotonic_s
from lanspread_peer.runtime.counters import RunningCounters
from lanspread_peer.runtime.peer_links import PeerLinks
from lanspread_peer.runtime.tasks import TaskSet
from lanspread_peer.storage.staging import Staging
from lanspread_peer.transport.base import Connection

_log = structlog.get_logger(__name__)

# How often figures are told, and so the longest that the loop sleeps.
TICK_S = 0.25
# A tick that took this long means that the machine slept.
_CLOCK_JUMP_S = 15.0
_WHOLE_FILE_REST_S = 0.25
_FORGIVE_AFTER_S = 5.0
# While others serve, a peer that has to wait for its turn costs at most one wrong chunk a second.
_NEXT_WAITING_PEER_S = 1.0


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be fetched: the chunks of `files` whose numbers are not among `verified`."""

    key: GameKey
    content_id: ContentId
    manifest: Manifest
    files: tuple[FileEntry, ...]
    verified: Container[int] = frozenset()

    def chunks(self) -> list[tuple[int, int]]:
        """Number and length of each chunk that is missing."""
        found = chain.from_iterable(self.manifest.chunks_of(entry.path) for entry in self.files)
        return [
            (chunk.number, chunk.length) for chunk in found if chunk.number not in self.verified
        ]


def make_planner(wanted: Wanted) -> Planner:
    """The planner for what is wanted; takes a second for the largest manifest."""
    return Planner(wanted.chunks(), SystemRandom())


@dataclass(frozen=True, slots=True)
class Network:
    """Where it is fetched from."""

    peers: PeerDb
    links: PeerLinks
    fetcher: ChunkFetcher
    counters: RunningCounters
    liars: Liars


class Fetching:
    """One download's requests.

    `on_tick` is called every TICK_S or so, `on_state` when it begins to wait or runs again.
    """

    def __init__(
        self,
        wanted: Wanted,
        planner: Planner,
        staging: Staging,
        network: Network,
        download: Download,
        on_tick: Callable[[], None],
        on_state: Callable[[DownloadState], None],
    ) -> None:
        self._wanted = wanted
        self._staging = staging
        self._network = network
        self._download = download
        self._on_tick = on_tick
        self._on_state = on_state
        self.planner = planner
        self._tasks = TaskSet()
        self._requests: dict[tuple[PeerId, int], asyncio.Task[None]] = {}
        self._connections: dict[PeerId, Connection] = {}
        self._woken = asyncio.Event()
        self._whole_files: dict[SafeRelPath, _WholeFile] = {}
        self._whole_tries: Counter[tuple[PeerId, SafeRelPath]] = Counter()
        self._storage_error: errors.StorageError | None = None
        self._forgiven_at = monotonic_s()
        self._is_on_probation = False
        self._refused: tuple[int, ...] = ()
        self._hosts: dict[PeerId, str] = {}
        self._next_waiting_peer_at = 0.0

    def wake(self) -> None:
        """Sources may have come or gone."""
        self._woken.set()

    def stop(self, error: errors.StorageError) -> None:
        """The disk refuses, so fetching more makes no sense: `run` raises this error soon."""
        self._storage_error = error
        self.wake()

    async def run(self) -> None:
        """Fetch everything; raises DownloadFailed or StorageError when that cannot be done."""
        looked_at = told_at = monotonic_s()
        try:
            while not self.planner.is_complete:
                self._woken.clear()
                now = monotonic_s()
                if now - looked_at > _CLOCK_JUMP_S:
                    self.planner.deadlines_reset(now=now)
                    self._download.deadlines_reset(now=now)
                looked_at = now
                self._look(now)
                if now - told_at >= TICK_S:
                    self._on_tick()
                    told_at = now
                await self._wait()
        finally:
            await self._tasks.close()

    def _look(self, now: float) -> None:
        if self._storage_error is not None:
            raise self._storage_error
        self._take_sources(now)
        self._cut(self.planner.handle_timeout(now=now))
        for assignment in self.planner.assign(now=now):
            self._send(assignment)
        self._ask_for_whole_files()
        self._be_patient(now)

    def _take_sources(self, now: float) -> None:
        offered = self._network.peers.sources(self._wanted.key, self._wanted.content_id)
        live = {
            peer: self._network.links.connection(peer)
            for peer in offered
            if not self._network.liars.is_dropped(peer)
        }
        for peer, connection in list(self._connections.items()):
            used = live.get(peer)
            if used is not connection and used is not None and not connection.is_closed:
                # The peer is there on another connection; what runs on this one may end.
                self._connections[peer] = used
            elif used is not connection:
                del self._connections[peer]
                self._remove_source(peer, now)
        for peer, live_one in live.items():
            if live_one is None or peer in self._connections:
                continue
            if self._may_come(peer, live_one, now):
                self._connections[peer] = live_one
                self._hosts[peer] = live_one.address.host
                self._add_source(peer, now)
                self._is_on_probation = False

    def _add_source(self, peer: PeerId, now: float) -> None:
        self.planner.add_source(peer, now=now)
        for tried in [tried for tried in self._whole_tries if tried[0] == peer]:
            del self._whole_tries[tried]

    def _remove_source(self, peer: PeerId, now: float) -> None:
        self.planner.remove_source(peer, now=now)
        # One that is still connected could drip on, and each request holds a buffer.
        self._cut([Assignment(asked, chunk) for asked, chunk in self._requests if asked == peer])
        for path in [path for path, file in self._whole_files.items() if file.peer == peer]:
            self._whole_files.pop(path).task.cancel()

    def _may_come(self, peer: PeerId, connection: Connection, now: float) -> bool:
        if not self._network.liars.waits(peer, connection.address.host):
            return True
        if self.planner.admitted_sources and now < self._next_waiting_peer_at:
            return False
        self._next_waiting_peer_at = now + _NEXT_WAITING_PEER_S
        return True

    def _be_patient(self, now: float) -> None:
        is_hopeless = not self.planner.admitted_sources or self._is_stuck()
        if not is_hopeless and not self._is_on_probation:
            if self._download.source_found(now=now):
                self._on_state(DownloadState.RUNNING)
            return
        if self._download.no_source(now=now):
            self._on_state(DownloadState.WAITING)
        # What is out at one that was forgiven may still bring the turn.
        if self._download.is_out_of_patience(now=now) and (is_hopeless or not self._requests):
            self._give_up()
        if is_hopeless:
            self._forgive(now)

    def _give_up(self) -> None:
        # Only now, as a crowd of liars may be here long before the one honest source comes.
        if self.planner.all_lied:
            self._network.liars.forgive(self.planner.dropped_liars)
            raise errors.DownloadFailed(
                "LOCAL_CORRUPTION_SUSPECTED", "every source sent wrong bytes; the fault may be here"
            )
        for number in self.planner.exhausted or self._refused:
            path = self._wanted.manifest.chunk(number).file.path
            raise errors.DownloadFailed(
                "CHUNK_UNAVAILABLE", f"no source gives chunk {number} of {path!r}", path=path
            )
        if self.planner.dropped_liars:
            raise errors.DownloadFailed("WRONG_BYTES", "every source sent wrong bytes")
        raise errors.DownloadFailed("NO_SOURCE", "no peer that has this content can be reached")

    def _forgive(self, now: float) -> None:
        """Ask the sources that are here anew; they are on probation until a right chunk comes."""
        # Who is linked answers pings, so a disk may have slept, or a file was locked for a moment.
        if now - self._forgiven_at < _FORGIVE_AFTER_S or not self._connections:
            return
        self._forgiven_at = now
        self._refused = self.planner.exhausted[:1]
        for peer in self._connections:
            self._remove_source(peer, now)
            self._add_source(peer, now)
        self._is_on_probation = True

    def _send(self, assignment: Assignment) -> None:
        if assignment.replaces is not None:
            self._cut([Assignment(assignment.replaces, assignment.chunk)])
        key = (assignment.peer, assignment.chunk)
        self._requests[key] = self._tasks.spawn(
            f"chunk {assignment.chunk}", self._request(assignment.peer, assignment.chunk)
        )

    def _cut(self, assignments: Iterable[Assignment]) -> None:
        for assignment in assignments:
            if task := self._requests.pop((assignment.peer, assignment.chunk), None):
                task.cancel()

    async def _request(self, peer: PeerId, number: int) -> None:
        chunk = self._wanted.manifest.chunk(number)
        came = _Came()
        try:
            await self._fetch(peer, chunk, came)
        except asyncio.CancelledError:
            self._download.wasted(came.bytes)
            raise
        except errors.StorageError as error:
            self._storage_error = error
        except errors.LanspreadError as error:
            # What an old request comes to says nothing of a new one for the same; a lie stays one.
            if self._is_over(peer, number) or isinstance(error, errors.IntegrityError):
                self._failed(peer, chunk, error, came.bytes)
            else:
                self._download.wasted(came.bytes)
        else:
            self._is_over(peer, number)
            self._received(peer, chunk)
        self.wake()

    def _is_over(self, peer: PeerId, number: int) -> bool:
        """Whether the task that asks is the request that is out; from now on it is not."""
        if self._requests.get((peer, number)) is not asyncio.current_task():
            return False
        del self._requests[peer, number]
        return True

    async def _fetch(self, peer: PeerId, chunk: Chunk, came: "_Came") -> None:
        connection = self._connections.get(peer)
        if connection is None:
            raise errors.ConnectionLost("the source is gone")

        def on_bytes(count: int) -> None:
            came.bytes += count
            self._network.counters.received_bytes += count
            self._network.links.heard(peer)
            self.planner.progressed(peer, chunk.number, count, now=monotonic_s())

        await self._network.fetcher.fetch_chunk(
            connection, self._wanted.content_id, chunk, self._staging, on_bytes
        )

    def _received(self, peer: PeerId, chunk: Chunk) -> None:
        received = self.planner.received(peer, chunk.number, now=monotonic_s())
        self._cut(received.cancel)
        if not received.is_new:
            self._download.wasted(chunk.length)
            return
        self._is_on_probation = False
        self._download.fetched(chunk.length, now=monotonic_s())
        self._network.liars.gave(peer)
        self._network.peers.served(peer, chunk.length)

    def _failed(
        self, peer: PeerId, chunk: Chunk, error: errors.LanspreadError, wasted: int
    ) -> None:
        self._download.wasted(wasted)
        if isinstance(error, errors.IntegrityError):
            self._network.counters.bad_chunks += 1
            if peer not in self.planner.dropped_liars:
                self._network.liars.lied(peer, self._hosts.get(peer, ""))
                _log.warning("source dropped", peer=peer, chunk=chunk.number, detail=error.message)
        retry_s = error.retry_ms / 1000 if isinstance(error, errors.Busy) else 0.0
        self._cut(
            self.planner.failed(
                peer, chunk.number, failure_of(error), now=monotonic_s(), retry_s=retry_s
            )
        )

    def _ask_for_whole_files(self) -> None:
        """The last resort for chunks that failed everywhere: one source at a time for a file."""
        for number in self.planner.exhausted:
            chunk = self._wanted.manifest.chunk(number)
            peer = self._next_for_whole(chunk.file.path)
            if peer is not None and chunk.file.path not in self._whole_files:
                self._whole_tries[peer, chunk.file.path] += 1
                task = self._tasks.spawn(
                    f"file {chunk.file.path}", self._request_whole(peer, chunk)
                )
                self._whole_files[chunk.file.path] = _WholeFile(peer, task)

    def _next_for_whole(self, path: SafeRelPath) -> PeerId | None:
        sources = self.planner.admitted_sources
        peer = min(sources, key=lambda peer: self._whole_tries[peer, path], default=None)
        return peer if peer and self._whole_tries[peer, path] < MAX_RETRY_COUNT else None

    def _is_stuck(self) -> bool:
        """Whether every source that is here was asked in vain for all that is missing."""
        exhausted = self.planner.exhausted
        return len(exhausted) == self.planner.missing_count and not self._whole_files

    async def _request_whole(self, peer: PeerId, chunk: Chunk) -> None:
        try:
            await self._fetch_whole(peer, chunk)
        except errors.StorageError as error:
            self._storage_error = error
        except errors.LanspreadError as error:
            self._failed(peer, chunk, error, 0)
            await asyncio.sleep(_WHOLE_FILE_REST_S)
        finally:
            self._whole_is_over(chunk.file.path)
        self.wake()

    def _whole_is_over(self, path: SafeRelPath) -> None:
        file = self._whole_files.get(path)
        if file is not None and file.task is asyncio.current_task():
            del self._whole_files[path]

    async def _fetch_whole(self, peer: PeerId, chunk: Chunk) -> None:
        connection = self._connections.get(peer)
        if connection is None:
            raise errors.ConnectionLost("the source is gone")
        await self._network.fetcher.fetch_file(
            connection,
            self._wanted.content_id,
            self._wanted.manifest,
            chunk.file,
            self._staging,
            lambda verified: self._received(peer, verified),
        )

    async def _wait(self) -> None:
        deadline = self.planner.next_deadline()
        left = TICK_S if deadline is None else min(TICK_S, deadline - monotonic_s())
        try:
            async with asyncio.timeout(max(0.0, left)):
                await self._woken.wait()
        except TimeoutError:
            return


@dataclass(frozen=True, slots=True)
class _WholeFile:
    """A file that is fetched in one request, and from whom."""

    peer: PeerId
    task: asyncio.Task[None]


@dataclass(slots=True)
class _Came:
    """The bytes that one request brought so far."""

    bytes: int = 0
