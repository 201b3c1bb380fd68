"""Redials slow down, stop when nobody is there, and start anew at a sighting."""

from random import Random

from lanspread_peer.core.dial_policy import (
    FIRST_DELAY_S,
    MAX_DELAY_S,
    MAX_FAILURES,
    DialPolicy,
)


def test_delays_double_with_jitter_up_to_the_longest() -> None:
    policy = DialPolicy(Random(1))
    for failure in range(2000):
        nominal = min(MAX_DELAY_S, FIRST_DELAY_S * 2.0 ** min(failure, 99))
        assert 0.5 * nominal <= policy.failed() <= 1.5 * nominal


def test_a_peer_that_never_answers_is_given_up_until_it_is_seen_again() -> None:
    policy = DialPolicy(Random(1))
    for _ in range(MAX_FAILURES):
        assert not policy.gives_up
        policy.failed()
    assert policy.gives_up
    policy.sighted()
    assert not policy.gives_up


def test_a_success_starts_the_count_again() -> None:
    policy = DialPolicy(Random(1))
    for _ in range(MAX_FAILURES):
        policy.failed()
    policy.succeeded()
    assert policy.failed() <= 1.5 * FIRST_DELAY_S


def test_failures_are_counted_since_the_last_success() -> None:
    policy = DialPolicy(Random(1))
    policy.failed()
    policy.failed()
    assert policy.failures == 2
    policy.succeeded()
    assert policy.failures == 0
