"""One run of a download: from its staging on disk to the published game, or to what stops it.

A download has a run each time it begins or goes on. What is on disk already is taken first, then
the network is asked. Whatever stops a run, the staging stays, with all that was verified recorded
if the disk allows; whoever ends the download removes it.
"""

import asyncio
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import structlog

from lanspread_peer.core.assignment import Share
from lanspread_peer.core.chunk_set import numbers_in
from lanspread_peer.core.download import Download
from lanspread_peer.model import errors
from lanspread_peer.model.download import DownloadState, StagedDownload
from lanspread_peer.model.events import Event, Warned
from lanspread_peer.model.ids import game_key
from lanspread_peer.model.manifest import Chunk
from lanspread_peer.runtime.clock import monotonic_s
from lanspread_peer.runtime.download_plan import DownloadPlan, make_plan, missing_bytes
from lanspread_peer.runtime.fetch_requests import Network
from lanspread_peer.runtime.fetching import TICK_S, Fetching, Wanted, make_planner
from lanspread_peer.runtime.library import Library
from lanspread_peer.runtime.partial_offers import PartialOffer, PartialOffers
from lanspread_peer.runtime.recording import keep_recording
from lanspread_peer.runtime.tasks import TaskSet, raise_if_cancelled, run_in_thread, run_to_end
from lanspread_peer.storage.adopt import adopt
from lanspread_peer.storage.index import Index
from lanspread_peer.storage.journal import has_journal
from lanspread_peer.storage.partial_content import PartialContent
from lanspread_peer.storage.publish import publish
from lanspread_peer.storage.recovery import Outcome, recover_one
from lanspread_peer.storage.staging import Staging
from lanspread_peer.storage.stagings import has_staging

