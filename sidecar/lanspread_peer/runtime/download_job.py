"""One download from acceptance to its one final event, over pauses and restarts.

Whatever ends it early leaves the game folder as it was. A disk that refuses pauses it, so that it
goes on when that is mended; what was verified stays in its staging until it is finished or
cancelled. A cancel or a pause that comes while it is being published is too late.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from enum import Enum

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
    DownloadPaused,
    DownloadProgressed,
    DownloadResumed,
    DownloadWaiting,
)
from lanspread_peer.model.ids import DownloadId, GameKey, PeerId, game_key
from lanspread_peer.runtime.clock import monotonic_s
from lanspread_peer.runtime.download_run import DownloadRun, Surroundings
from lanspread_peer.runtime.log_context import log_only_about
from lanspread_peer.runtime.tasks import TaskSet, run_in_thread, run_to_end
from lanspread_peer.storage.staging_folder import remove_staging
from lanspread_peer.storage.stagings import keep_for_later, rewrite_staged

_log = structlog.get_logger(__name__)

_STATE_EVENTS: dict[DownloadState, Callable[[DownloadStatus], DownloadEvent]] = {
    DownloadState.RUNNING: DownloadResumed,
    DownloadState.WAITING: DownloadWaiting,
    DownloadState.PAUSED: DownloadPaused,
    DownloadState.FINISHED: DownloadFinished,
    DownloadState.FAILED: DownloadFailedEvent,
    DownloadState.CANCELLED: DownloadCancelled,
}


@dataclass(frozen=True, slots=True)
class AcceptedDownload:
    """A download as it lies on disk: its staging's name, what it is for, what it adds up to."""

    name: str
    staged: StagedDownload
    total_bytes: int
    total_files: int
    done_bytes: int


class _Stop(Enum):
    """Why a run is cancelled."""

    CANCEL = "cancel"
    PAUSE = "pause"
    SHUTDOWN = "shutdown"


