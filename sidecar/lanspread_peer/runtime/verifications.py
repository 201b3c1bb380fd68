"""The verifications of this launch: one runs at a time, in a thread and without haste.

What one finds takes effect when it ends: a game of which files are missing or changed, or not all
are read, is looked at afresh, and offers only what is right. Exactly one final event follows each
start.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from secrets import token_hex

import structlog

from lanspread_peer.model import errors
from lanspread_peer.model.events import Event, VerifyBegan, VerifyEnded, VerifyProgressed
from lanspread_peer.model.game import LocalState
from lanspread_peer.model.ids import GameKey, VerificationId, game_key
from lanspread_peer.model.limits import (
    MAX_ACTIVE_VERIFICATIONS,
    MAX_KEPT_VERIFICATIONS,
    PROGRESS_INTERVAL_S,
)
from lanspread_peer.model.verification import (
    Finding,
    VerificationRequest,
    VerificationState,
    VerificationStatus,
)
from lanspread_peer.runtime.background_pace import BackgroundPace
from lanspread_peer.runtime.clock import monotonic_s, unix_s
from lanspread_peer.runtime.library import Library
from lanspread_peer.runtime.tasks import TaskSet, run_in_thread
from lanspread_peer.storage.hasher import HashPlan, IndexedGame
from lanspread_peer.storage.index import Index
from lanspread_peer.storage.seal import break_seal
from lanspread_peer.storage.verify import Verified, forget_version, plan_verification, verify

_log = structlog.get_logger(__name__)


class _Job:
    """One verification, running or over."""

    def __init__(
        self, status: VerificationStatus, request: VerificationRequest, folder: str
    ) -> None:
        self.status = status
        self.folder = folder
        self.request_id = request.request_id
        self.reseal = request.reseal
        self.findings: tuple[Finding, ...] = ()
        self.task: asyncio.Task[None] | None = None

    @property
    def key(self) -> GameKey:
        return game_key(self.status.game_id)

    @property
    def is_active(self) -> bool:
        return not self.status.state.is_final


class Verifications:
    """Running, queued and past ones, oldest first."""

    def __init__(self, library: Library, index: Index, emit: Callable[[Event], None]) -> None:
        self._library = library
        self._index = index
        self._emit = emit
        self._tasks = TaskSet()
        self._turn = asyncio.Lock()
        self._jobs: OrderedDict[VerificationId, _Job] = OrderedDict()

    def start(self, request: VerificationRequest) -> VerificationStatus:
        """Accept one, or give the one of the game that is not over, or of the same `request_id`.

        Raises GameNotFound, GameIndexing, UnsafeGame or TooManyVerifications.
        """
        key = game_key(request.game_id)
        if known := self._known(request, key):
            known.reseal = known.reseal or (request.reseal and known.is_active)
            return known.status
        game = self._offered(request, key)
        if sum(job.is_active for job in self._jobs.values()) >= MAX_ACTIVE_VERIFICATIONS:
            raise errors.TooManyVerifications(
                f"there are {MAX_ACTIVE_VERIFICATIONS} verifications already"
            )
        status = VerificationStatus(
            VerificationId(token_hex(8)),
            game.found.id,
            game.content_id,
            VerificationState.QUEUED,
            unix_s(),
        )
        job = self._jobs[status.id] = _Job(status, request, game.found.folder)
        self._forget_oldest()
        self._emit(VerifyBegan(status))
        job.task = self._tasks.spawn(f"verify {status.game_id}", self._run(job))
        return status

    async def cancel(self, verification_id: VerificationId) -> VerificationStatus:
        """End one, and wait until it has ended; raises VerificationNotFound."""
        job = self._job(verification_id)
        await self._end(job)
        return job.status

    async def cancel_of(self, key: GameKey) -> None:
        """End those of one game."""
        for job in self._active():
            if job.key == key:
                await self._end(job)

    async def cancel_all(self) -> None:
        """End all, as the game folder is being left."""
        for job in self._active():
            await self._end(job)

    def findings(self, verification_id: VerificationId) -> tuple[Finding, ...]:
        """What it found, in order of the paths; raises VerificationNotFound."""
        return self._job(verification_id).findings

    def statuses(self) -> list[VerificationStatus]:
        """All of them, newest first."""
        return [job.status for job in reversed(self._jobs.values())]

    async def close(self) -> None:
        """Stop what runs."""
        await self._tasks.close()

    def _known(self, request: VerificationRequest, key: GameKey) -> _Job | None:
        for job in self._jobs.values():
            if request.request_id and job.request_id == request.request_id:
                return job
        return next((job for job in self._active() if job.key == key), None)

    def _offered(self, request: VerificationRequest, key: GameKey) -> IndexedGame:
        local = self._library.local_game(key)
        if local is None:
            raise errors.GameNotFound(
                f"{request.game_id!r} is not in the game folder", game_id=request.game_id
            )
        if local.state is LocalState.UNSAFE:
            raise errors.UnsafeGame(f"{local.id!r} is not shared: {local.fault}", game_id=local.id)
        game = self._library.indexed(key)
        if game is None:
            raise errors.GameIndexing(f"{local.id!r} is still being hashed", game_id=local.id)
        return game

    async def _run(self, job: _Job) -> None:
        try:
            async with self._turn:
                await self._verify(job)
        except errors.Stale as error:
            with suppress(errors.StorageError):
                await run_in_thread(forget_version, self._library.game_dir, job.folder, self._index)
            self._failed(job, error)
        except errors.LanspreadError as error:
            self._failed(job, error)
        except Exception:
            self._cut(job, VerificationState.FAILED, error_code="INTERNAL")
            raise

    async def _verify(self, job: _Job) -> None:
        game = self._library.indexed(job.key)
        if game is None or game.content_id != job.status.content_id:
            raise errors.Stale(f"{job.status.game_id!a} is another content now")
        plan = await run_in_thread(plan_verification, self._library.game_dir, game)
        job.status = replace(job.status, state=VerificationState.RUNNING, total_bytes=plan.bytes)
        self._emit(VerifyProgressed(job.status))
        verified = await self._read(job, game, plan)
        if job.reseal:
            await run_in_thread(break_seal, self._library.game_dir, game.found.folder)
        if job.reseal or not verified.is_intact:
            self._library.look_again(job.key)
        job.findings = verified.findings
        self._over(
            job,
            VerificationState.FINISHED,
            done_bytes=plan.bytes,
            missing_files=verified.missing,
            changed_files=verified.changed,
            extra_files=verified.extra,
        )

    async def _read(self, job: _Job, game: IndexedGame, plan: HashPlan) -> Verified:
        pace, began_at, done_bytes = BackgroundPace(), monotonic_s(), 0

        def on_bytes(count: int) -> None:
            nonlocal done_bytes
            done_bytes += count
            pace.rest_if_due()

        work = asyncio.ensure_future(
            asyncio.to_thread(
                verify,
                self._library.game_dir,
                game,
                plan,
                self._index,
                on_bytes=on_bytes,
                is_cancelled=pace.is_cancelled,
            )
        )
        try:
            while not work.done():
                await asyncio.wait({work}, timeout=PROGRESS_INTERVAL_S)
                elapsed_s = monotonic_s() - began_at
                left = max(0, plan.bytes - done_bytes)
                eta_s = left * elapsed_s / done_bytes if done_bytes else None
                job.status = replace(job.status, done_bytes=done_bytes, eta_s=eta_s)
                self._emit(VerifyProgressed(job.status))
            verified = work.result()
        finally:
            # The thread must be gone before the game may be removed or the folder switched.
            pace.cancel()
            await asyncio.wait({work})
        assert verified is not None, "only a cancelled one has no result"
        return verified

    def _failed(self, job: _Job, error: errors.LanspreadError) -> None:
        self._cut(
            job, VerificationState.FAILED, error_code=error.reason, error_message=error.message
        )

    def _cut(self, job: _Job, state: VerificationState, **values: str) -> None:
        # What it found wrong until then is in the index, and must not stay offered.
        self._library.look_again(job.key)
        self._over(job, state, **values)

    def _over(self, job: _Job, state: VerificationState, **values: int | str) -> None:
        job.status = replace(job.status, state=state, eta_s=None, **values)  # type: ignore[arg-type]  # fields by name
        self._emit(VerifyEnded(job.status))

    async def _end(self, job: _Job) -> None:
        if job.task is not None and not job.task.done():
            job.task.cancel()
            await asyncio.wait({job.task})
        if job.is_active:
            end = self._over if job.status.state is VerificationState.QUEUED else self._cut
            end(job, VerificationState.CANCELLED)

    def _active(self) -> list[_Job]:
        return [job for job in self._jobs.values() if job.is_active]

    def _forget_oldest(self) -> None:
        over = [job.status.id for job in self._jobs.values() if not job.is_active]
        for verification_id in over[: max(0, len(over) - MAX_KEPT_VERIFICATIONS)]:
            del self._jobs[verification_id]

    def _job(self, verification_id: VerificationId) -> _Job:
        job = self._jobs.get(verification_id)
        if job is None:
            raise errors.VerificationNotFound(
                f"no verification {verification_id!r}", verification_id=verification_id
            )
        return job
