"""Decides which source is asked for which chunks next, and what follows when that fails.

The source is picked first: few requests out relative to its allowance, slow ones last, ties
random; then its chunks, by core.chunk_order and core.request_choice. So each source ends up with
the share that its speed earns; what slow ones still hold at the end is stolen (core.stealing). One
that crawls beside others is asked only for what they lack (core.crawling).

Invariants: the requests out are those of core.requests_out, at most MAX_REQUESTS_PER_DOWNLOAD; a
source that gave wrong bytes is never asked again.

The caller owns sockets, hashes and time. It calls `assign` after every other call that ends a
request or tells of a source, and sends what comes back, and `handle_timeout` at `next_deadline`,
then `assign`. A report of a request that is over by then is no fault: it may be late.
"""

from collections.abc import Sequence

from lanspread_peer.core.assignment import Assignment, Received, Share
from lanspread_peer.core.chunk_map import ChunkMap
from lanspread_peer.core.chunk_order import ChunkOrder
from lanspread_peer.core.chunk_set import NO_CHUNKS, ChunkSet, contains, numbers_in
from lanspread_peer.core.crawling import CRAWL_AFTER_S, crawlers, is_left_behind
from lanspread_peer.core.failure import Failure
from lanspread_peer.core.randomness import Randomness
from lanspread_peer.core.request import Request
from lanspread_peer.core.request_choice import RequestChoice
from lanspread_peer.core.requests_out import RequestsOut
from lanspread_peer.core.source import Fault, Source
from lanspread_peer.core.source_book import SourceBook
from lanspread_peer.core.stealing import Thief
from lanspread_peer.model.ids import PeerId
from lanspread_peer.model.limits import MAX_REQUESTS_PER_DOWNLOAD

