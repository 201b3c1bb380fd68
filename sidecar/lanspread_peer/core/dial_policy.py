"""When to dial a peer again, and which of two connections to one peer stays.

Only a dialled connection proves who answers, so each end keeps the one it dialled itself; an
accepted one serves its caller and is a hint where to dial back. This is where a signed Hello
will let one connection do for both.
"""

from typing import Protocol

FIRST_DELAY_S = 1.0
MAX_DELAY_S = 30.0
# With doubling delays about a minute; a fresh sighting starts the count again.
MAX_FAILURES = 6


class Jitter(Protocol):
    """The part of random.Random that is used here."""

    def uniform(self, a: float, b: float) -> float: ...


class DialPolicy:
    """The redial times of one peer; `is_pinned` for one whose address a person named."""

    def __init__(self, jitter: Jitter, *, is_pinned: bool = False) -> None:
        self._jitter = jitter
        self._is_pinned = is_pinned
        self._failures = 0

    @property
    def gives_up(self) -> bool:
        """Whether to stop until the peer is seen again; never for a pinned address."""
        return not self._is_pinned and self._failures >= MAX_FAILURES

    def succeeded(self) -> None:
        """A dial was answered."""
        self._failures = 0

    def sighted(self) -> None:
        """The peer was seen again: dial at once."""
        self._failures = 0

    def failed(self) -> float:
        """A dial failed or a connection was lost; the seconds to wait, spread so that a room
        whose switch came back does not dial in step."""
        delay = min(MAX_DELAY_S, FIRST_DELAY_S * 2.0**self._failures)
        self._failures += 1
        return delay * self._jitter.uniform(0.5, 1.5)
