"""All downloads of one sidecar: starting, queueing, stopping, and remembering them for a while.

One active download per game, and MAX_RUNNING_DOWNLOADS at a time. A command is refused before
anything is created on disk; once accepted, a download ends in exactly one final event, in this
launch or a later one.
"""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from secrets import token_hex
from weakref import WeakValueDictionary

import structlog

from lanspread_peer.core.version_choice import choose
from lanspread_peer.model import errors
from lanspread_peer.model.download import (
    DownloadRequest,
    DownloadState,
    DownloadStatus,
    StagedDownload,
    StagedState,
)
from lanspread_peer.model.events import DownloadFinished, NoPeersHaveGame, Warned
from lanspread_peer.model.game import LocalState, Title, Variant
from lanspread_peer.model.ids import DownloadId, GameId, GameKey, game_key
from lanspread_peer.model.limits import (
    MAX_ACTIVE_DOWNLOADS,
    MAX_KEPT_DOWNLOADS,
    MAX_RUNNING_DOWNLOADS,
)
from lanspread_peer.model.manifest import Manifest
from lanspread_peer.runtime.clock import unix_s
from lanspread_peer.runtime.download_job import AcceptedDownload, DownloadJob
from lanspread_peer.runtime.download_run import Surroundings
from lanspread_peer.runtime.download_start import accept, find_accepted, finished_status
from lanspread_peer.runtime.game_questions import GameQuestions
from lanspread_peer.runtime.tasks import TaskSet, run_in_thread, run_to_end
from lanspread_peer.runtime.title_board import TitleBoard
from lanspread_peer.storage.game_dir import GameDir
from lanspread_peer.storage.staging_folder import remove_staging
from lanspread_peer.storage.stagings import (
    FoundStaging,
    look_at_staging,
    read_all_staged,
    staging_names,
    was_published,
)

_log = structlog.get_logger(__name__)