# A few requests over all sources keep every link busy; more would only queue at the sources.
_REQUESTS_WANTED = 4
# More sources than these must give a chunk before they may have more than their allowance.
_MAX_TRUSTED_SOURCES = 2
_SLOW_FACTOR = 3.0
# How long a busy source is left alone that does not say, on average.
_BUSY_S = 0.3
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
        self._choice = RequestChoice(self._map, self._order)
        self._rng = rng
        self._sources = SourceBook()
        self._out = RequestsOut(self._map, self._sources)
        self._assigned_at = 0.0
        self._theft_at: float | None = None
        self._crawl_at = self._takeover_at = 0.0

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
        """Whether so many sources gave wrong bytes that the fault may be on this machine."""
        return self._sources.all_lied

    @property
    def is_starved(self) -> bool:
        """Whether nothing is on its way and no admitted source may be asked for what is missing."""
        return not self._out and not self._sources.may_give(self._map.missing)

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

    def add_source(
        self,
        peer: PeerId,
        *,
        now: float,
        holds: ChunkSet | None = None,
        runs: bool = True,
        chooses: bool = False,
    ) -> None:
        """A connected peer offers the content, wholly, or these chunks of it.

        `runs` says whether it answers requests for several chunks, `chooses` for any chunk, which
        only whoever holds all does.
        Adding it again replaces its holdings. After a removal it starts anew, with all its tries,
        if it was left alone or dropped for its silence too; but wrong bytes are for ever.
        """
        source = self._sources.open(peer)
        self._order.remove_holdings(source.holds or NO_CHUNKS)
        if source.is_connected:
            source.holds = holds
        else:
            source.connect(holds, now=now)
        source.knows_runs = runs
        source.chooses = chooses and holds is None
        self._order.add_holdings(holds or NO_CHUNKS)

    def expect_company(self, is_expected: bool) -> None:
        """Whether peers are in sight that may be about to fetch the same; so it is at first."""
        self._choice.may_have_company = is_expected

    def holds_added(self, peer: PeerId, chunks: ChunkSet) -> None:
        """A partial source tells that it holds these chunks too."""
        source = self._sources.find(peer)
        if source is not None and source.is_connected and source.holds is not None:
            self._order.add_holdings(chunks & ~source.holds)
            source.holds |= chunks

    def remove_source(self, peer: PeerId, *, now: float) -> tuple[int, ...]:
        """The connection is lost, or the peer offers the content no more: no try is counted.

        Returns the chunks that are missing again. The caller ends the requests themselves.
        """
        source = self._sources.find(peer)
        if source is None or not source.is_connected:
            return ()
        requests = tuple(source.requests)
        requeued = [n for request in requests for n in self._out.close(request, now=now)]
        self._order.remove_holdings(source.holds or NO_CHUNKS)
        source.holds = None
        source.is_connected = False
        return tuple(requeued)

    def assign(self, *, now: float) -> list[Assignment]:
        """All requests to send now."""
        self._assigned_at, self._theft_at = now, None
        admitted = self._sources.admitted()
        # Those that have nothing to give must not take from what the others are asked for.
        useful = self._sources.useful(self._map.missing, now=now)
        running = [source for source in useful if not is_left_behind(source, now=now)]
        allowance = max(1, -(-_REQUESTS_WANTED // max(1, len(running))))
        ready = [source for source in admitted if now >= source.rests_until]
        self._choice.look_at(useful)
        is_trusted = len(running) <= _MAX_TRUSTED_SOURCES
        assigned: list[Assignment] = []
        while ready := [s for s in ready if self._has_room(s, allowance, is_trusted=is_trusted)]:
            if self._is_full() and now < self._takeover_at:
                self._theft_at = self._takeover_at
                break
            source = min(ready, key=self._reluctance)
            assignment = self._next_for(source, admitted, allowance, now=now)
            if assignment is not None:
                assigned.append(assignment)
            # One takeover is enough until something comes, or two could cut each other for ever.
            if assignment is None or assignment.replaces is not None:
                ready.remove(source)
        return assigned

    def progressed(self, asked: Assignment, count: int, *, now: float) -> None:
        """So many more bytes of a request came."""
        request = self._out.find(asked)
        if request is not None:
            self._sources[asked.peer].arrived(request, count, now=now)

    def chosen(self, asked: Assignment, chunk: int, *, now: float) -> bool:
        """The source chose a chunk; False when the caller is to cut the request.

        That is so when it is over, when the chunk is here or on its way meanwhile, and when the
        source may not give it: then that source is left alone for a while.
        """
        request = self._out.find(asked)
        if request is None or not request.is_unchosen or asked.wanted is None:
            return False
        if not contains(asked.wanted, chunk):
            self.failed(asked, Failure.REFUSED, now=now)
            return False
        if not contains(self._map.missing, chunk):
            self._out.close(request, now=now)
            return False
        self._out.chosen(request, chunk)
        return True

    def received(self, asked: Assignment, chunk: int, *, now: float) -> Received:
        """One chunk of a request is complete and its hash is right."""
        request = self._out.find(asked)
        if request is not None and chunk in request.left:
            request.verified_bytes += self._map.length(chunk)
            # The end may come in one report, with bytes that no progress told of.
            source = self._sources[asked.peer]
            source.arrived(request, request.verified_bytes - request.bytes, now=now)
        return self._verified(asked.peer, chunk, request, now=now)

    def gave(self, peer: PeerId, chunk: int, *, now: float) -> Received:
        """A source gave a right chunk that the planner did not ask for."""
        return self._verified(peer, chunk, None, now=now)

    def failed(
        self, asked: Assignment, failure: Failure, *, now: float, retry_s: float = 0.0
    ) -> tuple[Assignment, ...]:
        """A request ended before its end; returns other requests to cut because of that.

        What came of it stays. WRONG_BYTES drops the source for this download, late ones from a
        cut request too. REFUSED and STALLED count a try of the chunk that was to come next at
        this source, and it rests; but STALLED before the first byte, when it may only wait for its
        turn there, is no try. BUSY leaves it alone for about `retry_s`, or a moment where that is
        not said, LOST for a moment, without a try. A request that was cut counts only when it lied.
        """
        request = self._out.find(asked)
        if request is not None:
            self._note_try(request, failure)
            self._out.close(request, now=now)
        if failure is Failure.WRONG_BYTES:
            return self.lied(asked.peer, now=now)
        if request is None:
            return ()
        return self._leave_alone(self._sources[asked.peer], failure, retry_s, now=now)

    def lied(self, peer: PeerId, *, now: float) -> tuple[Assignment, ...]:
        """A source gave wrong bytes, asked or not; returns its requests, to be cut."""
        # A late report may be of a source that is forgotten.
        source = self._sources.open(peer)
        source.fault = Fault.LIED
        return self._out.close_all(tuple(source.requests), now=now)

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
                cut.extend(self._out.close_all(tuple(source.requests), now=now))
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
        return len(self._out) >= MAX_REQUESTS_PER_DOWNLOAD

    def _has_room(self, source: Source, allowance: int, *, is_trusted: bool) -> bool:
        if self._choice.begins_at(source):
            return not source.request_count
        if source.request_count < allowance:
            return True
        # In a swarm, what is asked here beyond need is not asked of others a moment later.
        return not self._choice.is_swarm and source.has_room_for_data(is_trusted=is_trusted)

    def _reluctance(self, source: Source) -> tuple[bool, int, float]:
        # The allowance is the same for all, so the plain count compares the loads.
        is_slow = source.latency.exceeds(_SLOW_FACTOR, self._out.average_latency)
        return (is_slow, source.request_count, self._rng.random())

    def _next_for(
        self, source: Source, admitted: Sequence[Source], allowance: int, *, now: float
    ) -> Assignment | None:
        if is_left_behind(source, now=now):
            return self._next_that_others_lack(source, admitted, now=now)
        if self._is_full():
            return self._take_over(source, now=now) if source.request_count < allowance else None
        askable = source.askable(self._map.missing)
        if left := self._choice.left_to(source, askable):
            if left.bit_count() <= sum(each.is_unchosen for each in source.requests):
                return None
            return self._out.send_any(source, left, now=now)
        run = self._choice.run(source, askable)
        if run:
            return self._out.send_run(source, run, now=now)
        # What others can still be asked for is no reason to fetch anything twice.
        if self._sources.may_give(self._map.missing):
            return None
        return self._steal(source, may_add=True, now=now)

    def _next_that_others_lack(
        self, source: Source, admitted: Sequence[Source], *, now: float
    ) -> Assignment | None:
        askable = NO_CHUNKS if self._is_full() else source.askable(self._map.missing)
        for other in admitted:
            if not is_left_behind(other, now=now):
                askable &= ~other.askable(self._map.missing)
        run = self._choice.run(source, askable)
        return self._out.send_run(source, run, now=now) if run else None

    def _leave_behind(self, source: Source, *, now: float) -> list[Assignment]:
        source.leave_behind(now=now)
        others = [s for s in self._sources.admitted() if not is_left_behind(s, now=now)]
        cut: list[Assignment] = []
        for request in tuple(source.requests):
            # What nobody else has goes on to come from here, however long that takes.
            if not request.left or any(o.may_be_asked(c) for c in request.left for o in others):
                self._out.cut(request, now=now)
                cut.append(request.asked)
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
        thief = Thief(source, self._out, self._map, self._sources, now=now)
        theft = thief.choose(may_add=may_add)
        if theft is None:
            self._theft_at = now + _THEFT_PERIOD_S
            return None
        return self._out.send_run(source, theft.run, replaces=theft.victim, now=now)

    def _verified(self, peer: PeerId, chunk: int, by: Request | None, *, now: float) -> Received:
        over = self._out.verified(chunk, by, now=now)
        if over is None:
            return Received(is_new=False, cancel=())
        length = self._map.length(chunk)
        self._sources.open(peer).note_verified(length)
        self._choice.note_verified(length)
        cancel = [request.asked for request in over]
        if not self._map.missing:
            cancel.extend(self._out.close_all(self._out.unchosen, now=now))
        return Received(is_new=True, cancel=tuple(cancel))

    def _note_try(self, request: Request, failure: Failure) -> None:
        chunk = request.next_chunk()
        is_try = failure is Failure.REFUSED or (failure is Failure.STALLED and request.bytes)
        if chunk is None or not (is_try or failure is Failure.WRONG_BYTES):
            return
        self._order.note_failed(chunk)
        if is_try:
            self._sources[request.peer].count_try(chunk)

    def _leave_alone(
        self, source: Source, failure: Failure, retry_s: float, *, now: float
    ) -> tuple[Assignment, ...]:
        match failure:
            case Failure.BUSY:
                retry_s = min(retry_s if retry_s > 0 else _BUSY_S, _LONGEST_BUSY_S)
                source.rest(retry_s * self._rng.uniform(0.5, 1.5), now=now)
            case Failure.STALLED:
                source.note_stalled(now=now)
            case Failure.REFUSED:
                source.note_refused()
                source.rest_after_failure(now=now)
            case Failure.LOST:
                source.rest_after_failure(now=now)
            case _:
                pass
        if source.is_admitted:
            return ()
        return self._out.close_all(tuple(source.requests), now=now)