class DownloadJob:
    """A download that was accepted and has a staging.

    `on_rest` is called whenever it stopped running or may begin, `on_end` with its final status, so
    that nobody needs to keep the job for it.
    """

    def __init__(
        self,
        accepted: AcceptedDownload,
        surroundings: Surroundings,
        on_rest: Callable[[], None],
        on_end: Callable[[DownloadStatus], None],
    ) -> None:
        self._staged = accepted.staged
        self.staging_name = accepted.name
        self._total_files = accepted.total_files
        self._surroundings = surroundings
        self._game_dir = surroundings.library.game_dir
        self._on_rest = on_rest
        self._on_end = on_end
        self._download = Download(
            accepted.total_bytes,
            reused_bytes=accepted.done_bytes,
            patience_s=surroundings.patience_s(),
            now=monotonic_s(),
        )
        if accepted.staged.state is StagedState.PAUSED:
            self._download.pause()
        self._run: DownloadRun | None = None
        self._task: asyncio.Task[None] | None = None
        self._stop = _Stop.SHUTDOWN
        self._has_begun = False
        self._commanded = asyncio.Lock()
        # What sources gave before the last pause.
        self._given: dict[PeerId, int] = {}

    @property
    def id(self) -> DownloadId:
        return self._staged.id

    @property
    def key(self) -> GameKey:
        return game_key(self._staged.game_id)

    @property
    def request_id(self) -> str:
        return self._staged.request_id

    def set_patience(self, patience_s: float) -> None:
        """Wait so long for a source, a wait that has begun included."""
        self._download.patience_s = patience_s

    @property
    def is_over(self) -> bool:
        """Whether it reached its final state."""
        return self._download.state.is_final

    @property
    def is_queued(self) -> bool:
        """Whether it only waits for its turn."""
        return self._download.state is DownloadState.QUEUED and not self.is_running

    @property
    def is_running(self) -> bool:
        """Whether it takes one of the places that running downloads have."""
        return self._task is not None and not self._task.done()

    @property
    def missing_bytes(self) -> int:
        """What it still has to fetch, and so to write."""
        figures = self._download.figures(now=monotonic_s())
        return figures.total_bytes - figures.done_bytes

    def begin(self, tasks: TaskSet) -> None:
        """Its turn has come; it is queued and not running."""
        self._stop = _Stop.SHUTDOWN
        self._run = DownloadRun(
            self.staging_name,
            self._staged,
            self._download,
            self._surroundings,
            on_tick=self.tell,
            on_state=self._tell_state,
        )
        self._task = tasks.spawn(f"download {self._staged.game_id}", self._go(self._run))

    def wake(self) -> None:
        """Other peers may have the game now."""
        if self._run is not None:
            self._run.wake()

    async def cancel(self) -> None:
        """End it, and wait until it has ended; nothing happens when it is over.

        Raises StorageError when the disk keeps what it has; then it is paused.
        """
        async with self._commanded:
            await self._stop_running(_Stop.CANCEL)
            if not self.is_over:
                await run_to_end(self._rest_in(DownloadState.CANCELLED))
            if not self.is_over:
                raise errors.StorageError("the disk keeps what was downloaded, so it is paused")

    async def pause(self) -> None:
        """Stop until `resume`, and wait until it has stopped; raises DownloadEnded."""
        async with self._commanded:
            self._require_not_over()
            await self._stop_running(_Stop.PAUSE)
            if self._download.state is DownloadState.QUEUED:
                await run_to_end(self._rest_in(DownloadState.PAUSED))

    async def resume(self) -> None:
        """Queue it again if it is paused; raises DownloadEnded or StorageError."""
        async with self._commanded:
            self._require_not_over()
            if self._download.state is not DownloadState.PAUSED:
                return
            await run_to_end(self._write_state(StagedState.ACTIVE))
            self._download.resume()
            self.tell()
            self._on_rest()

    def status(self) -> DownloadStatus:
        """Where it stands."""
        now = monotonic_s()
        figures = self._download.figures(now=now)
        error = self._download.error
        return DownloadStatus(
            id=self.id,
            game_id=self._staged.game_id,
            content_id=self._staged.content_id,
            version=self._staged.version,
            state=self._download.state,
            total_bytes=figures.total_bytes,
            total_files=self._total_files,
            done_bytes=figures.done_bytes,
            reused_bytes=figures.reused_bytes,
            fetched_bytes=figures.fetched_bytes,
            wasted_bytes=figures.wasted_bytes,
            bytes_per_second=figures.bytes_per_second,
            eta_s=figures.eta_s,
            sources=self._source_shares(now),
            started_at_unix_s=self._staged.started_at_unix_s,
            error_code=error.code if error else "",
            error_message=error.message if error else "",
        )

    async def _go(self, run: DownloadRun) -> None:
        log_only_about(download=self.id, game=self._staged.game_id)
        error: errors.DownloadFailed | None = None
        try:
            await run.run()
            state = DownloadState.FINISHED
        except asyncio.CancelledError:
            if self._stop is _Stop.SHUTDOWN:
                # The next launch goes on with it, so nothing of it has ended.
                raise
            is_pause = self._stop is _Stop.PAUSE
            state = DownloadState.PAUSED if is_pause else DownloadState.CANCELLED
        except errors.StorageError as refusal:
            state = DownloadState.PAUSED
            error = errors.DownloadFailed(refusal.reason, refusal.message)
        except errors.DownloadFailed as failure:
            state, error = DownloadState.FAILED, failure
        except errors.LanspreadError as failure:
            state = DownloadState.FAILED
            error = errors.DownloadFailed(failure.reason, failure.message)
        except Exception as bug:  # noqa: BLE001 - even a bug must give its one final event
            _log.exception("download crashed", download=self.id)
            state = DownloadState.FAILED
            error = errors.DownloadFailed("INTERNAL", type(bug).__name__)
        await run_to_end(self._rest_in(state, error))

    async def _stop_running(self, stop: _Stop) -> None:
        if self._task is None or self._task.done():
            return
        self._stop = stop
        self._task.cancel()
        await asyncio.wait({self._task})

    async def _rest_in(
        self, state: DownloadState, error: errors.DownloadFailed | None = None
    ) -> None:
        """Nothing of it runs any more: make the disk say so, and only then tell.

        An end that the disk does not take is none: the next start would go on with the download.
        """
        try:
            await self._settle_staging(state)
        except errors.StorageError as refusal:
            _log.warning("staging not settled", download=self.id, detail=refusal.message)
            if state in (DownloadState.CANCELLED, DownloadState.FAILED):
                state = DownloadState.PAUSED
                error = errors.DownloadFailed(refusal.reason, refusal.message)
        if state is self._download.state:
            return
        self._enter(state, error)
        if self._run is not None:
            for share in self._run.shares(now=monotonic_s()):
                self._given[share.peer] = self._given.get(share.peer, 0) + share.bytes
            self._run = None
        self._task = None
        if self.is_over:
            self._on_end(self.status())
        self._tell_state(state)
        self._on_rest()

    def _settle_staging(self, state: DownloadState) -> Awaitable[None]:
        match state:
            case DownloadState.PAUSED:
                return self._write_state(StagedState.PAUSED)
            case DownloadState.FAILED:
                ended = replace(self._staged, state=StagedState.ENDED)
                return run_in_thread(keep_for_later, self._game_dir, self.staging_name, ended)
            case _:
                return run_in_thread(remove_staging, self._game_dir, self.staging_name)

    def _enter(self, state: DownloadState, error: errors.DownloadFailed | None) -> None:
        match state:
            case DownloadState.PAUSED:
                self._download.pause(error)
            case DownloadState.CANCELLED:
                self._download.cancel()
            case DownloadState.FINISHED:
                self._download.finish()
            case _:
                assert error is not None, "only a failure is left"
                self._download.fail(error)

    async def _write_state(self, state: StagedState) -> None:
        staged = replace(self._staged, state=state)
        await run_in_thread(rewrite_staged, self._game_dir, self.staging_name, staged)
        self._staged = staged

    def _require_not_over(self) -> None:
        if self.is_over:
            raise errors.DownloadEnded(f"download {self.id} is over", download_id=self.id)

    def tell(self) -> None:
        """Tell its figures and its state, such as that it is queued."""
        self._surroundings.emit(DownloadProgressed(self.status()))

    def _tell_state(self, state: DownloadState) -> None:
        event = _STATE_EVENTS[state]
        if state is DownloadState.RUNNING and not self._has_begun:
            self._has_begun = True
            event = DownloadBegan
        self._surroundings.emit(event(self.status()))

    def _source_shares(self, now: float) -> tuple[SourceShare, ...]:
        peers = self._surroundings.network.peers
        running = {share.peer: share for share in self._run.shares(now=now)} if self._run else {}
        shares = []
        for peer in {**self._given, **running}:
            share = running.get(peer)
            given = self._given.get(peer, 0) + (share.bytes if share else 0)
            speed = share.bytes_per_second if share else 0.0
            is_active = share is not None and share.is_active and not self.is_over
            shares.append(SourceShare(peer, peers.name(peer), given, speed, is_active))
        return tuple(sorted(shares, key=lambda share: -share.bytes))
