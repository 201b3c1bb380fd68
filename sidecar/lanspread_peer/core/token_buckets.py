"""Rates: how often somebody may do a thing, with a burst allowed, for many that strangers name.

Invariant: at most so many are remembered; whoever did nothing for longest is forgotten, and may
then do a burst again.
"""

from typing import Generic, TypeVar

_Key = TypeVar("_Key")


class TokenBuckets(Generic[_Key]):
    """One bucket for each key: `burst` tokens when full, `per_second` of them come back."""

    def __init__(self, *, per_second: float, burst: int, max_keys: int) -> None:
        self._per_second = per_second
        self._burst = float(burst)
        self._max_keys = max_keys
        # What was left, and when; who came last is at the end.
        self._left: dict[_Key, tuple[float, float]] = {}

    def take(self, key: _Key, *, now: float, count: int = 1) -> bool:
        """Whether this one may do it now; if so, a token is gone, or so many."""
        left = self.available(key, now=now)
        may = left >= count
        self._keep(key, left - count if may else left, now)
        return may

    def reserve(self, key: _Key, *, now: float) -> float:
        """Take a token that may be still to come; the seconds until it is there.

        The caller bounds how many are reserved at once.
        """
        left = self.available(key, now=now) - 1.0
        self._keep(key, left, now)
        return max(0.0, -left / self._per_second)

    def available(self, key: _Key, *, now: float) -> float:
        """The tokens of this one now; below zero when some are reserved."""
        left, since = self._left.get(key, (self._burst, now))
        return min(self._burst, left + self._per_second * (now - since))

    def _keep(self, key: _Key, left: float, now: float) -> None:
        self._left.pop(key, None)
        if len(self._left) >= self._max_keys:
            del self._left[next(iter(self._left))]
        self._left[key] = (left, now)
