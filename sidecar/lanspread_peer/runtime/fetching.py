"""Fetching the chunks of one download: the loop that lets the planner decide, and when to give up.

The requests themselves are in fetch_requests.py and whole_files.py, the sources in
fetch_sources.py; all of them report to the planner and wake this loop.
"""

import asyncio
from collections.abc import Callable, Container
from dataclasses import dataclass
from itertools import chain
from random import Random, SystemRandom

from lanspread_peer.core.chunk_set import ChunkSet
from lanspread_peer.core.download import Download
from lanspread_peer.core.planner import Planner
from lanspread_peer.model import errors
from lanspread_peer.model.download import DownloadState
from lanspread_peer.model.ids import ContentId, GameKey, PeerId
from lanspread_peer.model.manifest import Chunk, FileEntry, Manifest
from lanspread_peer.runtime.carrier import Target
from lanspread_peer.runtime.clock import monotonic_s
from lanspread_peer.runtime.fetch_requests import FetchRequests, Network
from lanspread_peer.runtime.fetch_sources import FetchSources
from lanspread_peer.runtime.partial_sources import PartialSources
from lanspread_peer.runtime.tasks import TaskSet
from lanspread_peer.runtime.whole_files import WholeFiles
from lanspread_peer.storage.staging import Staging

# How often figures are told, and so the longest that the loop sleeps.
TICK_S = 0.25
# A tick that took this long means that the machine slept.
_CLOCK_JUMP_S = 15.0
_FORGIVE_AFTER_S = 5.0
# Who is there is looked up when somebody tells that it changed, and so often besides; requests end
# a thousand times a second.
_LOOK_FOR_SOURCES_S = 0.05


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
    # Of its own, as the system is asked for each number otherwise, several times per chunk.
    return Planner(wanted.chunks(), Random(SystemRandom().getrandbits(64)))  # noqa: S311 - no secret


class Fetching:
    """One download's requests.

    `on_tick` is called every TICK_S or so, `on_state` when it begins to wait or runs again,
    `on_right` with the number of each new chunk that is right and written.
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
        on_right: Callable[[int], None],
    ) -> None:
        self._wanted = wanted
        self._network = network
        self._download = download
        self._on_tick = on_tick
        self._on_state = on_state
        self._on_right = on_right
        self.planner = planner
        self._tasks = TaskSet()
        self._woken = asyncio.Event()
        self._storage_error: errors.StorageError | None = None
        self._forgiven_at = monotonic_s()
        self._is_on_probation = False
        self._refused: tuple[int, ...] = ()
        self._sources_due_at = 0.0
        target = Target(wanted.content_id, wanted.manifest, staging)
        partial = PartialSources(
            wanted.content_id,
            wanted.manifest.totals.chunks,
            network.peers,
            network.links,
            self._news_came,
            self.wake,
            SystemRandom(),
        )
        self._sources = FetchSources(
            wanted.key,
            wanted.content_id,
            planner,
            network.peers,
            network.links,
            network.liars,
            partial,
        )
        self._requests = FetchRequests(
            target,
            planner,
            self._sources,
            network,
            download,
            self._tasks,
            self._request_ended,
            self._right_chunk_came,
        )
        self._whole_files = WholeFiles(
            target,
            planner,
            self._sources,
            self._requests,
            network.carrier,
            self._tasks,
            self._request_ended,
        )

    def wake(self) -> None:
        """Sources may have come or gone."""
        self._sources_due_at = 0.0
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
            await self._sources.close()
            await self._tasks.close()

    def _look(self, now: float) -> None:
        if self._storage_error is not None:
            raise self._storage_error
        if now >= self._sources_due_at:
            self._sources_due_at = now + _LOOK_FOR_SOURCES_S
            self._look_for_sources(now)
        self._requests.cut(self.planner.handle_timeout(now=now))
        for asked in self.planner.assign(now=now):
            self._requests.send(asked)
        self._whole_files.ask()
        self._be_patient(now)

    def _look_for_sources(self, now: float) -> None:
        gone, came = self._sources.update(now=now)
        for peer in gone:
            self._requests.cut_all_of(peer)
            self._whole_files.source_went(peer)
        for peer in came:
            self._whole_files.source_came(peer)
            self._is_on_probation = False

    def _request_ended(self, error: errors.StorageError | None) -> None:
        self._storage_error = self._storage_error or error
        self._woken.set()

    def _news_came(self, peer: PeerId, chunks: ChunkSet) -> None:
        self.planner.holds_added(peer, chunks)
        self._woken.set()

    def _right_chunk_came(self, chunk: Chunk) -> None:
        self._on_right(chunk.number)
        self._is_on_probation = False
        if self.planner.is_complete:
            self._woken.set()

    def _be_patient(self, now: float) -> None:
        # Sources may be here that all lack the same.
        is_hopeless = self.planner.is_starved and not self._whole_files
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
        if now - self._forgiven_at < _FORGIVE_AFTER_S or not self._sources:
            return
        self._forgiven_at = now
        self._refused = self.planner.exhausted[:1]
        for peer in self._sources.begin_anew(now=now):
            self._requests.cut_all_of(peer)
            self._whole_files.source_went(peer)
            self._whole_files.source_came(peer)
        self._is_on_probation = True

    async def _wait(self) -> None:
        deadline = self.planner.next_deadline()
        left = TICK_S if deadline is None else min(TICK_S, deadline - monotonic_s())
        try:
            async with asyncio.timeout(max(0.0, left)):
                await self._woken.wait()
        except TimeoutError:
            return
