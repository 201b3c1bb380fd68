"""When a source with nothing of its own to do fetches what others were asked for.

A copy: while a request is alone with its last chunks and another one may still go out, as many of
them are asked of a second source as well as that one would have sooner. A takeover: where no more
requests may go out, or two sources have the chunks already, the slowest owner's request is cut for
a source that would be far sooner, so that no number of dripping sources can hold a download up.
Times are estimates from measured speeds and bytes already arrived.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from lanspread_peer.core.chunk_map import MAX_COPIES, ChunkMap
from lanspread_peer.core.request import Request
from lanspread_peer.core.source import Source
from lanspread_peer.core.source_book import SourceBook
from lanspread_peer.model.ids import PeerId

# Cutting a request throws away what came of it, and estimates are rough.
_TAKEOVER_FACTOR = 3.0


@dataclass(frozen=True, slots=True)
class Theft:
    """A run in flight to ask the thief for; `victim` is the request that is cut for it, or None."""

    run: range
    victim: Request | None


class Thief:
    """A source that could do more, and what it knows of the others."""

    def __init__(
        self,
        source: Source,
        out: Iterable[Request],
        chunk_map: ChunkMap,
        sources: SourceBook,
        *,
        now: float,
    ) -> None:
        self._source = source
        self._map = chunk_map
        self._requests = {request.id: request for request in out}
        peers = {request.peer for request in self._requests.values()}
        self._waits = {peer: sources[peer].finish_in(0, now=now) for peer in peers}
        self._rates = {peer: sources[peer].rate.expected(now=now) for peer in peers}
        self._own_rate = source.rate.expected(now=now)
        self._own_wait = source.finish_in(0, now=now)

    def choose(self, *, may_add: bool) -> Theft | None:
        """What would come latest and the source would have sooner, or None.

        `may_add` says whether one more request may go out; without it there are only takeovers.
        """
        latest = 0.0
        theft: Theft | None = None
        for request in self._requests.values():
            if request.peer == self._source.peer or not request.left:
                continue
            last = next(reversed(request.left))
            owners = self._map.owners(last)
            wait = min(self._waits[self._peer(owner)] for owner in owners)
            is_copy = may_add and len(owners) < MAX_COPIES
            # Whoever cuts a request must bring all that is left of it, not only its last chunk.
            own_bytes = self._map.length(last) if is_copy else request.unverified_bytes
            own_wait = self._own_wait + own_bytes / self._own_rate
            # Of equals the newest: its owner answers in order, so the least of it has come.
            if wait < latest or wait <= own_wait * (1.0 if is_copy else _TAKEOVER_FACTOR):
                continue
            run = self._tail(request, owners, is_copy=is_copy)
            if run:
                latest = wait
                theft = Theft(run, None if is_copy else self._slowest(owners))
        return theft

    def _tail(self, request: Request, owners: tuple[int, ...], *, is_copy: bool) -> range:
        """The end of a request as far as the source is to have it: maybe nothing at all."""
        most_bytes = self._sooner_bytes(request.peer) if is_copy else request.length
        start = end = next(reversed(request.left)) + 1
        taken_bytes = 0
        for chunk in reversed(request.left):
            taken_bytes += self._map.length(chunk)
            is_too_much = start < end and taken_bytes > most_bytes
            if chunk != start - 1 or is_too_much or not self._may_have(chunk, owners):
                break
            start = chunk
            if not self._source.gives_runs:
                break
        return range(start, end)

    def _sooner_bytes(self, victim: PeerId) -> float:
        """So much of what the victim has still to bring is shared out for both to end at once."""
        gain_s = self._waits[victim] - self._own_wait
        return gain_s / (1 / self._own_rate + 1 / self._rates[victim])

    def _may_have(self, chunk: int, owners: tuple[int, ...]) -> bool:
        is_own = any(self._peer(o) == self._source.peer for o in self._map.owners(chunk))
        is_same = self._map.owners(chunk) == owners
        return is_same and not is_own and self._source.may_be_asked(chunk)

    def _slowest(self, owners: tuple[int, ...]) -> Request:
        return max(
            (self._requests[owner] for owner in owners), key=lambda each: self._waits[each.peer]
        )

    def _peer(self, request: int) -> PeerId:
        return self._requests[request].peer
