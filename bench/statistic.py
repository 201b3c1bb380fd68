"""Medians, spread and percentiles of a few measured values. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from statistics import median


@dataclass(frozen=True, slots=True)
class Series:
    """The values of one program in the order they were measured, in one unit."""

    name: str
    unit: str
    values: tuple[float, ...]
    terms: str = ""

    @property
    def median(self) -> float:
        """The middle value; a Series is never empty."""
        return median(self.values)

    @property
    def low(self) -> float:
        return min(self.values)

    @property
    def high(self) -> float:
        return max(self.values)


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` (0 to 1) of all values do not exceed."""
    if not values:
        raise ValueError("no values, no percentile")
    return sorted(values)[max(1, ceil(share * len(values))) - 1]


def percentile_of_counts(buckets: Sequence[tuple[float, int]], share: float) -> float:
    """The same, of values that were counted by the first bound they do not exceed.

    The answer is a bound, so at most one step too high.
    """
    total = sum(count for _, count in buckets)
    if total == 0:
        raise ValueError("nothing was counted")
    seen = 0
    for bound, count in buckets:
        seen += count
        if seen >= share * total:
            return bound
    raise AssertionError("the shares of all buckets are the whole")
