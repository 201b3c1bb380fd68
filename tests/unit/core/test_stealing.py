"""Stealing: which chunk in flight an idle source takes, and when it takes none."""

from lanspread_peer.core.chunk_map import ChunkMap
from lanspread_peer.core.chunk_set import chunk_set
from lanspread_peer.core.source_book import SourceBook
from lanspread_peer.core.stealing import Theft, choose_theft
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
            source.sent(99, 1 << 40, now=0.0)
            for tenth in range(1, 101):
                source.arrived(99, int(speed / 10), now=tenth / 10)
            source.close(99, now=10.0)

    def ask(self, peer: PeerId, *chunks: int) -> None:
        for chunk in chunks:
            self.map.take(chunk, peer)
            self.sources[peer].sent(chunk, 4 * MIB, now=self.now)

    def choose(self, thief: PeerId, *, may_add: bool = True) -> Theft | None:
        return choose_theft(
            self.sources[thief], self.map, self.sources, may_add=may_add, now=self.now
        )


def test_a_slow_owners_chunk_is_copied() -> None:
    stage = Stage(a=10 * MB, b=100 * MB)
    stage.ask(A, 3)
    assert stage.choose(B) == Theft(3, victim=None)


def test_the_chunk_of_the_slowest_owner_is_copied() -> None:
    stage = Stage(a=20 * MB, b=100 * MB, c=10 * MB)
    stage.ask(C, 4)
    stage.ask(A, 3)
    assert stage.choose(B) == Theft(4, victim=None)


def test_an_owner_that_will_be_sooner_is_left_alone() -> None:
    stage = Stage(a=100 * MB, b=10 * MB)
    stage.ask(A, 3)
    assert stage.choose(B) is None


def test_bytes_that_arrived_already_count_for_the_owner() -> None:
    stage = Stage(a=10 * MB, b=20 * MB)
    stage.ask(A, 3)
    assert stage.choose(B) == Theft(3, victim=None)
    stage.sources[A].arrived(3, 3 * MIB, now=10.1)
    assert stage.choose(B) is None


def test_nobody_steals_from_himself() -> None:
    stage = Stage(a=10 * MB)
    stage.ask(A, 3, 4)
    assert stage.choose(A) is None


def test_a_thief_takes_only_what_it_may_be_asked_for() -> None:
    stage = Stage(a=10 * MB, b=100 * MB)
    stage.ask(A, 3, 4)
    stage.sources[B].holds = chunk_set([3])
    assert stage.choose(B) == Theft(3, victim=None)
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
    stage.ask(C, 3)
    assert stage.choose(B) == Theft(3, victim=C)


def test_when_no_request_may_be_added_only_a_far_slower_one_is_cut() -> None:
    stage = Stage(a=50 * MB, b=100 * MB, c=1 * MB)
    stage.ask(A, 3)
    assert stage.choose(B, may_add=False) is None
    stage.ask(C, 4)
    assert stage.choose(B, may_add=False) == Theft(4, victim=C)


def test_nothing_in_flight_is_nothing_to_steal() -> None:
    assert Stage(b=100 * MB).choose(B) is None
