"""Each thing is said once, and made-up things not too often."""

from lanspread_peer.core.first_times import FirstTimes, Novelty


def first_times(max_remembered: int = 100) -> FirstTimes:
    return FirstTimes(max_remembered=max_remembered, per_minute=3)


def test_a_key_is_new_once() -> None:
    said = first_times()
    assert said.judge("a", now=0.0) is Novelty.NEW
    assert said.judge("a", now=500.0) is Novelty.NOTHING
    assert said.judge("b", now=500.0) is Novelty.NEW


def test_of_too_many_it_is_told_once_a_minute_that_there_are_more() -> None:
    said = first_times()
    for start in (1000.0, 1060.0):
        judged = [said.judge((start, number), now=start + number) for number in range(10)]
        assert judged == [Novelty.NEW] * 3 + [Novelty.MORE] + [Novelty.NOTHING] * 6


def test_what_was_held_back_may_be_said_later() -> None:
    said = first_times()
    for number in range(5):
        said.judge(number, now=1000.0)
    assert said.judge(4, now=1060.0) is Novelty.NEW


def test_what_is_remembered_is_bounded() -> None:
    said = first_times(max_remembered=2)
    for number in range(3):
        said.judge(number, now=1000.0)
    assert said.remembered == (1, 2)
