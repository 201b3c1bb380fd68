"""Stealing: which chunk in flight an idle source takes, and when it takes none."""

from lanspread_peer.core.assignment import Assignment
from lanspread_peer.core.chunk_map import ChunkMap
from lanspread_peer.core.chunk_set import chunk_set
from lanspread_peer.core.request import Request
from lanspread_peer.core.requests_out import RequestsOut
from lanspread_peer.core.source_book import SourceBook
from lanspread_peer.core.stealing import Theft, Thief
from lanspread_peer.model.ids import PeerId
from lanspread_peer.model.limits import MIB

MB = 1_000_000
A, B, C = PeerId("a"), PeerId("b"), PeerId("c")


class Stage:
    """Sources at time 10 that were measured before, and one thief with nothing to do."""

    now = 10.0

    def __init__(self, **bytes_per_second: float) -> None:
        self.sources = SourceBook()
        self.map = ChunkMap((number, 4 * MIB) for number in range(10))
        for name, speed in bytes_per_second.items():
            source = self.sources.open(PeerId(name))
            source.connect(None, now=0.0)
            measured = Request(Assignment(0, PeerId(name), range(99, 100)), 1 << 40, 0.0)
            source.sent(measured)
            for tenth in range(1, 101):
                source.arrived(measured, int(speed / 10), now=tenth / 10)
            source.close(measured, now=10.0)
        self.out = RequestsOut(self.map, self.sources)

    def ask(self, peer: PeerId, *chunks: int) -> Request:
        """One request for each; the last of them."""
        return [self.ask_run(peer, range(chunk, chunk + 1)) for chunk in chunks][-1]

    def ask_run(self, peer: PeerId, run: range) -> Request:
        request = self.out.find(self.out.send_run(self.sources[peer], run, now=self.now))
        assert request is not None
        return request

    def choose(self, thief: PeerId, *, may_add: bool = True) -> Theft | None:
        source = self.sources[thief]
        choice = Thief(source, self.out, self.map, self.sources, now=self.now)
        return choice.choose(may_add=may_add)


def one(chunk: int) -> range:
    return range(chunk, chunk + 1)


def test_a_slow_owners_chunk_is_copied() -> None:
    stage = Stage(a=10 * MB, b=100 * MB)
    stage.ask(A, 3)
    assert stage.choose(B) == Theft(one(3), victim=None)


def test_the_chunk_of_the_slowest_owner_is_copied() -> None:
    stage = Stage(a=20 * MB, b=100 * MB, c=10 * MB)
    stage.ask(C, 4)
    stage.ask(A, 3)
    assert stage.choose(B) == Theft(one(4), victim=None)


def test_an_owner_that_will_be_sooner_is_left_alone() -> None:
    stage = Stage(a=100 * MB, b=10 * MB)
    stage.ask(A, 3)
    assert stage.choose(B) is None


def test_bytes_that_arrived_already_count_for_the_owner() -> None:
    stage = Stage(a=10 * MB, b=20 * MB)
    request = stage.ask(A, 3)
    assert stage.choose(B) == Theft(one(3), victim=None)
    stage.sources[A].arrived(request, 3 * MIB, now=10.1)
    assert stage.choose(B) is None


def test_nobody_steals_from_himself() -> None:
    stage = Stage(a=10 * MB)
    stage.ask(A, 3, 4)
    assert stage.choose(A) is None


def test_a_thief_takes_only_what_it_may_be_asked_for() -> None:
    stage = Stage(a=10 * MB, b=100 * MB)
    stage.ask(A, 3, 4)
    stage.sources[B].holds = chunk_set([3])
    assert stage.choose(B) == Theft(one(3), victim=None)
    for _ in range(3):
        stage.sources[B].count_try(3)
    assert stage.choose(B) is None


def test_two_copies_are_the_most_unless_both_are_far_slower() -> None:
    stage = Stage(a=50 * MB, b=100 * MB, c=60 * MB)
    stage.ask(A, 3)
    stage.ask(C, 3)
    assert stage.choose(B) is None
    stage = Stage(a=2 * MB, b=100 * MB, c=1 * MB)
    stage.ask(A, 3)
    slowest = stage.ask(C, 3)
    assert stage.choose(B) == Theft(one(3), victim=slowest)


def test_when_no_request_may_be_added_only_a_far_slower_one_is_cut() -> None:
    stage = Stage(a=50 * MB, b=100 * MB, c=1 * MB)
    stage.ask(A, 3)
    assert stage.choose(B, may_add=False) is None
    slowest = stage.ask(C, 4)
    assert stage.choose(B, may_add=False) == Theft(one(4), victim=slowest)


def test_nothing_in_flight_is_nothing_to_steal() -> None:
    assert Stage(b=100 * MB).choose(B) is None


def test_of_a_run_only_the_end_is_copied_so_that_both_are_done_at_once() -> None:
    stage = Stage(a=50 * MB, b=50 * MB, c=200 * MB)
    stage.ask_run(A, range(8))
    assert stage.choose(B) == Theft(range(4, 8), victim=None)
    assert stage.choose(C) == Theft(range(2, 8), victim=None)


def test_of_a_run_only_what_the_thief_has_is_copied_without_a_gap() -> None:
    stage = Stage(a=1 * MB, b=100 * MB)
    stage.ask_run(A, range(8))
    stage.sources[B].holds = chunk_set([0, 1, 2, 5, 6, 7])
    assert stage.choose(B) == Theft(range(5, 8), victim=None)
    stage.sources[B].holds = chunk_set([0, 1, 2])
    assert stage.choose(B) is None


def test_who_gives_no_runs_steals_one_chunk_at_a_time() -> None:
    stage = Stage(a=1 * MB, b=100 * MB)
    stage.ask_run(A, range(8))
    stage.sources[B].note_refused()
    assert stage.choose(B) == Theft(range(7, 8), victim=None)


def test_a_request_whose_source_has_not_chosen_is_not_stolen() -> None:
    stage = Stage(a=1 * MB, b=100 * MB)
    stage.out.send_any(stage.sources[A], chunk_set([1, 2]), now=stage.now)
    assert stage.choose(B) is None


def test_an_idle_source_does_not_take_over_a_whole_run_from_one_as_fast() -> None:
    stage = Stage(a=10 * MB, b=10 * MB)
    stage.ask_run(A, range(8))
    assert stage.choose(B, may_add=False) is None


def test_a_far_faster_one_takes_over_a_whole_run() -> None:
    stage = Stage(a=10 * MB, b=31 * MB)
    run = stage.ask_run(A, range(8))
    assert stage.choose(B, may_add=False) == Theft(range(8), victim=run)
