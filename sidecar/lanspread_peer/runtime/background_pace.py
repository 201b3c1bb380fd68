"""The pace of work in a thread that nobody waits for: it rests as long as it works.

So it takes half of one core and of the disk at most, and leaves the rest to games and transfers.
"""

import threading
from collections.abc import Callable

from lanspread_peer.runtime.clock import monotonic_s

# Shorter rests cost more than they give.
_LEAST_WORK_S = 0.01


class BackgroundPace:
    """One piece of work; all methods but `cancel` are for its thread."""

    def __init__(
        self,
        *,
        monotonic: Callable[[], float] = monotonic_s,
        rest: Callable[[float], object] | None = None,
    ) -> None:
        self._cancelled = threading.Event()
        self._monotonic = monotonic
        self._rest = rest or self._cancelled.wait
        self._began_at = monotonic()

    def cancel(self) -> None:
        """Let it rest no more, and stop."""
        self._cancelled.set()

    def is_cancelled(self) -> bool:
        """Whether it is to stop."""
        return self._cancelled.is_set()

    def rest_if_due(self) -> None:
        """Called after each small part of the work; returns at once when it was cancelled."""
        worked_s = self._monotonic() - self._began_at
        if worked_s >= _LEAST_WORK_S:
            self._rest(worked_s)
            self._began_at = self._monotonic()
