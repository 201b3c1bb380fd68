"""Every event is either kept in order or replaced by the next of its kind."""

from dataclasses import fields, is_dataclass
from typing import get_args

from lanspread_peer.model import events


def test_every_event_is_either_a_state_event_or_level_triggered() -> None:
    state, level = set(get_args(events.StateEvent)), set(get_args(events.LevelEvent))
    defined = {
        value
        for value in vars(events).values()
        if is_dataclass(value) and getattr(value, "__module__", "") == events.__name__
    }
    assert state | level == set(get_args(events.Event)) == defined
    assert not state & level


def test_every_event_of_a_download_carries_its_status() -> None:
    for event in get_args(events.DownloadEvent):
        assert [field.name for field in fields(event)] == ["download"]
