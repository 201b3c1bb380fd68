"""Whose dial comes next: floods of made-up peers delay no one that matters more."""

from lanspread_peer.core.dial_queue import DialQueue, DialRank, Wish
from lanspread_peer.model.ids import PeerId
from lanspread_peer.model.limits import (
    MAX_DIALS_AT_ONCE,
    MAX_DIALS_OF_HINTS,
    MAX_DIALS_PER_HINTING_PEER,
    MAX_DIALS_UNTYPED,
)

LIAR, HONEST = PeerId("a" * 52), PeerId("b" * 52)


def begun(queue: DialQueue) -> list[Wish]:
    """All that may begin now."""
    found = []
    while wish := queue.next():
        found.append(wish)
    return found


def add(queue: DialQueue, count: int, rank: DialRank, told_by: PeerId | None = None) -> list[Wish]:
    wishes = [Wish(rank, told_by) for _ in range(count)]
    for wish in wishes:
        queue.add(wish)
    return wishes


def test_no_more_dials_run_than_the_limit_and_the_rest_follow_in_order() -> None:
    queue = DialQueue()
    wishes = add(queue, MAX_DIALS_AT_ONCE + 2, DialRank.TYPED)
    assert begun(queue) == wishes[:MAX_DIALS_AT_ONCE]
    queue.remove(wishes[3])
    assert begun(queue) == [wishes[MAX_DIALS_AT_ONCE]]


def test_a_flood_of_announcements_leaves_slots_for_typed_addresses() -> None:
    queue = DialQueue()
    add(queue, 1000, DialRank.SEEN)
    assert len(begun(queue)) == MAX_DIALS_UNTYPED
    typed = add(queue, MAX_DIALS_AT_ONCE, DialRank.TYPED)
    assert begun(queue) == typed[: MAX_DIALS_AT_ONCE - MAX_DIALS_UNTYPED]


def test_hints_leave_slots_for_what_was_seen() -> None:
    queue = DialQueue()
    for number in range(10):
        add(queue, 10, DialRank.HINTED, PeerId(f"{number}" * 52))
    assert len(begun(queue)) == MAX_DIALS_OF_HINTS
    seen = add(queue, MAX_DIALS_UNTYPED, DialRank.SEEN)
    assert begun(queue) == seen[: MAX_DIALS_UNTYPED - MAX_DIALS_OF_HINTS]


def test_one_peers_hints_leave_slots_for_those_of_others() -> None:
    queue = DialQueue()
    add(queue, 256, DialRank.HINTED, LIAR)
    assert len(begun(queue)) == MAX_DIALS_PER_HINTING_PEER
    honest = add(queue, 2, DialRank.HINTED, HONEST)
    assert begun(queue) == honest
    for wish in honest:
        queue.remove(wish)
    again = add(queue, MAX_DIALS_PER_HINTING_PEER, DialRank.HINTED, HONEST)
    assert begun(queue) == again


def test_the_more_urgent_goes_first_when_a_slot_is_free() -> None:
    queue = DialQueue()
    running = add(queue, MAX_DIALS_AT_ONCE, DialRank.TYPED)
    begun(queue)
    [hinted] = add(queue, 1, DialRank.HINTED, HONEST)
    [seen] = add(queue, 1, DialRank.SEEN)
    [typed] = add(queue, 1, DialRank.TYPED)
    order = []
    for wish in running:
        queue.remove(wish)
        order += begun(queue)
    assert order == [typed, seen, hinted]


def test_who_failed_often_comes_after_who_did_not() -> None:
    queue = DialQueue()
    running = add(queue, MAX_DIALS_UNTYPED, DialRank.SEEN)
    begun(queue)
    failing, fresh = Wish(DialRank.SEEN, None, 7), Wish(DialRank.SEEN, None, 0)
    queue.add(failing)
    queue.add(fresh)
    queue.remove(running[0])
    assert begun(queue) == [fresh]


def test_a_wish_that_is_given_up_takes_no_turn() -> None:
    queue = DialQueue()
    [wish] = add(queue, 1, DialRank.TYPED)
    queue.remove(wish)
    queue.remove(wish)
    assert begun(queue) == []


class Looked(Wish):
    """A wish that counts how often the queue weighs it."""

    looks = 0

    def __getattribute__(self, name: str) -> object:
        Looked.looks += 1
        return super().__getattribute__(name)


def test_a_flood_that_waits_costs_nothing_when_one_more_comes() -> None:
    queue = DialQueue()
    for number in range(1000):
        queue.add(Looked(DialRank.HINTED, PeerId(f"{number:052}")))
    assert len(begun(queue)) == MAX_DIALS_OF_HINTS
    Looked.looks = 0
    for _ in range(100):
        queue.add(Wish(DialRank.HINTED, HONEST))
        assert queue.next() is None
    assert Looked.looks == 0
