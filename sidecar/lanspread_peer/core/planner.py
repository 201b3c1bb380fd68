"""Decides which source is asked for which chunk next, and what follows when that fails.

The source is picked first: few requests out relative to its allowance, slow ones last, ties
random; then its chunk, by core.chunk_order. A fast source is soon ready for the next chunk, so
each ends up with the share that its measured speed earns; what slow ones still hold at the end
is stolen from them (core.stealing). One that crawls beside others is asked only for what they
cannot give (core.crawling).

Invariants: the requests out at the sources are exactly the owners in the chunk map; at most
MAX_REQUESTS_PER_DOWNLOAD are out; a source that gave wrong bytes is never asked again.

The caller owns sockets, hashes and time. It calls `assign` after every other call that changes
something and sends what comes back, and `handle_timeout` at `next_deadline`, then `assign`.
"""

from collections.abc import Sequence

from lanspread_peer.core.assignment import Assignment, Received, Share
from lanspread_peer.core.chunk_map import ChunkMap
from lanspread_peer.core.chunk_order import ChunkOrder
from lanspread_peer.core.chunk_set import NO_CHUNKS, ChunkSet, numbers_in
from lanspread_peer.core.crawling import CRAWL_AFTER_S, crawlers, is_left_behind
from lanspread_peer.core.failure import Failure
from lanspread_peer.core.randomness import Randomness
from lanspread_peer.core.source import Fault, Source
from lanspread_peer.core.source_book import SourceBook
from lanspread_peer.core.stealing import choose_theft
from lanspread_peer.core.throughput import Latency
from lanspread_peer.model.ids import PeerId
from lanspread_peer.model.limits import MAX_REQUESTS_PER_DOWNLOAD

# A few requests over all sources keep every link busy; more would only queue at the sources.
_REQUESTS_WANTED = 4
# With one or two sources nobody else needs what we fetch, so the manifest's order is best.
_MAX_SOURCES_IN_ORDER = 2
_SLOW_FACTOR = 3.0
_AVERAGE_WEIGHT = 0.1
# A peer may name any time to stay away; it is asked again after so long at the latest.
_LONGEST_BUSY_S = 60.0
# Estimates change as time passes without a byte, so an idle source looks again this often.
_THEFT_PERIOD_S = 0.25
_CRAWL_PERIOD_S = 1.0


