import pytest

from lanspread_peer.core.event_log import Cursor, Entry, EventLog
from lanspread_peer.model.errors import ResumeTokenExpired
from lanspread_peer.model.limits import MAX_KEPT_DOWNLOADS


def test_numbers_start_at_one_and_have_no_gaps() -> None:
    log: EventLog[str] = EventLog(100)
    assert [log.append(event, 1) for event in "abc"] == [1, 2, 3]
    assert log.since(0) == [(1, "a"), (2, "b"), (3, "c")]
    assert log.since(2) == [(3, "c")]
    assert log.since(3) == []


def test_the_oldest_events_go_when_the_ring_is_full() -> None:
    log: EventLog[str] = EventLog(10)
    for event in "abc":
        log.append(event, 5)
    assert (log.compacted, log.latest, log.size_bytes) == (1, 3, 10)
    assert log.since(1) == [(2, "b"), (3, "c")]
    with pytest.raises(ResumeTokenExpired) as caught:
        log.since(0)
    assert caught.value.metadata == {"sequence": "0", "compacted": "1", "latest": "3"}


def test_an_event_over_the_capacity_is_not_kept_but_told_as_missed() -> None:
    log: EventLog[str] = EventLog(10)
    log.append("a", 11)
    assert log.size_bytes == 0
    with pytest.raises(ResumeTokenExpired):
        log.since(0)
    assert log.since(1) == []


@pytest.mark.parametrize("sequence", [-1, 2])
def test_a_number_that_was_never_given_has_expired(sequence: int) -> None:
    log: EventLog[str] = EventLog(10)
    log.append("a", 1)
    with pytest.raises(ResumeTokenExpired):
        log.since(sequence)


def test_a_cursor_reads_each_event_once() -> None:
    log: EventLog[str] = EventLog(100)
    cursor = Cursor(log.latest)
    log.append("a", 1)
    log.append("b", 1)
    assert log.take(cursor, now=0.0) == Entry(1, "a")
    assert log.take(cursor, now=0.0) == Entry(2, "b")
    assert log.take(cursor, now=0.0) is None


def test_a_cursor_gets_only_the_newest_value_of_a_level() -> None:
    log: EventLog[int] = EventLog(100)
    cursor = Cursor(0)
    for value in range(5):
        log.set_level("peers", value, interval_s=1.0)
    assert log.take(cursor, now=0.0) == Entry(0, 4)
    assert log.take(cursor, now=9.0) is None


def test_a_level_is_told_no_more_often_than_its_interval_to_each_cursor() -> None:
    log: EventLog[int] = EventLog(100)
    early, late = Cursor(0), Cursor(0)
    log.set_level("peers", 1, interval_s=1.0)
    assert log.take(early, now=10.0) == Entry(0, 1)
    log.set_level("peers", 2, interval_s=1.0)
    assert log.take(early, now=10.9) is None
    assert log.next_level_at(early) == 11.0
    assert log.take(late, now=10.9) == Entry(0, 2)
    assert log.next_level_at(late) is None
    assert log.take(early, now=11.0) == Entry(0, 2)


def test_levels_with_different_keys_do_not_wait_for_each_other() -> None:
    log: EventLog[str] = EventLog(100)
    cursor = Cursor(0)
    log.set_level("a", "a1", interval_s=9.0)
    assert log.take(cursor, now=0.0) == Entry(0, "a1")
    log.set_level("a", "a2", interval_s=9.0)
    log.set_level("b", "b1", interval_s=1.0)
    assert log.take(cursor, now=0.0) == Entry(0, "b1")


def test_a_slow_reader_is_told_of_every_level() -> None:
    log: EventLog[str] = EventLog(100)
    cursor = Cursor(0)
    told = []
    for quarter in range(24):
        for name in "abcdef":
            log.set_level(name, name, interval_s=0.25)
        entry = log.take(cursor, now=quarter / 4)
        assert entry is not None
        told.append(entry.event)
    assert told == list("abcdef") * 4


def test_state_events_come_before_levels() -> None:
    log: EventLog[str] = EventLog(100)
    cursor = Cursor(0)
    log.set_level("a", "level", interval_s=1.0)
    log.append("state", 1)
    assert log.take(cursor, now=0.0) == Entry(1, "state")
    assert log.take(cursor, now=0.0) == Entry(0, "level")


def test_a_dropped_level_is_not_told_but_may_come_back() -> None:
    log: EventLog[int] = EventLog(100)
    cursor = Cursor(0)
    log.set_level("a", 1, interval_s=1.0)
    log.drop_level("a")
    log.drop_level("a")
    assert log.take(cursor, now=0.0) is None
    log.set_level("a", 2, interval_s=1.0)
    assert log.take(cursor, now=0.0) == Entry(0, 2)


def test_an_ended_level_ignores_late_values() -> None:
    log: EventLog[int] = EventLog(100)
    cursor = Cursor(0)
    log.set_level("a", 1, interval_s=1.0)
    log.end_level("a")
    log.set_level("a", 2, interval_s=1.0)
    assert log.take(cursor, now=0.0) is None


def test_neither_log_nor_cursor_remembers_ended_levels_for_ever() -> None:
    log: EventLog[int] = EventLog(100)
    cursor = Cursor(0)
    for number in range(MAX_KEPT_DOWNLOADS + 1):
        log.set_level(str(number), number, interval_s=1.0)
        assert log.take(cursor, now=0.0) == Entry(0, number)
        log.end_level(str(number))
    assert len(cursor.told) <= 2
    log.set_level("1", 1, interval_s=1.0)
    assert log.take(cursor, now=0.0) is None
    log.set_level("0", 0, interval_s=1.0)
    assert log.take(cursor, now=0.0) == Entry(0, 0)


def test_a_cursor_that_fell_off_the_ring_is_told() -> None:
    log: EventLog[str] = EventLog(2)
    cursor = Cursor(0)
    for event in "abc":
        log.append(event, 1)
    with pytest.raises(ResumeTokenExpired):
        log.take(cursor, now=0.0)
