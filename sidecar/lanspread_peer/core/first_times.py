"""What comes up for the first time, so that strangers fill neither a log nor the events.

Keys may be made up without end: only so many are remembered, and only so many are new in one
minute; of the rest it is told once a minute that there are more.
"""

from enum import Enum

_WINDOW_S = 60.0


class Novelty(Enum):
    """What to say of a key."""

    NEW = "new"
    # New, but more than may be said; and nothing was said of that in this minute.
    MORE = "more"
    NOTHING = "nothing"


class FirstTimes:
    """The keys of one kind that came up."""

    def __init__(self, *, max_remembered: int, per_minute: int) -> None:
        self._max_remembered = max_remembered
        self._per_minute = per_minute
        self._known: dict[object, None] = {}
        self._window_began = 0.0
        self._in_window = 0

    @property
    def remembered(self) -> tuple[object, ...]:
        """The keys that are known, oldest first."""
        return tuple(self._known)

    def judge(self, key: object, *, now: float) -> Novelty:
        """Whether to say something of this key; one that is NEW is known from now on."""
        if key in self._known:
            return Novelty.NOTHING
        if now - self._window_began >= _WINDOW_S:
            self._window_began, self._in_window = now, 0
        self._in_window += 1
        if self._in_window > self._per_minute:
            is_first = self._in_window == self._per_minute + 1
            return Novelty.MORE if is_first else Novelty.NOTHING
        while len(self._known) >= self._max_remembered:
            del self._known[next(iter(self._known))]
        self._known[key] = None
        return Novelty.NEW
