"""One download from acceptance to its one final event.

The order is that of the design: staging, fetching, verifying, publishing. Whatever ends it early
leaves the game folder as it was; a cancel that comes during publishing is too late.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from lanspread_peer.core.download import Download
from lanspread_peer.model import errors
from lanspread_peer.model.download import (
    DownloadState,
    DownloadStatus,
    SourceShare,
    StagedDownload,
    StagedState,
)
from lanspread_peer.model.events import (
    DownloadBegan,
    DownloadCancelled,
    DownloadEvent,
    DownloadFailedEvent,
    DownloadFinished,
    DownloadProgressed,
    DownloadResumed,
    DownloadWaiting,
    Event,
    Warned,
)
from lanspread_peer.model.ids import DownloadId, GameKey
from lanspread_peer.runtime.clock import monotonic_s, unix_s
from lanspread_peer.runtime.download_plan import DownloadPlan
from lanspread_peer.runtime.fetching import Fetching, Network, Wanted, make_planner
from lanspread_peer.runtime.library import Library
from lanspread_peer.runtime.tasks import TaskSet, run_in_thread, run_to_end
from lanspread_peer.storage.index import Index
from lanspread_peer.storage.publish import publish
from lanspread_peer.storage.staging import Staging

_log = structlog.get_logger(__name__)

_STATE_EVENTS: dict[DownloadState, Callable[[DownloadStatus], DownloadEvent]] = {
    DownloadState.RUNNING: DownloadResumed,
    DownloadState.WAITING: DownloadWaiting,
    DownloadState.FINISHED: DownloadFinished,
    DownloadState.FAILED: DownloadFailedEvent,
    DownloadState.CANCELLED: DownloadCancelled,
}


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What every download works with."""

    library: Library
    index: Index
    network: Network
    emit: Callable[[Event], None]
    patience_s: float


