"""What an event costs in memory: an upper bound, for keeping the event log within its own."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass
from typing import TypeVar

from lanspread_peer.model.events import Event, GamesUpdated
from lanspread_peer.model.limits import MAX_CONTROL_MESSAGE_BYTES

# A message is at most half again as large as its values in memory, for texts outside ASCII.
_MAX_UPDATE_BYTES = MAX_CONTROL_MESSAGE_BYTES // 2

T = TypeVar("T")


def event_cost(event: Event) -> int:
    """Bytes that an event and all it holds take, what it shares with others included."""
    return _cost(event)


def split_update(update: GamesUpdated) -> list[GamesUpdated]:
    """The same update in parts that each fit a message of the control API."""
    if _cost(update) <= _MAX_UPDATE_BYTES:
        return [update]
    changed = [GamesUpdated(titles, ()) for titles in _batches(update.titles)]
    removed = [GamesUpdated((), game_ids) for game_ids in _batches(update.removed)]
    return changed + removed


def _batches(items: Sequence[T]) -> Iterator[tuple[T, ...]]:
    batch: list[T] = []
    room = _MAX_UPDATE_BYTES
    for item in items:
        cost = _cost(item)
        if batch and cost > room:
            yield tuple(batch)
            batch, room = [], _MAX_UPDATE_BYTES
        batch.append(item)
        room -= cost
    if batch:
        yield tuple(batch)


def _cost(value: object) -> int:
    size = sys.getsizeof(value)
    if is_dataclass(value):
        return size + sum(_cost(getattr(value, field.name)) for field in fields(value))
    if isinstance(value, tuple):
        return size + sum(map(_cost, value))
    return size
