"""A loop that was held up is seen to be."""

import asyncio
import math
import time

import pytest

from lanspread_peer.runtime import loop_delay
from lanspread_peer.runtime.loop_delay import LoopDelay
from lanspread_peer.runtime.tasks import TaskSet


@pytest.mark.parametrize(
    ("delay_s", "bound_s"), [(-0.001, 0.0005), (0.02, 0.02), (0.0201, 0.03), (60.0, math.inf)]
)
def test_a_delay_is_counted_within_the_first_bound_that_holds_it(
    delay_s: float, bound_s: float
) -> None:
    delays = LoopDelay()
    delays.add(delay_s)
    [counted] = [bucket for bucket in delays.snapshot() if bucket.count]
    assert (counted.up_to_s, counted.count) == (bound_s, 1)


async def test_who_holds_up_the_loop_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop_delay, "SAMPLE_PERIOD_S", 0.001)
    delays, tasks = LoopDelay(), TaskSet()
    tasks.spawn("loop delay", delays.watch())
    await asyncio.sleep(0)
    # Blocking is the point: nothing else runs on this loop meanwhile.
    time.sleep(0.06)  # noqa: ASYNC251
    while not any(bucket.count for bucket in delays.snapshot()):  # noqa: ASYNC110 - it has no event
        await asyncio.sleep(0.001)
    await tasks.close()
    worst = max(bucket.up_to_s for bucket in delays.snapshot() if bucket.count)
    assert worst >= 0.05