class Downloads:
    """The downloads of this launch."""

    def __init__(
        self, questions: GameQuestions, titles: TitleBoard, surroundings: Surroundings
    ) -> None:
        self._questions = questions
        self._titles = titles
        self._surroundings = surroundings
        self._tasks = TaskSet()
        # In the order of their start; of one that is over, only what is shown of it.
        self._downloads: OrderedDict[DownloadId, DownloadJob | DownloadStatus] = OrderedDict()
        self._by_request: dict[str, DownloadId] = {}
        self._starting: WeakValueDictionary[GameKey, asyncio.Lock] = WeakValueDictionary()
        # One at a time, so that the space that one takes is not promised to another as well.
        self._accepting = asyncio.Lock()
        self._is_closed = False

    async def start(self, request: DownloadRequest) -> DownloadStatus:
        """Accept a download; raises RequestError or StorageError, and then nothing has happened."""
        key = game_key(request.game_id)
        # One at a time for a game, so that the second is told which download it came too late for.
        async with self._starting.setdefault(key, asyncio.Lock()):
            if known := self._by_request.get(request.request_id):
                return self.status(known)
            self._require_idle(key)
            title = self._title(request.game_id)
            variant, manifest = await self._choose(title, request)
            # A caller who gives up now has a download nevertheless, and not half of one.
            return await run_to_end(self._accept(request, title, variant, manifest))

    async def restore(self, published: Iterable[StagedDownload]) -> None:
        """Go on with the downloads of earlier launches; the library is open.

        `published` are those that recovery finished; they are told as finished now.
        """
        for staged in published:
            await self._tell_finished(staged)
        staged_by_name = await run_in_thread(read_all_staged, self._game_dir)
        for name, staged in sorted(staged_by_name.items(), key=_age):
            try:
                await self._restore(name, staged)
            except errors.LanspreadError as error:
                self._surroundings.emit(Warned("STAGING_UNUSABLE", f"{name}: {error.message}"))
        self._begin_next()

    async def cancel(self, download_id: DownloadId) -> DownloadStatus:
        """End a download and wait until it has ended; raises DownloadNotFound."""
        entry = self._entry(download_id)
        if isinstance(entry, DownloadJob):
            await entry.cancel()
        return _status_of(entry)

    async def pause(self, download_id: DownloadId) -> DownloadStatus:
        """Stop a download until it is resumed; raises DownloadNotFound or DownloadEnded."""
        job = self._job(download_id)
        await job.pause()
        return job.status()

    async def resume(self, download_id: DownloadId) -> DownloadStatus:
        """Queue a paused download; raises DownloadNotFound, DownloadEnded or StorageError."""
        job = self._job(download_id)
        await job.resume()
        return job.status()

    def set_patience(self, patience_s: float) -> None:
        """Let every download wait so long for a source."""
        for job in self._jobs:
            job.set_patience(patience_s)

    def status(self, download_id: DownloadId) -> DownloadStatus:
        """Where it stands; raises DownloadNotFound."""
        return _status_of(self._entry(download_id))

    def statuses(self) -> list[DownloadStatus]:
        """All of them, newest first."""
        return [_status_of(entry) for entry in reversed(self._downloads.values())]

    async def stagings(self) -> list[FoundStaging]:
        """What downloads that are over have left on disk, by name; raises StorageError."""
        # While they are looked at, none is taken over or deleted.
        async with self._accepting:
            names = await self._left_names()
            return [await run_in_thread(look_at_staging, self._game_dir, name) for name in names]

    async def delete_staging(self, name: str) -> None:
        """Delete one of those; raises StagingNotFound or StorageError."""
        async with self._accepting:
            if name not in await self._left_names():
                raise errors.StagingNotFound(f"nothing was left under {name!a}", name=name)
            await run_in_thread(remove_staging, self._game_dir, name)

    @property
    def active(self) -> list[DownloadId]:
        """Those that have not ended."""
        return [job.id for job in self._jobs]

    @asynccontextmanager
    async def none_active(self) -> AsyncIterator[None]:
        """Within it, no download is accepted; raises DownloadActive when one has not ended."""
        async with self._accepting:
            if active := self.active:
                raise errors.DownloadActive(
                    "the game folder cannot change during downloads", download_id=active[0]
                )
            yield

    @asynccontextmanager
    async def none_of(self, key: GameKey) -> AsyncIterator[None]:
        """Within it, no download of this game is accepted; raises DownloadActive."""
        async with self._starting.setdefault(key, asyncio.Lock()):
            self._require_idle(key)
            yield

    def sources_changed(self, keys: Iterable[GameKey]) -> None:
        """Other peers may hold these games now."""
        changed = set(keys)
        for job in self._jobs:
            if job.key in changed:
                job.wake()

    def library_changed(self) -> None:
        """A game that one waits for may be hashed now."""
        self._begin_next()

    async def close(self) -> None:
        """Stop what runs, for the next launch to go on with, and start nothing more."""
        self._is_closed = True
        await self._tasks.close()

    def _title(self, game_id: GameId) -> Title:
        title = self._titles.title(game_key(game_id))
        if title is None:
            self._surroundings.emit(NoPeersHaveGame(game_id))
            raise errors.GameNotFound(f"nobody has {game_id!r}", game_id=game_id)
        if not title.variants:
            self._surroundings.emit(NoPeersHaveGame(title.id))
            raise errors.NoPeersHaveGame(f"no peer has {title.id!r}", game_id=title.id)
        return title

    async def _choose(self, title: Title, request: DownloadRequest) -> tuple[Variant, Manifest]:
        if request.content_id is None and title.local is None:
            # The choice is ours, so what the peers say of it must be true.
            return await self._questions.choice(title)
        variant = _named(title, request)
        _require_hashed(title)
        if request.paths is None:
            _require_new(title, variant)
        _, manifest = await self._questions.manifest(title.id, variant.content_id)
        return variant, manifest

    async def _accept(
        self, request: DownloadRequest, title: Title, variant: Variant, manifest: Manifest
    ) -> DownloadStatus:
        staged = StagedDownload(
            DownloadId(token_hex(8)),
            title.id,
            title.id,
            variant.content_id,
            variant.version,
            request.paths,
            title.local.content_id if title.local else None,
            request.request_id,
            unix_s(),
            StagedState.ACTIVE,
        )
        async with self._accepting:
            if self._is_closed:
                raise errors.ShuttingDown("the sidecar is shutting down")
            if len(self._jobs) >= MAX_ACTIVE_DOWNLOADS:
                raise errors.TooManyDownloads(f"there are {MAX_ACTIVE_DOWNLOADS} downloads already")
            accepted = await run_in_thread(
                accept,
                self._game_dir,
                self._surroundings.index,
                staged,
                manifest,
                reserved_bytes=sum(job.missing_bytes for job in self._jobs),
            )
            job = self._add(accepted)
        job.tell()
        self._begin_next()
        return job.status()

    async def _restore(self, name: str, staged: StagedDownload) -> None:
        if staged.state is StagedState.ENDED:
            return
        found = await run_in_thread(look_at_staging, self._game_dir, name)
        if await run_in_thread(was_published, self._game_dir, found):
            await self._tell_finished(staged)
            await run_in_thread(remove_staging, self._game_dir, name)
            return
        accepted = await run_in_thread(find_accepted, self._game_dir, found)
        if accepted is None or len(self._jobs) >= MAX_ACTIVE_DOWNLOADS:
            return
        if all(job.key != game_key(staged.game_id) for job in self._jobs):
            self._add(accepted)

    async def _tell_finished(self, staged: StagedDownload) -> None:
        """A kill came between the end of this download and the word of it."""
        status = await run_in_thread(finished_status, self._game_dir, staged)
        self._downloads[staged.id] = status
        if staged.request_id:
            self._by_request[staged.request_id] = staged.id
        self._surroundings.emit(DownloadFinished(status))

    def _add(self, accepted: AcceptedDownload) -> DownloadJob:
        job = DownloadJob(
            accepted, self._surroundings, on_rest=self._begin_next, on_end=self._ended
        )
        self._downloads[job.id] = job
        if job.request_id:
            self._by_request[job.request_id] = job.id
        self._forget_oldest()
        return job

    def _begin_next(self) -> None:
        """Give free places to those that wait, in the order of their start."""
        free = MAX_RUNNING_DOWNLOADS - sum(job.is_running for job in self._jobs)
        for job in self._jobs:
            if free <= 0 or self._is_closed:
                return
            if job.is_queued and self._is_hashed(job.key):
                job.begin(self._tasks)
                free -= 1

    def _is_hashed(self, key: GameKey) -> bool:
        library = self._surroundings.library
        local = library.local_game(key)
        if local is None or local.state is not LocalState.INDEXING:
            return True
        # Before that, nobody knows which of its files are right already; so it is hashed next.
        library.indexed(key)
        return False

    def _require_idle(self, key: GameKey) -> None:
        for job in self._jobs:
            if job.key == key:
                raise errors.DownloadActive(
                    f"download {job.id} of this game is not over", download_id=job.id
                )

    def _forget_oldest(self) -> None:
        over = [key for key, entry in self._downloads.items() if isinstance(entry, DownloadStatus)]
        for download_id in over[: max(0, len(self._downloads) - MAX_KEPT_DOWNLOADS)]:
            del self._downloads[download_id]
        self._by_request = {r: d for r, d in self._by_request.items() if d in self._downloads}

    @property
    def _jobs(self) -> list[DownloadJob]:
        return [entry for entry in self._downloads.values() if isinstance(entry, DownloadJob)]

    def _ended(self, status: DownloadStatus) -> None:
        self._downloads[status.id] = status
        if status.state is DownloadState.FINISHED and not self._is_closed:
            self._tasks.spawn("remove superseded", self._remove_superseded(status))

    async def _remove_superseded(self, finished: DownloadStatus) -> None:
        """What earlier tries at this game have left is of no use now that it is here."""
        key = game_key(finished.game_id)
        async with self._accepting:
            try:
                found = await run_in_thread(read_all_staged, self._game_dir)
                for name, staged in found.items():
                    if staged.state is StagedState.ENDED and game_key(staged.game_id) == key:
                        await run_in_thread(remove_staging, self._game_dir, name)
            except errors.StorageError as error:
                # It stays in the list of what was left.
                _log.warning("staging not removed", game=finished.game_id, detail=error.message)

    async def _left_names(self) -> list[str]:
        used = {job.staging_name for job in self._jobs}
        names = await run_in_thread(staging_names, self._game_dir)
        return [name for name in names if name not in used]

    @property
    def _game_dir(self) -> GameDir:
        return self._surroundings.library.game_dir

    def _entry(self, download_id: DownloadId) -> DownloadJob | DownloadStatus:
        entry = self._downloads.get(download_id)
        if entry is None:
            raise errors.DownloadNotFound(f"no download {download_id!r}", download_id=download_id)
        return entry

    def _job(self, download_id: DownloadId) -> DownloadJob:
        entry = self._entry(download_id)
        if isinstance(entry, DownloadStatus):
            raise errors.DownloadEnded(f"download {download_id} is over", download_id=download_id)
        return entry


