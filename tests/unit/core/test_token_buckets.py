"""Everybody has a rate of his own, and strangers fill no memory."""

from lanspread_peer.core.token_buckets import TokenBuckets


def buckets(max_keys: int = 10) -> TokenBuckets[int]:
    return TokenBuckets(per_second=2.0, burst=3, max_keys=max_keys)


def taken(some: TokenBuckets[int], key: int, *, now: float, tries: int = 10) -> int:
    return sum(some.take(key, now=now) for _ in range(tries))


def test_a_burst_is_allowed_and_then_the_rate() -> None:
    some = buckets()
    assert taken(some, 1, now=0.0) == 3
    assert taken(some, 1, now=0.4) == 0
    assert taken(some, 1, now=0.5) == 1
    assert taken(some, 1, now=1.5) == 2
    assert taken(some, 1, now=1000.0) == 3


def test_many_tokens_are_taken_at_once_or_none() -> None:
    some = buckets()
    assert not some.take(1, now=0.0, count=4)
    assert some.take(1, now=0.0, count=3)
    assert not some.take(1, now=0.5, count=2)
    assert some.take(1, now=1.0, count=2)


def test_one_costs_another_nothing() -> None:
    some = buckets()
    assert taken(some, 1, now=0.0) == 3
    assert taken(some, 2, now=0.0) == 3


def test_whoever_did_nothing_for_longest_is_forgotten_first() -> None:
    some = buckets(max_keys=2)
    for key in (1, 2, 1):
        taken(some, key, now=0.0)
    taken(some, 3, now=0.0)
    assert len(some._left) == 2
    assert taken(some, 1, now=0.0) == 0
    assert taken(some, 2, now=0.0) == 3


def test_who_reserves_is_told_when_its_turn_comes() -> None:
    some = buckets()
    assert [some.reserve(1, now=0.0) for _ in range(5)] == [0.0, 0.0, 0.0, 0.5, 1.0]
    assert some.reserve(2, now=0.0) == 0.0
    assert some.available(1, now=0.0) == -2.0
    assert not some.take(1, now=1.0)
    assert some.take(1, now=1.5)
