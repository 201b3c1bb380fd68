import threading

from lanspread_peer.runtime.background_pace import BackgroundPace


def test_it_rests_as_long_as_it_worked_once_that_is_worth_it() -> None:
    now = 0.0
    rests: list[float] = []

    def rest(seconds: float) -> None:
        nonlocal now
        rests.append(seconds)
        now += seconds

    pace = BackgroundPace(monotonic=lambda: now, rest=rest)
    for _ in range(100):
        now += 0.003
        pace.rest_if_due()
    worked = 0.003 * 100
    assert len(rests) == 25
    assert abs(sum(rests) - worked) < 0.001


def test_a_cancel_ends_a_rest_at_once() -> None:
    now = 0.0
    pace = BackgroundPace(monotonic=lambda: now)
    now = 3600.0
    resting = threading.Thread(target=pace.rest_if_due)
    resting.start()
    assert not pace.is_cancelled()
    pace.cancel()
    resting.join(20)
    assert not resting.is_alive()
    assert pace.is_cancelled()
