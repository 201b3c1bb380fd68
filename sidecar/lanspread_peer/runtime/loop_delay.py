"""How late the event loop runs what is due: what a front end feels when the sidecar is busy.

Counted by bounds and never reset, so that whoever asks twice knows the time between. What is
measured is the lateness of a timer; on Windows its clock ticks every 15.6 ms and adds that.
"""

import asyncio
from bisect import bisect_left

from lanspread_peer.model.status import DelayBucket
from lanspread_peer.runtime.clock import monotonic_s

SAMPLE_PERIOD_S = 0.025
# Each half again as long as the one before, about; the last has no end.
BOUNDS_S = (
    0.0005, 0.001, 0.0015, 0.002, 0.003, 0.005, 0.007, 0.01, 0.015, 0.02, 0.03, 0.05, 0.07, 0.1,
    0.15, 0.2, 0.3, 0.5, 1.0, float("inf"),
)  # fmt: skip


class LoopDelay:
    """The counts so far; `watch` makes them."""

    def __init__(self) -> None:
        self._counts = [0] * len(BOUNDS_S)
        self.sum_s = 0.0

    def add(self, delay_s: float) -> None:
        """Count one delay."""
        self._counts[bisect_left(BOUNDS_S, delay_s)] += 1
        self.sum_s += delay_s

    def snapshot(self) -> tuple[DelayBucket, ...]:
        """How many delays lay within each bound and above the one before."""
        return tuple(map(DelayBucket, BOUNDS_S, self._counts))

    async def watch(self) -> None:
        """Measure for ever."""
        while True:
            due = monotonic_s() + SAMPLE_PERIOD_S
            await asyncio.sleep(SAMPLE_PERIOD_S)
            self.add(monotonic_s() - due)
