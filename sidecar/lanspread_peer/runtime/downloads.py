"""All downloads of one sidecar: starting, cancelling, and remembering them for a while.

One active download per game. A command is refused before anything is created on disk, and once
accepted a download ends in exactly one final event.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Iterable
from secrets import token_hex
from weakref import WeakValueDictionary

from lanspread_peer.core.selection import select_files
from lanspread_peer.core.version_choice import choose
from lanspread_peer.model import errors
from lanspread_peer.model.download import DownloadRequest, DownloadStatus
from lanspread_peer.model.events import NoPeersHaveGame
from lanspread_peer.model.game import LocalGame, LocalState, Title, Variant
from lanspread_peer.model.ids import DownloadId, GameKey, game_key
from lanspread_peer.model.limits import MAX_KEPT_DOWNLOADS
from lanspread_peer.runtime.download_job import DownloadJob, Surroundings
from lanspread_peer.runtime.download_plan import DownloadPlan, plan_download
from lanspread_peer.runtime.game_questions import GameQuestions
from lanspread_peer.runtime.tasks import TaskSet
from lanspread_peer.runtime.title_board import TitleBoard


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
        self._is_closed = False

    async def start(self, request: DownloadRequest) -> DownloadStatus:
        """Accept a download; raises RequestError or StorageError, and then nothing has happened."""
        key = game_key(request.game_id)
        # One at a time for a game, so that the second is told which download it came too late for.
        async with self._starting.setdefault(key, asyncio.Lock()):
            if known := self._by_request.get(request.request_id):
                return self.status(known)
            self._require_idle(key)
            plan = await self._plan(request)
            while plan.game_dir != self._surroundings.library.game_dir:
                plan = await self._plan(request)
            if self._is_closed:
                raise errors.ShuttingDown("the sidecar is shutting down")
            return self._begin(plan, request.request_id)

    async def cancel(self, download_id: DownloadId) -> DownloadStatus:
        """End a download and wait until it has ended; raises DownloadNotFound."""
        entry = self._entry(download_id)
        if isinstance(entry, DownloadJob):
            await entry.cancel()
        return _status_of(entry)

    def status(self, download_id: DownloadId) -> DownloadStatus:
        """Where it stands; raises DownloadNotFound."""
        return _status_of(self._entry(download_id))

    def statuses(self) -> list[DownloadStatus]:
        """All of them, newest first."""
        return [_status_of(entry) for entry in reversed(self._downloads.values())]

    @property
    def active(self) -> list[DownloadId]:
        """Those that have not ended."""
        return [job.id for job in self._jobs]

    def sources_changed(self, keys: Iterable[GameKey]) -> None:
        """Other peers may hold these games now."""
        changed = set(keys)
        for job in self._jobs:
            if job.key in changed:
                job.wake()

    async def close(self) -> None:
        """Cancel what is active, and start nothing more."""
        self._is_closed = True
        for job in self._jobs:
            await job.cancel()
        await self._tasks.close()

    async def _plan(self, request: DownloadRequest) -> DownloadPlan:
        title = self._titles.title(game_key(request.game_id))
        if title is None:
            self._surroundings.emit(NoPeersHaveGame(request.game_id))
            raise errors.GameNotFound(f"nobody has {request.game_id!r}", game_id=request.game_id)
        if not title.variants:
            self._surroundings.emit(NoPeersHaveGame(title.id))
            raise errors.NoPeersHaveGame(f"no peer has {title.id!r}", game_id=title.id)
        variant = _chosen(title, request)
        _require_hashed(title)
        if request.paths is None:
            _require_new(title, variant)
        _, manifest = await self._questions.manifest(title.id, variant.content_id)
        files = select_files(manifest, request.paths)
        return await plan_download(
            self._surroundings.library.game_dir,
            self._surroundings.index,
            title.id,
            variant,
            manifest,
            files,
            reserved_bytes=sum(job.missing_bytes for job in self._jobs),
        )

    def _require_idle(self, key: GameKey) -> None:
        for job in self._jobs:
            if job.key == key:
                raise errors.DownloadActive(
                    f"download {job.id} of this game runs", download_id=job.id
                )

    def _begin(self, plan: DownloadPlan, request_id: str) -> DownloadStatus:
        download_id = DownloadId(token_hex(8))
        job = DownloadJob(download_id, plan, self._surroundings, on_end=self._ended)
        self._downloads[download_id] = job
        if request_id:
            self._by_request[request_id] = download_id
        self._forget_oldest()
        job.start(self._tasks)
        return job.status()

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

    def _entry(self, download_id: DownloadId) -> DownloadJob | DownloadStatus:
        entry = self._downloads.get(download_id)
        if entry is None:
            raise errors.DownloadNotFound(f"no download {download_id!r}", download_id=download_id)
        return entry


def _status_of(entry: DownloadJob | DownloadStatus) -> DownloadStatus:
    return entry.status() if isinstance(entry, DownloadJob) else entry


def _chosen(title: Title, request: DownloadRequest) -> Variant:
    if request.content_id is None:
        if title.local is not None:
            return _completing(title, title.local, choose(title.variants))
        return choose(title.variants)
    for variant in title.variants:
        if variant.content_id == request.content_id:
            return variant
    raise errors.ContentNotFound("no peer offers this content", content_id=request.content_id)


def _completing(title: Title, local: LocalGame, variant: Variant) -> Variant:
    """The variant when it only brings what the game that is here lacks of it."""
    _require_new(title, variant)
    if variant.content_id != local.content_id:
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
