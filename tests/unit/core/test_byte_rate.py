"""The byte-rate bucket: exact, in order, and changed at once."""

import pytest

from lanspread_peer.core.byte_rate import BURST_S, PART_S, ByteRate

RATE = 1000.0
BURST = int(RATE * BURST_S)
PART = int(RATE * PART_S)


def bucket(rate: float | None = RATE) -> ByteRate:
    """One at time 0 that nobody has saved anything in."""
    made = ByteRate()
    made.set_rate(rate, now=0.0)
    return made


def test_without_a_rate_nobody_waits() -> None:
    free = bucket(None)
    for _ in range(3):
        place = free.enter(10**12)
        assert free.take(place, now=0.0) == 0.0
        assert place.granted == 10**12


def test_the_wait_is_that_for_the_bytes_and_for_all_in_front() -> None:
    some = bucket()
    first, second = some.enter(20), some.enter(10)
    assert some.take(first, now=0.0) == pytest.approx(0.02)
    assert some.take(second, now=0.0) == pytest.approx(0.03)
    assert some.take(first, now=0.02) == 0.0
    assert some.take(second, now=0.02) == pytest.approx(0.01)
    assert some.take(second, now=0.03) == 0.0
    assert (first.granted, second.granted) == (20, 10)


def test_nobody_is_let_through_with_more_than_a_part() -> None:
    some = bucket()
    places = [some.enter(most) for most in (100 * BURST, PART + 1, PART, PART - 1)]
    assert [some.take(place, now=1.0) for place in places] == [0.0] * 4
    assert [place.granted for place in places] == [PART, PART, PART, PART - 1]


def test_a_part_of_the_slowest_rate_is_a_byte() -> None:
    slow = bucket(1.0)
    place = slow.enter(5)
    assert slow.take(place, now=0.0) == pytest.approx(1.0)
    assert slow.take(place, now=1.0) == 0.0
    assert place.granted == 1


def test_what_is_saved_up_is_one_burst() -> None:
    some = bucket()
    for _ in range(BURST // PART):
        assert some.take(some.enter(PART), now=1000.0) == 0.0
    assert some.take(some.enter(1), now=1000.0) == pytest.approx(0.001)


def test_who_is_late_keeps_those_behind_waiting_and_loses_nothing() -> None:
    some = bucket()
    others = [some.enter(PART) for _ in range(BURST // PART)]
    last = some.enter(PART)
    assert some.take(last, now=10.0) > 0.0
    assert [some.take(place, now=10.0) for place in others] == [0.0] * len(others)
    assert some.take(last, now=10.0) == pytest.approx(PART_S)


def test_who_gives_up_costs_nothing() -> None:
    some = bucket()
    gone, next_one = some.enter(PART), some.enter(PART)
    some.leave(gone)
    some.leave(gone)
    assert some.take(next_one, now=PART_S) == 0.0


def test_a_new_rate_counts_at_once_for_those_who_wait() -> None:
    some = bucket()
    first, second, third = (some.enter(100 * BURST) for _ in range(3))
    assert some.take(third, now=0.0) == pytest.approx(3 * PART_S)
    some.set_rate(RATE / 5, now=0.0)
    # However much was wanted at the old rate: nobody holds up the line for it.
    assert some.take(third, now=0.0) == pytest.approx(3 * PART_S)
    assert some.take(first, now=PART_S) == 0.0
    assert first.granted == PART // 5
    some.set_rate(None, now=PART_S)
    assert some.take(second, now=PART_S) == 0.0
    assert second.granted == 100 * BURST


def test_switching_a_limit_off_and_on_gives_no_burst() -> None:
    some = bucket()
    some.set_rate(None, now=100.0)
    some.set_rate(RATE, now=200.0)
    assert some.take(some.enter(BURST), now=200.0) == pytest.approx(PART_S)


def test_a_clock_that_stands_still_gives_nothing() -> None:
    some = bucket()
    assert some.take(some.enter(PART), now=PART_S) == 0.0
    assert some.take(some.enter(PART), now=PART_S / 2) == pytest.approx(PART_S)


def test_a_rate_of_zero_is_a_mistake_of_ours() -> None:
    with pytest.raises(AssertionError):
        bucket(0.0)
