"""Redials slow down, stop when nobody is there, and start anew at a sighting."""

from random import Random

from lanspread_peer.core.dial_policy import (
    FIRST_DELAY_S,
    MAX_DELAY_S,
    MAX_FAILURES,
    STEADY_AFTER_S,
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


def test_a_link_that_lasted_starts_the_count_again() -> None:
    policy = DialPolicy(Random(1))
    for _ in range(MAX_FAILURES):
        policy.failed()
    policy.held(STEADY_AFTER_S)
    assert policy.failed() <= 1.5 * FIRST_DELAY_S


def test_failures_are_counted_since_the_last_lasting_link() -> None:
    policy = DialPolicy(Random(1))
    policy.failed()
    policy.failed()
    assert policy.failures == 2
    policy.held(STEADY_AFTER_S)
    assert policy.failures == 0


def test_a_peer_that_greets_and_hangs_up_is_dialled_slower_and_then_given_up() -> None:
    policy = DialPolicy(Random(1))
    delays = []
    for _ in range(MAX_FAILURES):
        policy.held(STEADY_AFTER_S - 0.1)
        delays.append(policy.failed())
    assert min(delays[6:]) >= 0.5 * MAX_DELAY_S
    assert policy.gives_up