class Planner:
    """Takes (number, length in bytes) of every chunk to fetch, numbers strictly rising."""

    def __init__(self, chunks: Sequence[tuple[int, int]], rng: Randomness) -> None:
        self._map = ChunkMap(chunks)
        self._order = ChunkOrder(rng)
        self._rng = rng
        self._sources = SourceBook()
        self._average_latency = Latency(_AVERAGE_WEIGHT)
        self._assigned_at = 0.0
        self._theft_at: float | None = None
        self._crawl_at = 0.0
        self._takeover_at = 0.0

    @property
    def is_complete(self) -> bool:
        """Whether every chunk is verified."""
        return self._map.is_complete

    @property
    def missing_count(self) -> int:
        """The chunks that are not verified, those in flight included."""
        return self._map.missing_count + len(self._map.in_flight)

    @property
    def admitted_sources(self) -> tuple[PeerId, ...]:
        """The connected sources that may be asked, resting ones included."""
        return tuple(source.peer for source in self._sources.admitted())

    @property
    def dropped_liars(self) -> frozenset[PeerId]:
        """The sources that gave wrong bytes."""
        return self._sources.liars

    @property
    def all_lied(self) -> bool:
        """Whether several sources gave wrong bytes, and no other is left or gave only right ones.

        Then the fault may be on this machine.
        """
        return self._sources.all_lied

    @property
    def exhausted(self) -> tuple[int, ...]:
        """The missing chunks that failed until no admitted source is left to ask for them.

        Empty while no source is admitted: then one may still come.
        """
        given_up, askable = NO_CHUNKS, NO_CHUNKS
        for source in self._sources.admitted():
            given_up |= source.given_up
            askable |= source.askable(self._map.missing)
        return tuple(numbers_in(self._map.missing & given_up & ~askable))

    def shares(self, *, now: float) -> tuple[Share, ...]:
        """What every source of this download has given, those that are gone included."""
        return tuple(
            Share(s.peer, s.verified_bytes, s.speed(now=now), s.is_admitted) for s in self._sources
        )

    def add_source(self, peer: PeerId, *, now: float, holds: ChunkSet | None = None) -> None:
        """A connected peer offers the content, wholly, or these chunks of it.

        Adding it again replaces its holdings. After a removal it starts anew, with all its tries,
        if it was left alone or dropped for its silence too; but wrong bytes are for ever.
        """
        source = self._sources.open(peer)
        self._order.remove_holdings(source.holds or NO_CHUNKS)
        if source.is_connected:
            source.holds = holds
        else:
            source.connect(holds, now=now)
        self._order.add_holdings(holds or NO_CHUNKS)

    def remove_source(self, peer: PeerId, *, now: float) -> tuple[int, ...]:
        """The connection is lost, or the peer offers the content no more: no try is counted.

        Returns the chunks that are missing again. The caller ends the requests themselves.
        """
        source = self._sources.find(peer)
        if source is None or not source.is_connected:
            return ()
        requeued = tuple(c for c in source.close_all(now=now) if self._map.release(c, peer))
        self._order.remove_holdings(source.holds or NO_CHUNKS)
        source.holds = None
        source.is_connected = False
        return requeued

    def assign(self, *, now: float) -> list[Assignment]:
        """All requests to send now."""
        self._assigned_at = now
        self._theft_at = None
        admitted = self._sources.admitted()
        running = [source for source in admitted if not is_left_behind(source, now=now)]
        allowance = max(1, -(-_REQUESTS_WANTED // max(1, len(running))))
        ready = [source for source in admitted if now >= source.rests_until]
        assigned: list[Assignment] = []
        is_trusted = len(running) <= _MAX_SOURCES_IN_ORDER
        while ready := [s for s in ready if s.has_room(allowance, is_trusted=is_trusted)]:
            if self._is_full() and now < self._takeover_at:
                self._theft_at = self._takeover_at
                break
            source = min(ready, key=self._reluctance)
            assignment = self._next_for(source, admitted, allowance, now=now)
            if assignment is None:
                ready.remove(source)
            else:
                self._send(assignment, now=now)
                assigned.append(assignment)
        return assigned

    def progressed(self, peer: PeerId, chunk: int, count: int, *, now: float) -> None:
        """So many more bytes of a chunk came from a source; nothing happens if it was cut."""
        source = self._sources.find(peer)
        if source is not None:
            source.arrived(chunk, count, now=now)

    def received(self, peer: PeerId, chunk: int, *, now: float) -> Received:
        """A chunk is complete and its hash is right, whether the planner had it asked or not."""
        length = self._map.length(chunk)
        source = self._sources.open(peer)
        self._close_received(source, chunk, now=now)
        owners = self._map.verify(chunk)
        if owners is None:
            return Received(is_new=False, cancel=())
        source.note_verified(length)
        others = tuple(owner for owner in owners if owner != peer)
        for owner in others:
            self._close_outpaced(self._sources[owner], chunk, now=now)
        return Received(is_new=True, cancel=tuple(Assignment(owner, chunk) for owner in others))

    def failed(
        self, peer: PeerId, chunk: int, failure: Failure, *, now: float, retry_s: float = 0.0
    ) -> tuple[Assignment, ...]:
        """A request ended without its chunk; returns other requests to cut because of that.

        WRONG_BYTES drops the source for this download, late ones from a cut request too. REFUSED
        and STALLED count a try of this chunk at this source, and it rests; but STALLED before the
        first byte, when it may only wait for its turn there, is no try. BUSY leaves it alone for
        about `retry_s`, LOST for a moment, without a try. A request that was cut counts only when
        it lied.
        """
        # A late report may be of a source that is forgotten.
        source = self._sources.open(peer)
        if failure is Failure.WRONG_BYTES:
            return self._drop_liar(source, chunk, now=now)
        request = source.close(chunk, now=now)
        if request is None:
            return ()
        self._map.release(chunk, peer)
        if failure is Failure.REFUSED or (failure is Failure.STALLED and request.bytes):
            source.count_try(chunk)
            self._order.note_failed(chunk)
        return self._leave_alone(source, failure, retry_s, now=now)

    def next_deadline(self) -> float | None:
        """When `handle_timeout` and `assign` are due, though nothing else happens."""
        if self._map.is_complete:
            return None
        deadlines = [self._theft_at, self._crawl_deadline()]
        for source in self._sources.admitted():
            deadlines.append(source.stall_deadline)
            if source.rests_until > self._assigned_at:
                deadlines.append(source.rests_until)
        return min((at for at in deadlines if at is not None), default=None)

    def handle_timeout(self, *, now: float) -> list[Assignment]:
        """Takes the requests from sources that went silent; returns them, to be cut."""
        cut: list[Assignment] = []
        for source in self._sources.admitted():
            if source.stall_deadline is not None and now >= source.stall_deadline:
                source.note_stalled(now=now)
                cut.extend(self._take_all(source, now=now))
        if now >= self._crawl_at:
            self._crawl_at = now + _CRAWL_PERIOD_S
            for source in crawlers(self._sources.admitted(), now=now):
                cut.extend(self._leave_behind(source, now=now))
        return cut

    def deadlines_reset(self, *, now: float) -> None:
        """The clock jumped, as when a laptop wakes up: nobody counts as silent for that time."""
        for source in self._sources:
            source.reset_deadlines(now=now)

    def _is_full(self) -> bool:
        out = sum(len(owners) for owners in self._map.in_flight.values())
        return out >= MAX_REQUESTS_PER_DOWNLOAD

    def _reluctance(self, source: Source) -> tuple[bool, int, float]:
        # The allowance is the same for all, so the plain count compares the loads.
        is_slow = source.latency.exceeds(_SLOW_FACTOR, self._average_latency)
        return (is_slow, source.request_count, self._rng.random())

    def _next_for(
        self, source: Source, admitted: Sequence[Source], allowance: int, *, now: float
    ) -> Assignment | None:
        if is_left_behind(source, now=now):
            return self._next_that_others_lack(source, admitted, now=now)
        if self._is_full():
            return self._take_over(source, now=now) if source.request_count < allowance else None
        in_order = len(admitted) <= _MAX_SOURCES_IN_ORDER
        chunk = self._order.choose(source.askable(self._map.missing), in_order=in_order)
        if chunk is not None:
            return Assignment(source.peer, chunk)
        # What others can still be asked for is no reason to fetch anything twice.
        if any(other.askable(self._map.missing) for other in admitted):
            return None
        return self._steal(source, may_add=True, now=now)

    def _next_that_others_lack(
        self, source: Source, admitted: Sequence[Source], *, now: float
    ) -> Assignment | None:
        askable = NO_CHUNKS if self._is_full() else source.askable(self._map.missing)
        for other in admitted:
            if not is_left_behind(other, now=now):
                askable &= ~other.askable(self._map.missing)
        chunk = self._order.choose(askable, in_order=True)
        return None if chunk is None else Assignment(source.peer, chunk)

    def _leave_behind(self, source: Source, *, now: float) -> list[Assignment]:
        source.leave_behind(now=now)
        others = [s for s in self._sources.admitted() if not is_left_behind(s, now=now)]
        cut: list[Assignment] = []
        for chunk in source.chunks_asked():
            # What nobody else has goes on to come from here, however long that takes.
            if any(other.may_be_asked(chunk) for other in others):
                self._close_outpaced(source, chunk, now=now)
                self._map.release(chunk, source.peer)
                cut.append(Assignment(source.peer, chunk))
        return cut

    def _crawl_deadline(self) -> float | None:
        admitted = self._sources.admitted()
        oldest = [s.oldest_request_at for s in admitted if s.oldest_request_at is not None]
        if not oldest or len(admitted) < 2:
            return None
        return max(self._crawl_at, min(oldest) + CRAWL_AFTER_S)

    def _take_over(self, source: Source, *, now: float) -> Assignment | None:
        assignment = self._steal(source, may_add=False, now=now)
        if assignment is None:
            # Or every idle source would look in vain at every chunk that comes.
            self._takeover_at = now + _THEFT_PERIOD_S
        return assignment

    def _steal(self, source: Source, *, may_add: bool, now: float) -> Assignment | None:
        theft = choose_theft(source, self._map, self._sources, may_add=may_add, now=now)
        if theft is None:
            self._theft_at = now + _THEFT_PERIOD_S
            return None
        is_copy = theft.victim is None or len(self._map.in_flight[theft.chunk]) > 1
        return Assignment(source.peer, theft.chunk, is_copy, theft.victim)

    def _send(self, assignment: Assignment, *, now: float) -> None:
        chunk = assignment.chunk
        if assignment.replaces is not None:
            self._close_outpaced(self._sources[assignment.replaces], chunk, now=now)
            self._map.release(chunk, assignment.replaces)
        self._map.take(chunk, assignment.peer)
        self._sources[assignment.peer].sent(chunk, self._map.length(chunk), now=now)

    def _close_received(self, source: Source, chunk: int, *, now: float) -> None:
        length = self._map.length(chunk)
        # The end may come in one report, with bytes that no progress told of.
        source.arrived(chunk, length, now=now)
        request = source.close(chunk, now=now)
        if request is not None:
            source.latency.add(length, now - request.sent_at)
            self._average_latency.add(length, now - request.sent_at)

    def _close_outpaced(self, source: Source, chunk: int, *, now: float) -> None:
        request = source.close(chunk, now=now)
        if request is not None:
            source.latency.at_least(request.length, now - request.sent_at)

    def _drop_liar(self, source: Source, chunk: int, *, now: float) -> tuple[Assignment, ...]:
        source.fault = Fault.LIED
        self._order.note_failed(chunk)
        cut = self._take_all(source, now=now)
        return tuple(assignment for assignment in cut if assignment.chunk != chunk)

    def _leave_alone(
        self, source: Source, failure: Failure, retry_s: float, *, now: float
    ) -> tuple[Assignment, ...]:
        match failure:
            case Failure.BUSY:
                retry_s = min(max(retry_s, 0.0), _LONGEST_BUSY_S)
                source.rest(retry_s * self._rng.uniform(0.5, 1.5), now=now)
            case Failure.STALLED:
                source.note_stalled(now=now)
            case Failure.REFUSED | Failure.LOST:
                source.rest_after_failure(now=now)
            case _:
                pass
        return () if source.is_admitted else self._take_all(source, now=now)

    def _take_all(self, source: Source, *, now: float) -> tuple[Assignment, ...]:
        chunks = source.close_all(now=now)
        for chunk in chunks:
            self._map.release(chunk, source.peer)
        return tuple(Assignment(source.peer, chunk) for chunk in chunks)
