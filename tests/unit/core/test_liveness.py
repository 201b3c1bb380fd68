"""A peer is pinged only when the line was idle, and lost after two misses."""

from lanspread_peer.core.liveness import PING_AFTER_IDLE_S, PING_TIMEOUT_S, Liveness, Pulse


def pulse_after(liveness: Liveness, now: float) -> Pulse:
    """What is known of the peer once time has passed."""
    liveness.handle_timeout(now=now)
    return liveness.pulse


def test_a_busy_line_is_not_pinged() -> None:
    liveness = Liveness(now=0.0)
    liveness.heard(now=100.0)
    assert not liveness.wants_ping(now=100.0 + PING_AFTER_IDLE_S - 0.1)
    assert liveness.wants_ping(now=100.0 + PING_AFTER_IDLE_S)
    assert liveness.next_deadline() == 100.0 + PING_AFTER_IDLE_S


def test_one_ping_is_out_at_a_time() -> None:
    liveness = Liveness(now=0.0)
    liveness.ping_sent(now=10.0)
    assert not liveness.wants_ping(now=11.0)
    assert liveness.next_deadline() == 10.0 + PING_TIMEOUT_S


def test_a_missed_ping_makes_suspect_and_another_makes_lost() -> None:
    liveness = Liveness(now=0.0)
    liveness.ping_sent(now=10.0)
    pulses = [pulse_after(liveness, 10.0 + PING_TIMEOUT_S - 0.1)]
    pulses.append(pulse_after(liveness, 10.0 + PING_TIMEOUT_S))
    assert liveness.wants_ping(now=10.0 + PING_TIMEOUT_S)
    liveness.ping_sent(now=20.0)
    pulses.append(pulse_after(liveness, 20.0 + PING_TIMEOUT_S))
    assert pulses == [Pulse.ALIVE, Pulse.SUSPECT, Pulse.LOST]


def test_a_suspect_that_answers_is_alive() -> None:
    liveness = Liveness(now=0.0)
    liveness.ping_sent(now=10.0)
    liveness.handle_timeout(now=20.0)
    liveness.heard(now=21.0)
    assert liveness.pulse is Pulse.ALIVE
    assert not liveness.wants_ping(now=21.0)


def test_lost_is_final() -> None:
    liveness = Liveness(now=0.0)
    for sent_at in (10.0, 20.0):
        liveness.ping_sent(now=sent_at)
        liveness.handle_timeout(now=sent_at + PING_TIMEOUT_S)
    liveness.heard(now=30.0)
    assert liveness.pulse is Pulse.LOST
    assert not liveness.wants_ping(now=40.0)


def test_an_old_sign_of_life_does_not_answer_a_ping() -> None:
    liveness = Liveness(now=5.0)
    liveness.ping_sent(now=10.0)
    liveness.heard(now=5.0)
    liveness.handle_timeout(now=20.0)
    assert liveness.pulse is Pulse.SUSPECT
