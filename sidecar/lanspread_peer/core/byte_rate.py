"""The byte-rate bucket: who wants to move bytes waits in one line until the rate allows it.

Nobody is let through with more than a part, the bytes of PART_S, and for the rest goes to the end
of the line: so all who wait take turns. Bytes are counted when they are let through, never when
somebody begins to wait: whoever gives up costs nothing, and a new rate counts at once for all who
wait. Invariant: in any time what is let through is at most the rate times that time, and a burst
besides.
"""

from dataclasses import dataclass

# What may come at once after a pause, in seconds of the rate: a late wake-up costs no speed, and
# nobody who shares a line notices a tenth of a second.
BURST_S = 0.1
# How long a part takes: so short that all who share a line soon have had their turn, and so long
# that a woken thread has something to do.
PART_S = BURST_S / 4
# So little is worth no further wait, which a clock might be too coarse to show.
_ROUNDING_BYTES = 1e-3


@dataclass(slots=True, eq=False)
class Waiting:
    """A place in the line for bytes, `most` of them; `granted` may pass once it is let through."""

    most: int
    granted: int = 0


class ByteRate:
    """One direction's bucket; a rate of None lets everything through."""

    def __init__(self) -> None:
        self._rate: float | None = None
        self._available = 0.0
        self._at = 0.0
        self._line: dict[Waiting, None] = {}

    def set_rate(self, bytes_per_second: float | None, *, now: float) -> None:
        """Another rate from now on, above 0; what was saved up at the old one is not multiplied."""
        assert bytes_per_second is None or bytes_per_second > 0
        self._advance(now)
        if self._rate is None:
            self._available = 0.0
        self._rate = bytes_per_second
        self._advance(now)

    def enter(self, most: int) -> Waiting:
        """Wait for bytes behind all others; the caller ends it by `take` or `leave`."""
        place = Waiting(most)
        self._line[place] = None
        return place

    def leave(self, place: Waiting) -> None:
        """Give up the place, when it is not taken yet; those behind move up."""
        self._line.pop(place, None)

    def take(self, place: Waiting, *, now: float) -> float:
        """The seconds until it is let through; 0 when it is now, and then it left the line.

        The answer may be another one as soon as the rate changes, or somebody in front gives up.
        """
        if self._rate is None:
            del self._line[place]
            place.granted = place.most
            return 0.0
        self._advance(now)
        part = max(1, int(self._rate * PART_S))
        needed = self._needed(place, part)
        if needed > self._available + _ROUNDING_BYTES:
            return (needed - self._available) / self._rate
        del self._line[place]
        place.granted = min(place.most, part)
        self._available -= place.granted
        return 0.0

    def _needed(self, place: Waiting, part: int) -> int:
        """What must be available, with all in front served first."""
        needed = min(place.most, part)
        for other in self._line:
            if other is place:
                break
            needed += min(other.most, part)
        return needed

    def _advance(self, now: float) -> None:
        elapsed_s = max(0.0, now - self._at)
        self._at = max(self._at, now)
        if self._rate is not None:
            saved = self._available + self._rate * elapsed_s
            self._available = min(saved, max(1.0, self._rate * BURST_S))