def _age(item: tuple[str, StagedDownload]) -> float:
    return item[1].started_at_unix_s


def _status_of(entry: DownloadJob | DownloadStatus) -> DownloadStatus:
    return entry.status() if isinstance(entry, DownloadJob) else entry


def _named(title: Title, request: DownloadRequest) -> Variant:
    """The variant whose content id the command names, or that completes the game that is here."""
    if request.content_id is None:
        return _completing(title, choose(title.variants))
    for variant in title.variants:
        if variant.content_id == request.content_id:
            return variant
    raise errors.ContentNotFound("no peer offers this content", content_id=request.content_id)


def _completing(title: Title, variant: Variant) -> Variant:
    _require_new(title, variant)
    if title.local is None or variant.content_id != title.local.content_id:
        raise errors.InvalidField(
            "content_id", "the content id of the update, as the game is here already"
        )
    return variant


def _require_hashed(title: Title) -> None:
    # Before that, nobody knows which of its files are right already, or the user's own.
    if title.local is not None and title.local.state is LocalState.INDEXING:
        raise errors.GameIndexing(
            f"{title.id!r} is here and still being hashed, try again soon", game_id=title.id
        )


def _require_new(title: Title, variant: Variant) -> None:
    local = title.local
    if local is not None and local.content_id == variant.content_id and local.is_whole:
        raise errors.AlreadyDownloaded(
            f"{title.id!r} is here already, in exactly this content", game_id=title.id
        )
