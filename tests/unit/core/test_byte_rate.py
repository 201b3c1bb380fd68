"""The byte-rate bucket: exact, in order, and changed at once."""

import pytest

from lanspread_peer.core.byte_rate import BURST_S, ByteRate

RATE = 1000.0
BURST = int(RATE * BURST_S)


def bucket(rate: float | None = RATE) -> ByteRate:
    """One at time 0 that nobody has saved anything in."""
    made = ByteRate()
    made.set_rate(rate, now=0.0)
    return made


def test_without_a_rate_nobody_waits() -> None:
    free = bucket(None)
    assert free.burst_bytes is None
    for _ in range(3):
        assert free.take(free.enter(10**12), now=0.0) == 0.0


def test_the_wait_is_that_for_the_bytes_and_for_all_in_front() -> None:
    some = bucket()
    first, second = some.enter(BURST), some.enter(BURST // 2)
    assert some.take(first, now=0.0) == pytest.approx(0.1)
    assert some.take(second, now=0.0) == pytest.approx(0.15)
    assert some.take(first, now=0.1) == 0.0
    assert some.take(second, now=0.1) == pytest.approx(0.05)
    assert some.take(second, now=0.15) == 0.0


def test_what_is_saved_up_is_one_burst() -> None:
    some = bucket()
    assert some.burst_bytes == BURST
    assert some.take(some.enter(BURST), now=1000.0) == 0.0
    assert some.take(some.enter(1), now=1000.0) == pytest.approx(0.001)


def test_who_is_late_keeps_those_behind_waiting_and_loses_nothing() -> None:
    some = bucket()
    first, second = some.enter(BURST), some.enter(BURST)
    assert some.take(second, now=10.0) > 0.0
    assert some.take(first, now=10.0) == 0.0
    assert some.take(second, now=10.1) == 0.0


def test_who_gives_up_costs_nothing() -> None:
    some = bucket()
    gone, next_one = some.enter(10 * BURST), some.enter(BURST)
    some.leave(gone)
    some.leave(gone)
    assert some.take(next_one, now=0.1) == 0.0


def test_more_than_a_burst_leaves_a_debt() -> None:
    some = bucket()
    large = some.enter(5 * BURST)
    assert some.take(large, now=0.1) == 0.0
    assert some.take(some.enter(BURST), now=0.1) == pytest.approx(0.5)


def test_a_new_rate_counts_at_once_for_those_who_wait() -> None:
    some = bucket()
    place = some.enter(BURST)
    assert some.take(place, now=0.05) == pytest.approx(0.05)
    some.set_rate(RATE / 10, now=0.05)
    # Of the slower rate's burst of 10 bytes, all is there; the rest is a debt.
    assert some.take(place, now=0.05) == 0.0
    assert some.take(some.enter(10), now=0.05) == pytest.approx(1.0)
    waiting = some.enter(BURST)
    some.set_rate(None, now=0.06)
    assert some.take(waiting, now=0.06) == 0.0


def test_switching_a_limit_off_and_on_gives_no_burst() -> None:
    some = bucket()
    some.set_rate(None, now=100.0)
    some.set_rate(RATE, now=200.0)
    assert some.take(some.enter(BURST), now=200.0) == pytest.approx(0.1)


def test_a_clock_that_stands_still_gives_nothing() -> None:
    some = bucket()
    assert some.take(some.enter(BURST), now=0.1) == 0.0
    assert some.take(some.enter(BURST), now=0.05) == pytest.approx(0.1)


def test_a_rate_of_zero_is_a_mistake_of_ours() -> None:
    with pytest.raises(AssertionError):
        bucket(0.0)
