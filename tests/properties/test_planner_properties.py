"""The planner against a simple model, whatever sources and callers do, and in whatever order."""

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

from lanspread_peer.core.assignment import Assignment
from lanspread_peer.core.crawling import is_left_behind
from lanspread_peer.core.failure import Failure
from lanspread_peer.core.planner import Planner
from lanspread_peer.model.ids import PeerId
from lanspread_peer.model.limits import (
    KIB,
    MAX_CHUNK_BYTES,
    MAX_REQUESTS_PER_DOWNLOAD,
    MIB,
    MIN_CHUNK_BYTES,
)
from support.long_form import long_form
from support.simulated_sources import MB, Answer, AnswerOf, SimulatedDownload, SimulatedSource
from support.virtual_clock import VirtualClock

PEERS = [PeerId(f"peer-{index}") for index in range(6)]
RESCUER = PeerId("rescuer")
Request = tuple[PeerId, int]


class PlannerMachine(RuleBasedStateMachine):
    """Requests are the pairs (peer, chunk) that the model believes to be out."""

    peers = Bundle("peers")

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.requests: set[Request] = set()
        self.verified: set[int] = set()
        self.connected: set[PeerId] = set()
        self.liars: set[PeerId] = set()

    @initialize(
        lengths=st.lists(
            st.sampled_from([1, 4 * KIB, MIN_CHUNK_BYTES, MIB, MAX_CHUNK_BYTES]),
            min_size=1,
            max_size=40,
        ),
        step=st.integers(1, 7),
        seed=st.integers(0, 2**32),
    )
    def start(self, lengths: list[int], step: int, seed: int) -> None:
        self.lengths = {index * step: length for index, length in enumerate(lengths)}
        self.planner = Planner(list(self.lengths.items()), Random(seed))

    @rule(target=peers, peer=st.sampled_from(PEERS), holds=st.none() | st.integers(0, 2**60))
    def source_comes(self, peer: PeerId, holds: int | None) -> PeerId:
        self.planner.add_source(peer, now=self.now, holds=holds)
        self.connected.add(peer)
        self.assign()
        return peer

    @rule(peer=consumes(peers))
    def connection_is_lost(self, peer: PeerId) -> None:
        requeued = self.planner.remove_source(peer, now=self.now)
        out = {request for request in self.requests if request[0] == peer}
        self.requests -= out
        still_out = {chunk for _, chunk in self.requests}
        assert set(requeued) == {chunk for _, chunk in out} - still_out
        self.connected.discard(peer)
        self.assign()

    @rule(seconds=st.sampled_from([0.0, 0.001, 0.1, 1.0, 6.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self.drop(self.planner.handle_timeout(now=self.now))
        self.assign()

    @rule(data=st.data(), share=st.floats(0.0, 2.0))
    def bytes_come(self, data: st.DataObject, share: float) -> None:
        peer, chunk = self.any_request(data)
        self.planner.progressed(peer, chunk, int(self.lengths[chunk] * share), now=self.now)

    @rule(data=st.data())
    def a_chunk_is_verified(self, data: st.DataObject) -> None:
        self.receive(*self.any_request(data))
        self.assign()

    @rule(data=st.data(), failure=st.sampled_from(Failure), retry_s=st.floats(-1.0, 1e9))
    def a_request_fails(self, data: st.DataObject, failure: Failure, retry_s: float) -> None:
        peer, chunk = self.any_request(data)
        cut = self.planner.failed(peer, chunk, failure, now=self.now, retry_s=retry_s)
        self.requests.discard((peer, chunk))
        self.drop(cut)
        if failure is Failure.WRONG_BYTES:
            self.liars.add(peer)
            assert not [request for request in self.requests if request[0] == peer]
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
        assert {peer for peer, _ in self.requests} <= active == admitted
        total = sum(share.bytes for share in self.planner.shares(now=self.now))
        assert total == sum(self.lengths[chunk] for chunk in self.verified)

    @invariant()
    def a_deadline_is_set_while_anything_is_out(self) -> None:
        if self.requests:
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
            for peer, chunk in sorted(self.requests):
                if peer == RESCUER and (peer, chunk) in self.requests:
                    self.receive(peer, chunk)
            self.assign()
        raise AssertionError("an honest source did not finish the download")

    def any_request(self, data: st.DataObject) -> Request:
        """A request that is out, or any at all, as late reports come for requests that were cut."""
        out = sorted(self.requests)
        known = st.tuples(st.sampled_from(PEERS), st.sampled_from(sorted(self.lengths)))
        return data.draw(st.sampled_from(out) | known if out else known)

    def receive(self, peer: PeerId, chunk: int) -> None:
        received = self.planner.received(peer, chunk, now=self.now)
        assert received.is_new == (chunk not in self.verified)
        self.verified.add(chunk)
        self.requests.discard((peer, chunk))
        self.drop(received.cancel)
        assert chunk not in {out for _, out in self.requests}

    def drop(self, requests: list[Assignment] | tuple[Assignment, ...]) -> None:
        for request in requests:
            self.requests.remove((request.peer, request.chunk))

    def assign(self) -> None:
        for request in self.planner.assign(now=self.now):
            if request.replaces is not None:
                self.requests.remove((request.replaces, request.chunk))
            self.check_new(request)
            self.requests.add((request.peer, request.chunk))
        assert len(self.requests) <= MAX_REQUESTS_PER_DOWNLOAD

    def check_new(self, request: Assignment) -> None:
        assert request.peer in self.connected - self.liars
        assert request.chunk not in self.verified
        owners = {peer for peer, chunk in self.requests if chunk == request.chunk}
        assert request.peer not in owners
        assert len(owners) == (1 if request.copy else 0)
        if request.copy and request.replaces is None:
            missing = self.planner._map.missing
            admitted = self.planner._sources.admitted()
            assert not any(source.askable(missing) for source in admitted), "no endgame yet"
        out = [self.lengths[chunk] for peer, chunk in self.requests if peer == request.peer]
        admitted = self.planner._sources.admitted()
        running = [each for each in admitted if not is_left_behind(each, now=self.now)]
        allowance = max(1, -(-4 // max(1, len(running))))
        assert len(out) < allowance or sum(out) < MAX_CHUNK_BYTES


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
