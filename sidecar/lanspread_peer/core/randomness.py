"""The randomness that the core is given, so that a seed repeats every decision."""

from typing import Protocol


class Randomness(Protocol):
    """The part of `random.Random` that decisions use."""

    def random(self) -> float:
        """A number from 0 up to, but not including, 1."""
        ...

    def uniform(self, a: float, b: float, /) -> float:
        """A number from `a` to `b`."""
        ...
