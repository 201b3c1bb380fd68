"""Nonsense now and then is forgiven; a flood of it is not, until its address was quiet."""

from lanspread_peer.core.offences import Offences
from lanspread_peer.model.limits import OFFENCE_BURST, OFFENCES_PER_SECOND

HERE, THERE = "192.0.2.1", "192.0.2.2"


def offended(times: int) -> Offences:
    offences = Offences()
    for _ in range(times):
        assert not offences.note(HERE, now=0.0)
    return offences


def test_one_offence_more_than_the_burst_is_too_much() -> None:
    offences = offended(OFFENCE_BURST - 1)
    assert not offences.waits(HERE, now=0.0)
    assert not offences.note(HERE, now=0.0)
    assert offences.note(HERE, now=0.0)
    assert offences.waits(HERE, now=0.0)


def test_nobody_waits_for_what_another_address_did() -> None:
    offences = offended(OFFENCE_BURST)
    assert not offences.waits(THERE, now=0.0)
    assert not offences.note(THERE, now=0.0)


def test_patience_comes_back_a_little_at_a_time() -> None:
    offences = offended(OFFENCE_BURST)
    soon = 1.0 / OFFENCES_PER_SECOND
    assert offences.waits(HERE, now=0.9 * soon)
    assert not offences.waits(HERE, now=soon)
    assert not offences.note(HERE, now=soon)
    assert offences.note(HERE, now=soon)


def test_an_offence_now_and_then_is_never_too_much() -> None:
    offences = offended(OFFENCE_BURST)
    for second in range(1, 1000):
        assert not offences.note(HERE, now=second / OFFENCES_PER_SECOND)
