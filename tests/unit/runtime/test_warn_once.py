"""A peer cannot flood the events with warnings, nor hide those that others cause."""

from lanspread_peer.model.events import Event, Warned
from lanspread_peer.model.limits import MAX_WARNINGS_PER_MINUTE
from lanspread_peer.runtime.warn_once import WarnOnce
from support.values import peer_id


def test_a_warning_is_told_once_for_each_code_and_key() -> None:
    events: list[Event] = []
    warnings = WarnOnce(events.append)
    for code, key in (("A", "1"), ("A", "1"), ("A", "2"), ("B", "1")):
        warnings.warn(code, key, message=f"{code} {key}")
    assert events == [Warned("A", "A 1"), Warned("A", "A 2"), Warned("B", "B 1")]


def test_made_up_ids_are_told_of_only_so_often_and_hide_no_other_kind() -> None:
    events: list[Event] = []
    warnings = WarnOnce(events.append)
    for number in range(1000):
        warnings.other_version(peer_id(number), 7, 9)
    assert len(events) == MAX_WARNINGS_PER_MINUTE + 1
    assert events[-1] == Warned("PROTOCOL_MISMATCH", "more of the kind came up, which are left out")
    warnings.warn("PEER_CLONED", "1", message="two of them")
    assert events[-1] == Warned("PEER_CLONED", "two of them")
