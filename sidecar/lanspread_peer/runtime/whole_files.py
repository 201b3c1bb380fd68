"""The last resort for chunks that failed everywhere: the whole file in one request.

One source at a time for a file, the one that was asked for it least, MAX_RETRY_COUNT times each;
only those that have the whole game know such a request.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from lanspread_peer.core.planner import Planner
from lanspread_peer.model import errors
from lanspread_peer.model.ids import PeerId
from lanspread_peer.model.limits import MAX_RETRY_COUNT
from lanspread_peer.model.manifest import Chunk, FileEntry
from lanspread_peer.model.paths import SafeRelPath
from lanspread_peer.runtime.carrier import Carrier, Target
from lanspread_peer.runtime.clock import monotonic_s
from lanspread_peer.runtime.fetch_requests import FetchRequests
from lanspread_peer.runtime.fetch_sources import FetchSources
from lanspread_peer.runtime.tasks import TaskSet

_REST_S = 0.25


class WholeFiles:
    """The files of one download that are fetched whole; `on_end` is called as each ends."""

    def __init__(
        self,
        target: Target,
        planner: Planner,
        sources: FetchSources,
        requests: FetchRequests,
        carrier: Carrier,
        tasks: TaskSet,
        on_end: Callable[[errors.StorageError | None], None],
    ) -> None:
        self._target = target
        self._planner = planner
        self._sources = sources
        self._requests = requests
        self._carrier = carrier
        self._tasks = tasks
        self._on_end = on_end
        self._running: dict[SafeRelPath, _WholeFile] = {}
        self._tries: Counter[tuple[PeerId, SafeRelPath]] = Counter()

    def __bool__(self) -> bool:
        return bool(self._running)

    def ask(self) -> None:
        """Ask for the files of all chunks that no source gives."""
        for number in self._planner.exhausted:
            entry = self._target.manifest.chunk(number).file
            peer = self._next_for(entry.path)
            if peer is not None and entry.path not in self._running:
                self._tries[peer, entry.path] += 1
                task = self._tasks.spawn(f"file {entry.path}", self._request(peer, entry))
                self._running[entry.path] = _WholeFile(peer, task)

    def source_came(self, peer: PeerId) -> None:
        """A source has all its tries again."""
        for tried in [tried for tried in self._tries if tried[0] == peer]:
            del self._tries[tried]

    def source_went(self, peer: PeerId) -> None:
        """What a source gives is not waited for any more."""
        for path in [path for path, file in self._running.items() if file.peer == peer]:
            self._running.pop(path).task.cancel()

    def _next_for(self, path: SafeRelPath) -> PeerId | None:
        sources = filter(self._sources.has_all, self._planner.admitted_sources)
        peer = min(sources, key=lambda peer: self._tries[peer, path], default=None)
        return peer if peer and self._tries[peer, path] < MAX_RETRY_COUNT else None

    async def _request(self, peer: PeerId, entry: FileEntry) -> None:
        storage_error: errors.StorageError | None = None
        try:
            connection = self._sources.connection(peer)
            await self._carrier.fetch_file(
                connection, self._target, entry, lambda chunk: self._came(peer, chunk)
            )
        except errors.StorageError as error:
            storage_error = error
        except errors.LanspreadError as error:
            if isinstance(error, errors.IntegrityError):
                self._requests.lied(peer, error)
                self._requests.cut(self._planner.lied(peer, now=monotonic_s()))
            await asyncio.sleep(_REST_S)
        finally:
            self._is_over(entry.path)
        self._on_end(storage_error)

    def _came(self, peer: PeerId, chunk: Chunk) -> None:
        received = self._planner.gave(peer, chunk.number, now=monotonic_s())
        self._requests.came(peer, chunk, received)

    def _is_over(self, path: SafeRelPath) -> None:
        file = self._running.get(path)
        if file is not None and file.task is asyncio.current_task():
            del self._running[path]


@dataclass(frozen=True, slots=True)
class _WholeFile:
    """A file that is fetched in one request, and from whom."""

    peer: PeerId
    task: asyncio.Task[None]
