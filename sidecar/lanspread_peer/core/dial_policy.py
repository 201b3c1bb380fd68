"""When to dial a peer again."""

from typing import Protocol

FIRST_DELAY_S = 1.0
MAX_DELAY_S = 30.0
STEADY_AFTER_S = 30.0
# With these delays about twenty minutes, as an uplink may be unplugged, or a firewall's question
# answered late; a fresh sighting starts the count again.
MAX_FAILURES = 45
_MAX_DOUBLINGS = 16


class Jitter(Protocol):
    """The part of random.Random that is used here."""

    def uniform(self, a: float, b: float) -> float: ...


class DialPolicy:
    """The redial times of one peer, or of one address that a person named."""

    def __init__(self, jitter: Jitter) -> None:
        self._jitter = jitter
        self._failures = 0

    @property
    def gives_up(self) -> bool:
        """Whether to stop until the peer is seen again."""
        return self._failures >= MAX_FAILURES

    @property
    def failures(self) -> int:
        """How often it failed since the peer was last seen or stayed."""
        return self._failures

    def held(self, seconds: float) -> None:
        """A link lasted so long; a short one is no success, or who hangs up is dialled for ever."""
        if seconds >= STEADY_AFTER_S:
            self._failures = 0

    def sighted(self) -> None:
        """The peer was seen again: dial at once."""
        self._failures = 0

    def failed(self) -> float:
        """A dial failed or a connection was lost; the seconds to wait, spread so that a room
        whose switch came back does not dial in step."""
        doublings = min(self._failures, _MAX_DOUBLINGS)
        delay = min(MAX_DELAY_S, FIRST_DELAY_S * 2.0**doublings)
        self._failures += 1
        return delay * self._jitter.uniform(0.5, 1.5)
