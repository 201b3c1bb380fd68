"""Speeds: of one source, for decisions, and of a whole download, for people.

All are averages that forget exponentially, so that they need no samples kept and follow a change
within seconds. A source's clock runs only while it has requests to answer: one that nobody
asked anything is not slow.
"""

from math import exp

from lanspread_peer.model.limits import MIB, MIN_CHUNK_BYTES

_SOURCE_WINDOW_S = 2.0
_DISPLAY_WINDOW_S = 5.0
# A source that was not measured is believed to fill a gigabit link, or it would get no chance
# against others; the belief weighs as much as this time of measuring, so it is soon corrected.
_BELIEVED_BYTES_PER_SECOND = 119.0 * MIB
_BELIEF_S = 0.05
# Below this, a source delivers nothing that counts, and times stay finite.
_LEAST_BYTES_PER_SECOND = 1.0
# Beyond this an ETA tells nobody anything.
_MAX_ETA_S = 30 * 86_400.0


class Rate:
    """Bytes per second over about the last `window_s` seconds; starts paused."""

    def __init__(self, window_s: float = _SOURCE_WINDOW_S) -> None:
        self._window_s = window_s
        self._bytes = 0.0
        self._seconds = 0.0
        self._belief_s = _BELIEF_S
        self._at: float | None = None

    def resume(self, *, now: float) -> None:
        """Time counts from now on."""
        if self._at is None:
            self._at = now

    def pause(self, *, now: float) -> None:
        """Time does not count until the next resume."""
        self._advance(now)
        self._at = None

    def skip_to(self, now: float) -> None:
        """The clock jumped: the time since the last call does not count."""
        if self._at is not None:
            self._at = now

    def add(self, count: int, *, now: float) -> None:
        """So many bytes arrived since the last call."""
        self._advance(now)
        self._bytes += count

    def measured(self, *, now: float) -> float:
        """Bytes per second as seen, 0 before anything was; to be shown."""
        self._advance(now)
        return self._bytes / self._seconds if self._seconds > 0 else 0.0

    def expected(self, *, now: float) -> float:
        """Bytes per second to plan with: optimistic before anything was seen, never 0."""
        self._advance(now)
        believed = self._belief_s * _BELIEVED_BYTES_PER_SECOND
        seen = (self._bytes + believed) / (self._seconds + self._belief_s)
        return max(seen, _LEAST_BYTES_PER_SECOND)

    def _advance(self, now: float) -> None:
        if self._at is None or now <= self._at:
            return
        keep = exp((self._at - now) / self._window_s)
        self._bytes *= keep
        self._belief_s *= keep
        self._seconds = self._seconds * keep + self._window_s * (1 - keep)
        self._at = now


class Latency:
    """Average time from a request to its last byte, per byte, so that sizes compare.

    `weight` is that of the newest request, above 0 and at most 1.
    """

    def __init__(self, weight: float) -> None:
        self._weight = weight
        self.seconds_per_byte: float | None = None

    def add(self, length: int, elapsed_s: float) -> None:
        """A request for `length` bytes took this long."""
        latest = _per_byte(length, elapsed_s)
        known = self.seconds_per_byte
        self.seconds_per_byte = latest if known is None else known + self._weight * (latest - known)

    def at_least(self, length: int, elapsed_s: float) -> None:
        """A request was cut after this long, so it would have taken longer."""
        known = self.seconds_per_byte
        if known is None or _per_byte(length, elapsed_s) > known:
            self.add(length, elapsed_s)

    def exceeds(self, factor: float, average: "Latency") -> bool:
        """Whether this is more than `factor` times the average; False while one is unknown."""
        if self.seconds_per_byte is None or average.seconds_per_byte is None:
            return False
        return self.seconds_per_byte > factor * average.seconds_per_byte


def _per_byte(length: int, elapsed_s: float) -> float:
    # A tiny chunk takes a round trip whatever the link gives; counted by its bytes alone, whoever
    # got the small files would look slow.
    return elapsed_s / max(length, MIN_CHUNK_BYTES)


class SpeedMeter:
    """How fast a download goes and how long it will take, as shown to people."""

    def __init__(self, *, now: float) -> None:
        self._rate = Rate(_DISPLAY_WINDOW_S)
        self._rate.resume(now=now)

    def add(self, count: int, *, now: float) -> None:
        """So many bytes arrived since the last call."""
        self._rate.add(count, now=now)

    def skip_to(self, now: float) -> None:
        """The clock jumped: the time since the last call does not count."""
        self._rate.skip_to(now)

    def bytes_per_second(self, *, now: float) -> float:
        """The speed over the last seconds, waiting included."""
        return self._rate.measured(now=now)

    def eta_s(self, remaining_bytes: int, *, now: float) -> float | None:
        """Seconds until `remaining_bytes` more have come, or None when nobody can say."""
        if remaining_bytes <= 0:
            return 0.0
        speed = self.bytes_per_second(now=now)
        if speed * _MAX_ETA_S < remaining_bytes:
            return None
        return remaining_bytes / speed
