"""Whether a connected peer still answers.

Any message counts as a sign of life, so a ping goes out only when the line was idle. One missed
ping makes a peer suspect, the next one lost. Ending the connection is the caller's business.
"""

from enum import Enum

PING_AFTER_IDLE_S = 5.0
PING_TIMEOUT_S = 3.0
_MISSES_UNTIL_LOST = 2


class Pulse(Enum):
    """What is known of a peer's life."""

    ALIVE = "alive"
    SUSPECT = "suspect"
    LOST = "lost"


class Liveness:
    """The pulse of one connection. LOST is final."""

    def __init__(self, *, now: float) -> None:
        self._heard_at = now
        self._ping_deadline: float | None = None
        self._misses = 0

    @property
    def pulse(self) -> Pulse:
        if self._misses == 0:
            return Pulse.ALIVE
        return Pulse.SUSPECT if self._misses < _MISSES_UNTIL_LOST else Pulse.LOST

    def heard(self, *, now: float) -> None:
        """A message came then: the peer lives, unless it was given up before, or this is old."""
        if self.pulse is Pulse.LOST or now <= self._heard_at:
            return
        self._heard_at = now
        self._ping_deadline = None
        self._misses = 0

    def wants_ping(self, *, now: float) -> bool:
        """Whether a ping should go out now; the caller then reports `ping_sent`."""
        if self._ping_deadline is not None or self.pulse is Pulse.LOST:
            return False
        return self._misses > 0 or now - self._heard_at >= PING_AFTER_IDLE_S

    def ping_sent(self, *, now: float) -> None:
        """A ping went out; silence until the deadline is a miss."""
        self._ping_deadline = now + PING_TIMEOUT_S

    def next_deadline(self) -> float:
        """When `handle_timeout` or `wants_ping` has something to say at the earliest."""
        if self._ping_deadline is not None:
            return self._ping_deadline
        return self._heard_at + PING_AFTER_IDLE_S

    def handle_timeout(self, *, now: float) -> None:
        """Count a miss when the ping's deadline has passed."""
        if self._ping_deadline is not None and now >= self._ping_deadline:
            self._ping_deadline = None
            self._misses += 1