_log = structlog.get_logger(__name__)

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What every download works with."""

    library: Library
    index: Index
    network: Network
    partial: PartialOffers
    emit: Callable[[Event], None]
    patience_s: Callable[[], float]


class DownloadRun:
    """`on_tick` is called every TICK_S or so, `on_state` when it runs, waits, or runs again."""

    def __init__(
        self,
        name: str,
        staged: StagedDownload,
        download: Download,
        surroundings: Surroundings,
        on_tick: Callable[[], None],
        on_state: Callable[[DownloadState], None],
    ) -> None:
        self._name = name
        self._staged = staged
        self._download = download
        self._surroundings = surroundings
        self._on_tick = on_tick
        self._on_state = on_state
        self._game_dir = surroundings.library.game_dir
        self._fetching: Fetching | None = None

    def wake(self) -> None:
        """Other peers may have the game now."""
        if self._fetching is not None:
            self._fetching.wake()

    def shares(self, *, now: float) -> tuple[Share, ...]:
        """What each source has given in this run."""
        return self._fetching.planner.shares(now=now) if self._fetching else ()

    async def run(self) -> None:
        """Bring the game here; raises DownloadFailed, IntegrityError or StorageError.

        A cancel that comes while the game is being published is too late.
        """
        try:
            await self._run()
        except errors.StorageError as error:
            if await run_in_thread(has_staging, self._game_dir, self._name):
                raise
            raise errors.GameDirGone(
                "what was downloaded is not there any more; is the game folder mounted?"
            ) from error

    async def _run(self) -> None:
        if await self._ends_earlier_publish():
            return
        staging = await run_in_thread(Staging.reopen, self._game_dir, self._name)
        try:
            plan = await self._in_thread(partial(self._prepare, staging))
            self._download.start(on_disk=_bytes_on_disk(plan, staging), now=monotonic_s())
            self._on_state(DownloadState.RUNNING)
            await self._take_from_disk(plan, staging)
            # Only now, as what was not recorded takes its room already.
            missing = missing_bytes(plan, staging.verified_bytes)
            await run_in_thread(self._game_dir.require_space, missing)
            offer = await run_in_thread(_make_offer, plan, staging)
            with self._surroundings.partial.offered(offer):
                await self._fetch(plan, staging, offer)
                self._download.verify()
                await run_in_thread(_record_all, staging)
                self._download.publish()
                await run_to_end(self._publish(plan, staging))
        except BaseException:
            await run_to_end(self._keep(staging))
            raise
        await run_to_end(self._discard(staging))

    async def _ends_earlier_publish(self) -> bool:
        """Whether the disk refused in the middle of a publish, and now that is finished.

        Nothing may touch the staging before its journal is gone. Raises StorageError.
        """
        if not await run_in_thread(has_journal, self._game_dir, self._name):
            return False
        recovered = await run_to_end(
            run_in_thread(recover_one, self._game_dir, self._name, self._surroundings.index)
        )
        if recovered is not None:
            tell_set_aside(recovered.conflicts, self._surroundings.emit)
        if recovered is None or recovered.outcome is Outcome.RESTORED:
            raise_if_cancelled()
            return False
        if recovered.outcome is Outcome.STUCK:
            raise errors.StorageError(recovered.reason)
        now = monotonic_s()
        self._download.start(on_disk=self._download.figures(now=now).total_bytes, now=now)
        self._on_state(DownloadState.RUNNING)
        self._download.verify()
        self._download.publish()
        self._surroundings.library.request_rescan()
        return True

    def _prepare(self, staging: Staging, is_cancelled: Callable[[], bool]) -> DownloadPlan:
        plan = make_plan(self._game_dir, self._surroundings.index, self._staged, staging.manifest)
        staging.prepare(plan.fetched_files, is_cancelled)
        return plan

    async def _take_from_disk(self, plan: DownloadPlan, staging: Staging) -> None:
        """What needs no network, with figures told while it goes on."""
        loop = asyncio.get_running_loop()

        def on_chunk(chunk: Chunk) -> None:
            loop.call_soon_threadsafe(self._download.reused, chunk.length)

        def take(is_cancelled: Callable[[], bool]) -> None:
            staging.salvage(is_cancelled=is_cancelled, on_chunk=on_chunk)
            adopt(
                staging,
                plan.folder,
                self._surroundings.index,
                is_cancelled=is_cancelled,
                on_chunk=on_chunk,
            )

        await self._in_thread(take)

    async def _in_thread(self, work: Callable[[Callable[[], bool]], _Result]) -> _Result:
        """The result of work that asks whether it is cancelled, with figures told meanwhile."""
        stop = threading.Event()
        working = asyncio.ensure_future(run_in_thread(work, stop.is_set))
        try:
            while not working.done():
                await asyncio.wait({working}, timeout=TICK_S)
                self._on_tick()
            return working.result()
        finally:
            stop.set()
            if not working.done():
                # Only on the way out, as a cancel that comes while this waits goes unheard.
                await run_to_end(asyncio.wait({working}))
                # Seen, though it is nobody's business any more.
                working.exception()

    async def _fetch(self, plan: DownloadPlan, staging: Staging, offer: PartialOffer) -> None:
        wanted = Wanted(
            game_key(self._staged.game_id),
            self._staged.content_id,
            plan.manifest,
            plan.fetched_files,
            frozenset(numbers_in(staging.verified)),
        )
        fetching = self._fetching = Fetching(
            wanted,
            # A manifest of many chunks would hold the loop.
            await run_in_thread(make_planner, wanted),
            staging,
            self._surroundings.network,
            self._download,
            on_tick=self._on_tick,
            on_state=self._on_state,
            on_right=offer.add,
        )
        tasks = TaskSet()
        tasks.spawn("record", _record(staging, fetching))
        try:
            await fetching.run()
        finally:
            await tasks.close()
        self._on_tick()

    async def _publish(self, plan: DownloadPlan, staging: Staging) -> None:
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
            may_replace=self._may_replace(),
        )
        tell_set_aside(result.conflicts, self._surroundings.emit)
        self._surroundings.library.request_rescan()

    def _may_replace(self) -> bool:
        """Whether what is there is still what the command was about."""
        local = self._surroundings.library.local_game(game_key(self._staged.game_id))
        replaces = self._staged.replaces
        return local is not None and replaces is not None and local.content_id == replaces

    async def _keep(self, staging: Staging) -> None:
        try:
            await run_in_thread(staging.record)
        except errors.StorageError as error:
            _log.warning("staging not recorded", download=self._staged.id, detail=error.message)
        finally:
            await run_in_thread(staging.close)

    async def _discard(self, staging: Staging) -> None:
        try:
            await run_in_thread(staging.discard)
        except errors.StorageError as error:
            # Whether the download worked does not depend on it; the next start finds it.
            _log.warning("staging not removed", download=self._staged.id, detail=error.message)


def _make_offer(plan: DownloadPlan, staging: Staging) -> PartialOffer:
    return PartialOffer(PartialContent(staging, plan.folder, plan.kept), staging)


def _record_all(staging: Staging) -> None:
    staging.record()
    if any(True for _ in staging.missing_chunks()):
        # A sync that failed while the last chunks came; what was written before it is lost.
        raise errors.DiskFailure("the disk lost what was written to it")


def tell_set_aside(conflicts: Iterable[str], emit: Callable[[Event], None]) -> None:
    """Tell where files of a person were moved to."""
    for conflict in conflicts:
        emit(Warned("FILE_SET_ASIDE", f"a file in the way was moved to {conflict}"))


async def _record(staging: Staging, fetching: Fetching) -> None:
    try:
        await keep_recording(staging)
    except errors.StorageError as error:
        fetching.stop(error)


def _bytes_on_disk(plan: DownloadPlan, staging: Staging) -> int:
    return plan.kept_bytes + staging.verified_bytes
