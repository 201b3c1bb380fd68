"""A clock that jumps from event to event: seconds of network time cost no real time."""

from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count

Action = Callable[[], None]


class VirtualClock:
    """Runs actions in the order of their times; equal times in the order of planning."""

    def __init__(self) -> None:
        self.now = 0.0
        self._order = count()
        self._events: list[tuple[float, int, Action]] = []

    def after(self, delay_s: float, action: Action) -> None:
        """Run `action` so many seconds from now."""
        heappush(self._events, (self.now + delay_s, next(self._order), action))

    def step(self) -> bool:
        """Run the next action; False when there is none."""
        if not self._events:
            return False
        self.now, _, action = heappop(self._events)
        action()
        return True
