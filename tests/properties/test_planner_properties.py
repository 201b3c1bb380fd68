"""The planner against a simple model, whatever sources and callers do, and in whatever order."""

from collections.abc import Sequence
from functools import partial
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    rule,
)

from bench.simulation.virtual_clock import VirtualClock
from lanspread_peer.core.assignment import Assignment, Received
from lanspread_peer.core.chunk_set import contains, numbers_in
from lanspread_peer.core.crawling import is_left_behind
from lanspread_peer.core.failure import Failure
from lanspread_peer.core.planner import Planner
from lanspread_peer.model.ids import PeerId
from lanspread_peer.model.limits import (
    KIB,
    MAX_CHUNK_BYTES,
    MAX_CHUNKS_PER_REQUEST,
    MAX_REQUESTS_PER_DOWNLOAD,
    MIB,
    MIN_CHUNK_BYTES,
)
from support.long_form import long_form
from support.simulated_sources import MB, Answer, AnswerOf, SimulatedDownload, SimulatedSource

PEERS = [PeerId(f"peer-{index}") for index in range(6)]
RESCUER = PeerId("rescuer")


class PlannerMachine(RuleBasedStateMachine):
    """The model: the requests that are out, each with the chunks that it has still to bring."""

    peers = Bundle("peers")

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.out: dict[int, Assignment] = {}
        self.left: dict[int, set[int]] = {}
        self.seen: dict[int, Assignment] = {}
        self.verified: set[int] = set()
        self.connected: set[PeerId] = set()
        self.liars: set[PeerId] = set()

    @initialize(
        lengths=st.lists(
            st.sampled_from([1, 4 * KIB, MIN_CHUNK_BYTES, MIB, MAX_CHUNK_BYTES]),
            min_size=1,
            max_size=40,
        ),
        step=st.sampled_from([1, 1, 1, 2, 7]),
        seed=st.integers(0, 2**32),
    )
    def start(self, lengths: list[int], step: int, seed: int) -> None:
        self.lengths = {index * step: length for index, length in enumerate(lengths)}
        self.planner = Planner(list(self.lengths.items()), Random(seed))

    @rule(
        target=peers,
        peer=st.sampled_from(PEERS),
        holds=st.none() | st.integers(0, 2**60),
        chooses=st.booleans(),
    )
    def source_comes(self, peer: PeerId, holds: int | None, chooses: bool) -> PeerId:
        self.planner.add_source(peer, now=self.now, holds=holds, chooses=chooses)
        self.connected.add(peer)
        self.assign()
        return peer

    @rule(peer=consumes(peers))
    def connection_is_lost(self, peer: PeerId) -> None:
        requeued = self.planner.remove_source(peer, now=self.now)
        gone = self.chunks_at(peer)
        self.drop([asked for asked in self.out.values() if asked.peer == peer])
        assert set(requeued) == gone - self.chunks_at(None)
        self.connected.discard(peer)
        self.assign()

    @rule(peer=st.sampled_from(PEERS), chunks=st.integers(0, 2**60))
    def news_comes(self, peer: PeerId, chunks: int) -> None:
        self.planner.holds_added(peer, chunks)
        self.assign()

    @rule(seconds=st.sampled_from([0.0, 0.001, 0.1, 1.0, 6.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self.drop(self.planner.handle_timeout(now=self.now))
        self.assign()

    @rule(data=st.data(), count=st.integers(-1, 2 * MAX_CHUNK_BYTES))
    def bytes_come(self, data: st.DataObject, count: int) -> None:
        self.planner.progressed(self.any_request(data), count, now=self.now)

    @rule(data=st.data())
    def a_chunk_is_verified(self, data: st.DataObject) -> None:
        asked = self.any_request(data)
        chunks = sorted(self.left.get(asked.id, ())) or sorted(self.lengths)
        self.receive(asked, data.draw(st.sampled_from(chunks[:1]) | st.sampled_from(chunks)))
        self.assign()

    @rule(data=st.data())
    def a_chunk_comes_that_nobody_asked_for(self, data: st.DataObject) -> None:
        peer = data.draw(st.sampled_from(PEERS))
        self.note_received(
            chunk := data.draw(st.sampled_from(sorted(self.lengths))),
            self.planner.gave(peer, chunk, now=self.now),
        )
        self.assign()

    @rule(data=st.data())
    def a_source_chooses(self, data: st.DataObject) -> None:
        asked = self.any_request(data)
        self.choose(asked, data.draw(st.sampled_from(sorted(self.lengths))))
        self.assign()

    @rule(data=st.data(), failure=st.sampled_from(Failure), retry_s=st.floats(-1.0, 1e9))
    def a_request_fails(self, data: st.DataObject, failure: Failure, retry_s: float) -> None:
        asked = self.any_request(data)
        cut = self.planner.failed(asked, failure, now=self.now, retry_s=retry_s)
        self.forget(asked.id)
        self.drop(cut)
        if failure is Failure.WRONG_BYTES:
            self.liars.add(asked.peer)
            assert not [out for out in self.out.values() if out.peer == asked.peer]
        self.assign()

    @rule()
    def the_clock_jumps(self) -> None:
        self.now += 3600.0
        self.planner.deadlines_reset(now=self.now)
        assert self.planner.handle_timeout(now=self.now) == []
        self.assign()

    @invariant()
    def the_books_agree(self) -> None:
        if not hasattr(self, "planner"):
            return
        assert self.planner.missing_count == len(self.lengths) - len(self.verified)
        assert self.planner.is_complete == (self.verified == set(self.lengths))
        assert self.planner.dropped_liars == self.liars
        admitted = set(self.planner.admitted_sources)
        assert admitted <= self.connected - self.liars
        active = {share.peer for share in self.planner.shares(now=self.now) if share.is_active}
        assert {asked.peer for asked in self.out.values()} <= active == admitted
        total = sum(share.bytes for share in self.planner.shares(now=self.now))
        assert total == sum(self.lengths[chunk] for chunk in self.verified)

    @invariant()
    def every_chunk_in_flight_is_left_to_its_requests(self) -> None:
        if not hasattr(self, "planner"):
            return
        owners: dict[int, set[int]] = {}
        for request, left in self.left.items():
            for chunk in left:
                owners.setdefault(chunk, set()).add(request)
        in_flight = self.planner._map.in_flight
        assert {chunk: set(own) for chunk, own in in_flight.items()} == owners
        assert {request.id for request in self.planner._out} == set(self.out)

    @invariant()
    def a_deadline_is_set_while_anything_is_out(self) -> None:
        if self.out:
            assert self.planner.next_deadline() is not None

    def teardown(self) -> None:
        """From wherever this got to, one honest source is enough."""
        if not hasattr(self, "planner"):
            return
        self.planner.add_source(RESCUER, now=self.now)
        self.connected.add(RESCUER)
        self.assign()
        for _ in range(50 * len(self.lengths) + 500):
            if self.planner.is_complete:
                return
            self.now += 0.05
            self.drop(self.planner.handle_timeout(now=self.now))
            for asked in list(self.out.values()):
                if asked.peer != RESCUER:
                    continue
                for chunk in asked.chunks:
                    if asked.id in self.out and chunk in self.left[asked.id]:
                        self.receive(asked, chunk)
            self.assign()
        raise AssertionError("an honest source did not finish the download")

    def any_request(self, data: st.DataObject) -> Assignment:
        """A request that is out, or one that is over, as late reports come for those."""
        known = list(self.out.values()) or list(self.seen.values())
        if not known:
            return Assignment(0, data.draw(st.sampled_from(PEERS)), range(1))
        return data.draw(st.sampled_from(known) | st.sampled_from(list(self.seen.values())))

    def chunks_at(self, peer: PeerId | None) -> set[int]:
        """What a peer, or anybody, has still to bring."""
        out = [asked.id for asked in self.out.values() if peer in (None, asked.peer)]
        return {chunk for request in out for chunk in self.left[request]}

    def receive(self, asked: Assignment, chunk: int) -> None:
        self.note_received(chunk, self.planner.received(asked, chunk, now=self.now), asked)

    def note_received(
        self, chunk: int, received: Received, asked: Assignment | None = None
    ) -> None:
        assert received.is_new == (chunk not in self.verified)
        self.verified.add(chunk)
        for request, left in list(self.left.items()):
            is_last = left == {chunk}
            left.discard(chunk)
            run = self.out[request].chunks
            is_at_its_end = not run or chunk == run[-1]
            if is_last and asked is not None and request == asked.id and is_at_its_end:
                self.forget(request)
        self.drop(received.cancel)
        empty = [request for request, left in self.left.items() if not left]
        assert all(self.out[request].wanted is not None for request in empty)

    def choose(self, asked: Assignment, chunk: int) -> None:
        is_open = asked.id in self.out and asked.wanted is not None and not self.left[asked.id]
        is_wanted = is_open and contains(asked.wanted or 0, chunk)
        is_free = chunk not in self.verified | self.chunks_at(None)
        accepted = self.planner.chosen(asked, chunk, now=self.now)
        assert accepted == (is_wanted and is_free)
        if accepted:
            self.left[asked.id] = {chunk}
        elif is_open:
            self.forget(asked.id)

    def forget(self, request: int) -> None:
        self.out.pop(request, None)
        self.left.pop(request, None)

    def drop(self, requests: Sequence[Assignment]) -> None:
        for asked in requests:
            del self.out[asked.id]
            del self.left[asked.id]

    def assign(self) -> None:
        batch = self.planner.assign(now=self.now)
        left = self.left | {each.id: set(each.chunks) for each in batch}
        cut = [left[each.replaces] for each in batch if each.replaces is not None]
        for asked in batch:
            if asked.replaces is not None:
                del self.out[asked.replaces]
                del self.left[asked.replaces]
            self.check_new(asked)
            if asked.copy and asked.replaces is None:
                # What a takeover leaves of the request it cuts is missing again, after the copies.
                self.check_endgame(freed=set().union(*cut))
            self.out[asked.id] = self.seen[asked.id] = asked
            self.left[asked.id] = set(asked.chunks)
        assert len(self.out) <= MAX_REQUESTS_PER_DOWNLOAD

    def check_new(self, asked: Assignment) -> None:
        assert asked.id not in self.seen
        assert asked.peer in self.connected - self.liars
        useful = [
            source for source in self.planner._sources.admitted() if source.is_useful(now=self.now)
        ]
        if asked.wanted is not None:
            assert not asked.chunks
            wanted = set(numbers_in(asked.wanted))
            assert wanted
            assert not wanted & (self.verified | self.chunks_at(None))
            is_beginning = sum(self.lengths[chunk] for chunk in self.verified) < 16 * MIB
            assert is_beginning or any(source.holds is not None for source in useful)
        else:
            self.check_run(asked)
        running = [each for each in useful if not is_left_behind(each, now=self.now)]
        allowance = max(1, -(-4 // max(1, len(running))))
        out = [each for each in self.out.values() if each.peer == asked.peer]
        data = sum(self.lengths[chunk] for each in out for chunk in each.chunks)
        assert len(out) < allowance or data < MAX_CHUNK_BYTES
        if any(source.holds is not None for source in useful):
            assert len(out) < allowance

    def check_run(self, asked: Assignment) -> None:
        chunks = set(asked.chunks)
        assert chunks
        assert chunks <= set(self.lengths) - self.verified
        assert len(chunks) <= MAX_CHUNKS_PER_REQUEST
        assert sum(self.lengths[chunk] for chunk in chunks) <= MAX_CHUNK_BYTES
        assert not chunks & self.chunks_at(asked.peer)
        others = [request for request, left in self.left.items() if left & chunks]
        assert asked.copy == bool(others)
        for chunk in chunks:
            assert sum(chunk in left for left in self.left.values()) < 2

    def check_endgame(self, *, freed: set[int]) -> None:
        missing = self.planner._map.missing & ~sum(1 << chunk for chunk in freed)
        admitted = self.planner._sources.admitted()
        assert not any(source.askable(missing) for source in admitted), "no endgame yet"


TestPlannerMachine = pytest.mark.scales(PlannerMachine.TestCase)
TestPlannerMachine.settings = settings(
    max_examples=long_form(short=60, long=3000),
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)


def any_of(answers: list[Answer], rng: Random) -> AnswerOf:
    return lambda _chunk: rng.choice(answers)


@given(
    seed=st.integers(0, 2**32),
    others=st.lists(
        st.tuples(st.lists(st.sampled_from(Answer), min_size=1), st.sampled_from([1e-3, 1.0, 200])),
        max_size=14,
    ),
    lost_after_s=st.lists(st.floats(0.0, 2.0), max_size=5),
)
@settings(max_examples=40, deadline=None)
def test_one_honest_source_is_enough_whatever_the_others_do(
    seed: int, others: list[tuple[list[Answer], float]], lost_after_s: list[float]
) -> None:
    clock = VirtualClock()
    sources = [SimulatedSource(clock, PeerId("honest"), bytes_per_second=100 * MB)]
    for index, (answers, mb_per_second) in enumerate(others):
        sources.append(
            SimulatedSource(
                clock,
                PeerId(f"other-{index}"),
                bytes_per_second=mb_per_second * MB,
                answer=any_of(answers, Random(seed + index)),
            )
        )
    chunks = [(number, MIB) for number in range(50)]
    download = SimulatedDownload(clock, chunks, sources, seed=seed)
    for source, delay_s in zip(sources[1:], lost_after_s, strict=False):
        clock.after(delay_s, partial(download.lose, source.peer))
    assert download.run(limit_s=60.0) < 60.0
