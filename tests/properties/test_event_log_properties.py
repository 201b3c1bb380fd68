"""Watchers of the event log, at any speed and with any interruption."""

from hypothesis import given
from hypothesis import strategies as st

from lanspread_peer.core.event_log import Cursor, EventLog
from lanspread_peer.model.errors import ResumeTokenExpired

CAPACITY = 20

# What happens: an event of some size, a read, a break after which the watcher resumes at the last
# number it saw, or a new value of one of two levels.
steps = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.integers(1, 30)),
        st.tuples(st.just("read"), st.just(0)),
        st.tuples(st.just("resume"), st.just(0)),
        st.tuples(st.just("level"), st.integers(0, 1)),
        st.tuples(st.just("pass"), st.integers(1, 3)),
    ),
    max_size=120,
)


@given(steps)
def test_a_watcher_that_resumes_at_random_misses_nothing_or_is_told(
    script: list[tuple[str, int]],
) -> None:
    log: EventLog[int] = EventLog(CAPACITY)
    cursor, seen, now = Cursor(0), 0, 0.0
    for step, argument in script:
        if step == "append":
            log.append(log.latest + 1, argument)
        elif step == "level":
            log.set_level(str(argument), -1 - argument, interval_s=1.0)
        elif step == "pass":
            now += argument
        elif step == "resume":
            cursor = Cursor(seen)
        else:
            try:
                entry = log.take(cursor, now=now)
            except ResumeTokenExpired:
                assert log.compacted > seen
                seen = log.latest
                cursor = Cursor(seen)
                continue
            if entry is None or entry.sequence == 0:
                assert seen == log.latest
            else:
                assert (entry.sequence, entry.event) == (seen + 1, seen + 1)
                seen = entry.sequence
        assert log.size_bytes <= CAPACITY


@given(st.lists(st.tuples(st.integers(0, 2), st.floats(0, 0.5)), max_size=60))
def test_a_level_is_never_told_too_often_and_its_newest_value_always_comes(
    changes: list[tuple[int, float]],
) -> None:
    log: EventLog[tuple[int, int]] = EventLog(CAPACITY)
    cursor, now = Cursor(0), 0.0
    newest: dict[int, tuple[int, int]] = {}
    told: dict[int, tuple[float, tuple[int, int]]] = {}
    for number, (key, passed) in enumerate(changes):
        now += passed
        newest[key] = (key, number)
        log.set_level(str(key), newest[key], interval_s=1.0)
        while entry := log.take(cursor, now=now):
            which = entry.event[0]
            assert which not in told or now - told[which][0] >= 1.0
            assert entry.event == newest[which]
            told[which] = (now, entry.event)
    while (due := log.next_level_at(cursor)) is not None:
        now = max(now, due)
        entry = log.take(cursor, now=now)
        assert entry is not None
        told[entry.event[0]] = (now, entry.event)
    assert {key: value for key, (_, value) in told.items()} == newest
