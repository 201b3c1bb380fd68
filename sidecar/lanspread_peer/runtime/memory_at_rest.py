"""Gives memory back to the system when the sidecar comes to rest.

What a transfer or a crowd of handshakes leaves behind is free, or refers to nothing but itself; yet
Python seldom looks for the one, and glibc keeps the other for the next time. For whoever plays a
game meanwhile, that may be hours.
"""

import asyncio
import ctypes
import gc
import sys
from collections.abc import Callable

# Two looks that see the same are rest, as a transfer moves something each second. What comes and
# goes all evening, such as peers, makes no more work than one collection for two looks.
LOOK_PERIOD_S = 1.0


async def give_back_at_rest(activity: Callable[[], object]) -> None:
    """Give memory back, for ever, when `activity` has stopped changing since the last time."""
    rested_at, before = None, activity()
    while True:
        await asyncio.sleep(LOOK_PERIOD_S)
        now = activity()
        if now == before != rested_at:
            # Holds the loop for tens of milliseconds, when nobody waits for it.
            gc.collect()
            return_free_memory()
            rested_at = now
        before = now


def return_free_memory() -> None:
    """Let the C library return what is free; other ones than glibc do so by themselves."""
    if sys.platform != "linux":
        return
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
