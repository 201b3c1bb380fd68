"""Of two connections between two peers, both ends keep the same one, whatever comes first."""

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

import pytest

from lanspread_peer.core.connection_choice import ConnectionChoice
from lanspread_peer.model.ids import InstanceId, PeerId

LOW, HIGH = PeerId("a" * 52), PeerId("b" * 52)
FIRST, AGAIN = InstanceId("01" * 16), InstanceId("02" * 16)


def test_one_connection_is_used_whoever_dialled_it() -> None:
    for dialled in (True, False):
        choice = ConnectionChoice[str](LOW, HIGH)
        assert choice.all == ()
        assert choice.proven("c", dialled=dialled, instance=FIRST) == ()
        assert [choice.current, choice.spare, choice.instance] == ["c", None, FIRST]
        choice.ended("c")
        assert choice.current is choice.instance is None


@pytest.mark.parametrize("order", [("mine", "theirs"), ("theirs", "mine")])
def test_of_two_the_one_dialled_by_the_lower_id_is_used(order: tuple[str, str]) -> None:
    for own, peer, used, spare in ((LOW, HIGH, "mine", "theirs"), (HIGH, LOW, "theirs", "mine")):
        choice = ConnectionChoice[str](own, peer)
        for name in order:
            assert choice.proven(name, dialled=name == "mine", instance=FIRST) == ()
        assert (choice.current, choice.spare) == (used, spare)
        choice.ended(used)
        assert (choice.current, choice.spare) == (spare, None)


def test_a_newer_connection_by_the_same_dialler_takes_the_place_of_the_older() -> None:
    choice = ConnectionChoice[str](LOW, HIGH)
    choice.proven("old", dialled=False, instance=FIRST)
    assert choice.proven("new", dialled=False, instance=FIRST) == ("old",)
    choice.ended("old")
    assert (choice.current, choice.instance) == ("new", FIRST)


def test_there_are_never_more_than_two() -> None:
    choice = ConnectionChoice[int](LOW, HIGH)
    rng = Random(5)
    open_ones = set[int]()
    for number in range(200):
        over = choice.proven(number, dialled=rng.random() < 0.5, instance=FIRST)
        open_ones = (open_ones | {number}) - set(over)
        assert open_ones == {one for one in (choice.current, choice.spare) if one is not None}
        assert len(open_ones) <= 2


def test_a_new_instance_ends_all_connections_of_the_old_one() -> None:
    choice = ConnectionChoice[str](LOW, HIGH)
    choice.proven("a", dialled=True, instance=FIRST)
    choice.proven("b", dialled=False, instance=FIRST)
    assert set(choice.proven("c", dialled=False, instance=AGAIN)) == {"a", "b"}
    assert (choice.current, choice.spare, choice.instance) == ("c", None, AGAIN)


@dataclass(eq=False)
class Line:
    """A connection in the simulation, from the dialler's end to the other."""

    dialler: PeerId
    is_open: bool = True


@dataclass
class World:
    """Two ends whose words take a random time to arrive; each closes its spare when told so."""

    rng: Random
    ends: dict[PeerId, ConnectionChoice[Line]] = field(init=False)
    pending: list[Callable[[], None]] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    was_cut_off: bool = False

    def __post_init__(self) -> None:
        self.ends = {LOW: ConnectionChoice(LOW, HIGH), HIGH: ConnectionChoice(HIGH, LOW)}

    def dial(self, dialler: PeerId) -> None:
        line = Line(dialler)
        self.lines.append(line)
        # The acceptor knows when the Hello arrives, the dialler when the answer to it does.
        self.pending.append(lambda: self._hello(line))

    def _hello(self, line: Line) -> None:
        if line.is_open:
            self._prove(_other(line.dialler), line)
            self.pending.append(lambda: self._ack(line))

    def _ack(self, line: Line) -> None:
        if line.is_open:
            self._prove(line.dialler, line)

    def _prove(self, end: PeerId, line: Line) -> None:
        dialled = line.dialler == end
        for over in self.ends[end].proven(line, dialled=dialled, instance=FIRST):
            self.close(over)
        self.pending.append(lambda: self._close_spare(end))

    def _close_spare(self, end: PeerId) -> None:
        """What each end does once it knows, by an answer, that the other has the used one too."""
        choice = self.ends[end]
        other = self.ends[_other(end)]
        known = {other.current, other.spare}
        if choice.spare is None:
            return
        if choice.current in known:
            self.close(choice.spare)
        else:
            self.pending.append(lambda: self._close_spare(end))

    def close(self, line: Line) -> None:
        line.is_open = False
        for end in (LOW, HIGH):
            self.pending.append(lambda end=end: self.ends[end].ended(line))  # type: ignore[misc]

    def run(self) -> None:
        while self.pending:
            self.pending.pop(self.rng.randrange(len(self.pending)))()
            self._look()

    def _look(self) -> None:
        once_linked = any(end.current for end in self.ends.values())
        self.was_cut_off |= once_linked and not any(line.is_open for line in self.lines)


def _other(peer: PeerId) -> PeerId:
    return HIGH if peer == LOW else LOW


@pytest.mark.parametrize("diallers", [(LOW,), (HIGH,), (LOW, HIGH), (HIGH, LOW)])
def test_both_ends_end_up_with_the_same_single_connection(diallers: tuple[PeerId, ...]) -> None:
    for seed in range(200):
        world = World(Random(seed))
        for dialler in diallers:
            world.dial(dialler)
        world.run()
        [line] = [line for line in world.lines if line.is_open]
        assert world.ends[LOW].current is world.ends[HIGH].current is line, seed
        assert world.ends[LOW].spare is world.ends[HIGH].spare is None, seed
        assert line.dialler == min(diallers), seed
        assert not world.was_cut_off, seed