class DownloadJob:
    """A download that was accepted; `start` must follow at once.

    `on_end` is given the final status, so that nobody needs to keep the job for it.
    """

    def __init__(
        self,
        download_id: DownloadId,
        plan: DownloadPlan,
        surroundings: Surroundings,
        on_end: Callable[[DownloadStatus], None],
    ) -> None:
        self.id = download_id
        self._on_end = on_end
        self._plan = plan
        self._surroundings = surroundings
        self._started_at_unix_s = unix_s()
        self._download = Download(
            plan.total_bytes, patience_s=surroundings.patience_s, now=monotonic_s()
        )
        self._fetching: Fetching | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def key(self) -> GameKey:
        return self._plan.key

    @property
    def is_over(self) -> bool:
        """Whether it reached its final state."""
        return self._download.state.is_final

    @property
    def missing_bytes(self) -> int:
        """What it still has to fetch, and so to write."""
        figures = self._download.figures(now=monotonic_s())
        return figures.total_bytes - figures.done_bytes

    def start(self, tasks: TaskSet) -> None:
        """Begin; exactly one final event follows."""
        self._task = tasks.spawn(f"download {self._plan.game_id}", self._run())

    def wake(self) -> None:
        """Other peers may have the game now."""
        if self._fetching is not None:
            self._fetching.wake()

    async def cancel(self) -> None:
        """End it, and wait until it has ended; too late while it is being published."""
        assert self._task is not None, "start() comes first"
        if not self.is_over:
            self._task.cancel()
        await asyncio.wait({self._task})
        if not self.is_over:
            # It was cancelled before its first step, so nothing in it could tell.
            self._download.cancel()
            self._end()

    def status(self) -> DownloadStatus:
        """Where it stands."""
        now = monotonic_s()
        figures = self._download.figures(now=now)
        error = self._download.error
        return DownloadStatus(
            id=self.id,
            game_id=self._plan.game_id,
            content_id=self._plan.variant.content_id,
            version=self._plan.variant.version,
            state=self._download.state,
            total_bytes=figures.total_bytes,
            total_files=len(self._plan.files),
            done_bytes=figures.done_bytes,
            reused_bytes=figures.reused_bytes,
            fetched_bytes=figures.fetched_bytes,
            wasted_bytes=figures.wasted_bytes,
            bytes_per_second=figures.bytes_per_second,
            eta_s=figures.eta_s,
            sources=self._source_shares(now),
            started_at_unix_s=self._started_at_unix_s,
            error_code=error.code if error else "",
            error_message=error.message if error else "",
        )

    async def _run(self) -> None:
        try:
            await self._fetch_and_publish()
            self._download.finish()
        except asyncio.CancelledError:
            self._download.cancel()
        except errors.DownloadFailed as error:
            self._download.fail(error)
        except errors.LanspreadError as error:
            self._download.fail(errors.DownloadFailed(error.reason, error.message))
        except Exception as error:  # noqa: BLE001 - even a bug must give its one final event
            _log.exception("download crashed", download=self.id)
            self._download.fail(errors.DownloadFailed("INTERNAL", type(error).__name__))
        self._end()

    def _end(self) -> None:
        self._on_end(self.status())
        self._tell_state(self._download.state)

    async def _fetch_and_publish(self) -> None:
        staging = await self._create_staging()
        try:
            await self._fetch(staging)
            self._download.verify()
            await run_in_thread(staging.sync)
            self._download.publish()
            await run_to_end(self._publish(staging))
        finally:
            # A cancel that comes now changes nothing: the game is published, or it ends anyway.
            await run_to_end(self._discard(staging))

    async def _create_staging(self) -> Staging:
        creation = asyncio.ensure_future(run_in_thread(self._make_staging))
        try:
            return await asyncio.shield(creation)
        except asyncio.CancelledError:
            # The thread goes on, so there is a staging to take away in the end.
            await run_to_end(self._discard(await run_to_end(creation)))
            raise

    def _make_staging(self) -> Staging:
        plan = self._plan
        staged = StagedDownload(
            id=self.id,
            game_id=plan.game_id,
            folder=plan.folder,
            content_id=plan.variant.content_id,
            version=plan.variant.version,
            paths=tuple(entry.path for entry in plan.files),
            request_id="",
            started_at_unix_s=self._started_at_unix_s,
            state=StagedState.ENDED,
        )
        staging = Staging.create(plan.game_dir, staged, plan.manifest)
        try:
            staging.prepare(plan.fetched_files)
        except BaseException:
            staging.discard()
            raise
        return staging

    async def _discard(self, staging: Staging) -> None:
        try:
            await run_in_thread(staging.discard)
        except errors.StorageError as error:
            # The next start removes it; whether the download worked does not depend on it.
            _log.warning("staging not removed", download=self.id, detail=error.message)

    async def _fetch(self, staging: Staging) -> None:
        plan = self._plan
        self._download.start()
        self._download.reused(plan.kept_bytes)
        self._surroundings.emit(DownloadBegan(self.status()))
        wanted = Wanted(plan.key, plan.variant.content_id, plan.manifest, plan.fetched_files)
        self._fetching = Fetching(
            wanted,
            # A manifest of many chunks would hold the loop.
            await run_in_thread(make_planner, wanted),
            staging,
            self._surroundings.network,
            self._download,
            on_tick=self._tell_progress,
            on_state=self._tell_state,
        )
        await self._fetching.run()
        self._tell_progress()

    async def _publish(self, staging: Staging) -> None:
        plan = self._plan
        index = self._surroundings.index
        result = await run_in_thread(
            publish,
            plan.game_dir,
            plan.folder,
            staging,
            plan.manifest,
            files=plan.fetched_files,
            keep=plan.kept,
            obsolete=await run_in_thread(plan.obsolete, index),
            index=index,
        )
        for conflict in result.conflicts:
            self._surroundings.emit(
                Warned("FILE_SET_ASIDE", f"a file in the way was moved to {conflict}")
            )
        self._surroundings.library.request_rescan()

    def _tell_progress(self) -> None:
        self._surroundings.emit(DownloadProgressed(self.status()))

    def _tell_state(self, state: DownloadState) -> None:
        self._surroundings.emit(_STATE_EVENTS[state](self.status()))

    def _source_shares(self, now: float) -> tuple[SourceShare, ...]:
        if self._fetching is None:
            return ()
        peers = self._surroundings.network.peers
        shares = (
            SourceShare(
                share.peer,
                peers.name(share.peer),
                share.bytes,
                share.bytes_per_second,
                share.is_active and not self.is_over,
            )
            for share in self._fetching.planner.shares(now=now)
        )
        return tuple(sorted(shares, key=lambda share: -share.bytes))
