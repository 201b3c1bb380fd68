"""The requests that are out for one download, in step with the chunk map and the sources' books.

Invariant: a chunk is in flight with exactly the requests that have it `left`, and each request is
in the book of its source and here, or in neither. Which requests there are, the planner decides.
"""

from collections.abc import Collection, Iterator

from lanspread_peer.core.assignment import Assignment
from lanspread_peer.core.chunk_map import ChunkMap
from lanspread_peer.core.chunk_set import ChunkSet
from lanspread_peer.core.request import Request
from lanspread_peer.core.source import Source
from lanspread_peer.core.source_book import SourceBook
from lanspread_peer.core.throughput import Latency
from lanspread_peer.model.limits import MIN_CHUNK_BYTES

_AVERAGE_WEIGHT = 0.1


class RequestsOut:
    """Iterates in the order of sending."""

    def __init__(self, chunk_map: ChunkMap, sources: SourceBook) -> None:
        self._map = chunk_map
        self._sources = sources
        self._requests: dict[int, Request] = {}
        self._next_id = 1
        self.average_latency = Latency(_AVERAGE_WEIGHT)

    def __len__(self) -> int:
        return len(self._requests)

    def __iter__(self) -> Iterator[Request]:
        return iter(self._requests.values())

    def find(self, asked: Assignment) -> Request | None:
        """The request, unless it is over."""
        return self._requests.get(asked.id)

    @property
    def unchosen(self) -> list[Request]:
        """The requests whose source has still to choose."""
        return [request for request in self if request.is_unchosen]

    def send_run(
        self, source: Source, run: range, *, now: float, replaces: Request | None = None
    ) -> Assignment:
        """A request for these chunks goes out, after the one that it replaces, if any, is cut."""
        if replaces is not None:
            self.cut(replaces, now=now)
        is_copy = any(self._map.owners(number) for number in run)
        replaced = None if replaces is None else replaces.id
        asked = Assignment(self._new_id(), source.peer, run, copy=is_copy, replaces=replaced)
        request = Request(asked, self._map.bytes_in(run), now)
        self._map.take(run, request.id)
        request.brings(run)
        self._open(source, request)
        return asked

    def send_any(self, source: Source, wanted: ChunkSet, *, now: float) -> Assignment:
        """A request for one of these chunks goes out."""
        asked = Assignment(self._new_id(), source.peer, range(0), wanted)
        # It will be about so long: who chooses is asked where chunks are not small.
        self._open(source, Request(asked, MIN_CHUNK_BYTES, now))
        return asked

    def chosen(self, request: Request, chunk: int) -> None:
        """The source of an unchosen request has chosen."""
        self._map.take(range(chunk, chunk + 1), request.id)
        request.length = self._map.length(chunk)
        request.brings((chunk,))

    def verified(self, chunk: int, by: Request | None, *, now: float) -> list[Request] | None:
        """A chunk came; the requests to cut, as nothing is left of them. None: it was here."""
        owners = self._map.verify(chunk)
        if owners is None:
            return None
        over = []
        for owner in owners:
            request = self._requests[owner]
            del request.left[chunk]
            if request is not by:
                request.length -= min(self._map.length(chunk), request.missing_bytes)
            if not request.left:
                self._finish(request, is_own=request is by, now=now)
                if request is not by or _sends_more(request, chunk):
                    over.append(request)
        return over

    def cut(self, request: Request, *, now: float) -> tuple[int, ...]:
        """Too slow, so it is cut; returns the chunks that are missing again."""
        source = self._sources[request.peer]
        source.latency.at_least(request.length, now - request.sent_at)
        return self.close(request, now=now)

    def close(self, request: Request, *, now: float) -> tuple[int, ...]:
        """It is over before its end; returns the chunks that are missing again."""
        self._close(request, now=now)
        return self._map.release(request.left, request.id)

    def close_all(self, requests: Collection[Request], *, now: float) -> tuple[Assignment, ...]:
        """These are over before their end."""
        closed = tuple(requests)
        for request in closed:
            self.close(request, now=now)
        return tuple(request.asked for request in closed)

    def _finish(self, request: Request, *, is_own: bool, now: float) -> None:
        latency = self._sources[request.peer].latency
        elapsed_s = now - request.sent_at
        if is_own:
            latency.add(request.length, elapsed_s)
            self.average_latency.add(request.length, elapsed_s)
        else:
            latency.at_least(request.length, elapsed_s)
        self._close(request, now=now)

    def _open(self, source: Source, request: Request) -> None:
        self._requests[request.id] = request
        source.sent(request)

    def _close(self, request: Request, *, now: float) -> None:
        del self._requests[request.id]
        self._sources[request.peer].close(request, now=now)

    def _new_id(self) -> int:
        new_id = self._next_id
        self._next_id += 1
        return new_id


def _sends_more(request: Request, chunk: int) -> bool:
    run = request.asked.chunks
    return bool(run) and chunk != run[-1]
