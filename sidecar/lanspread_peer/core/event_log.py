"""The event log: what happened, numbered, for any number of watchers.

State events sit in one ring, bounded in bytes; the oldest are compacted first, and a watcher
who has not read them is told so. Level-triggered values, where only the latest counts, sit
outside the ring under a key each. A watcher is a `Cursor`, a place in the log, and owns no
queue: however slow it reads, it costs nothing.

Invariants: numbers start at 1 and have no gaps; the bytes held never exceed the capacity; a level
is told only to a cursor that has read every state event, so it is never older than one of them.
What an event is, what it costs, and when a level is outdated is the caller's to say.
"""

from dataclasses import dataclass, field
from math import inf
from operator import itemgetter
from typing import Generic, NamedTuple, TypeVar

from lanspread_peer.model.errors import ResumeTokenExpired
from lanspread_peer.model.limits import MAX_KEPT_DOWNLOADS

E = TypeVar("E")


class Entry(NamedTuple, Generic[E]):
    """What a cursor reads; `sequence` is 0 for a level."""

    sequence: int
    event: E


class _Stored(NamedTuple, Generic[E]):
    event: E
    size: int


class _Level(NamedTuple, Generic[E]):
    event: E
    version: int
    interval_s: float


class Told(NamedTuple):
    """The version of a level that a cursor was last told, and when it may be told another."""

    version: int
    due_s: float


_NEVER = Told(0, float("-inf"))


@dataclass(slots=True)
class Cursor:
    """A watcher's place: the last state event it read, and what it was last told of each level."""

    sequence: int
    told: dict[str, Told] = field(default_factory=dict, repr=False)


class EventLog(Generic[E]):
    """The ring and the levels of one sidecar."""

    def __init__(self, capacity_bytes: int) -> None:
        self._capacity_bytes = capacity_bytes
        self._ring: dict[int, _Stored[E]] = {}
        self._latest = 0
        self._size_bytes = 0
        self._levels: dict[str, _Level[E]] = {}
        self._level_version = 0
        self._ended: dict[str, None] = {}

    @property
    def latest(self) -> int:
        """The number of the newest state event; 0 before the first."""
        return self._latest

    @property
    def compacted(self) -> int:
        """The number of the newest state event that is gone; 0 when none is."""
        return self._latest - len(self._ring)

    @property
    def size_bytes(self) -> int:
        """What the events in the ring cost, by the callers' count."""
        return self._size_bytes

    def append(self, event: E, size: int) -> int:
        """Add a state event that costs `size` bytes, and return its number.

        An event that alone is larger than the capacity is compacted at once.
        """
        self._latest += 1
        self._ring[self._latest] = _Stored(event, size)
        self._size_bytes += size
        while self._size_bytes > self._capacity_bytes:
            oldest = self._ring.pop(self.compacted + 1)
            self._size_bytes -= oldest.size
        return self._latest

    def since(self, sequence: int) -> list[tuple[int, E]]:
        """All state events after `sequence`; raises ResumeTokenExpired when some are gone."""
        self.check(sequence)
        return [
            (number, self._ring[number].event) for number in range(sequence + 1, self._latest + 1)
        ]

    def check(self, sequence: int) -> None:
        """Raises ResumeTokenExpired unless every event after `sequence` is still here."""
        if not self.compacted <= sequence <= self._latest:
            raise ResumeTokenExpired(
                f"the events after {sequence} are gone; start again from a snapshot",
                sequence=str(sequence),
                compacted=str(self.compacted),
                latest=str(self._latest),
            )

    def set_level(self, key: str, event: E, *, interval_s: float) -> None:
        """Replace the value of a level, told to each cursor at most once per `interval_s`.

        Nothing happens when the level has ended.
        """
        if key in self._ended:
            return
        self._level_version += 1
        self._levels[key] = _Level(event, self._level_version, interval_s)

    def drop_level(self, key: str) -> None:
        """Forget a value that a state event has overtaken; nothing happens when there is none."""
        self._levels.pop(key, None)

    def end_level(self, key: str) -> None:
        """Drop a level for good: late values are ignored. The last ones ended are remembered."""
        self.drop_level(key)
        self._ended[key] = None
        if len(self._ended) > MAX_KEPT_DOWNLOADS:
            del self._ended[next(iter(self._ended))]

    def take(self, cursor: Cursor, *, now: float) -> Entry[E] | None:
        """What `cursor` reads next, or None when there is nothing now; moves the cursor.

        Raises ResumeTokenExpired when the cursor has fallen off the ring.
        """
        return self.take_state(cursor) or self._take_level(cursor, now)

    def take_state(self, cursor: Cursor) -> Entry[E] | None:
        """Like `take`, but state events only."""
        self.check(cursor.sequence)
        if cursor.sequence == self._latest:
            return None
        cursor.sequence += 1
        return Entry(cursor.sequence, self._ring[cursor.sequence].event)

    def next_level_at(self, cursor: Cursor) -> float | None:
        """When the next level is due that `cursor` was not told yet, or None without one."""
        return min((due for _, due in self._untold(cursor)), default=None)

    def _take_level(self, cursor: Cursor, now: float) -> Entry[E] | None:
        # Whoever has waited longest: what reads slowly must not hear of the first levels alone.
        key, due = min(self._untold(cursor), key=itemgetter(1), default=("", inf))
        if due > now:
            return None
        level = self._levels[key]
        # Levels end; what a cursor remembers of them must not outlive them for ever.
        for gone in cursor.told.keys() - self._levels.keys():
            del cursor.told[gone]
        cursor.told[key] = Told(level.version, now + level.interval_s)
        return Entry(0, level.event)

    def _untold(self, cursor: Cursor) -> list[tuple[str, float]]:
        return [
            (key, cursor.told.get(key, _NEVER).due_s)
            for key, level in self._levels.items()
            if level.version > cursor.told.get(key, _NEVER).version
        ]
