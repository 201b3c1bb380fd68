"""Memory goes back when nothing happens any more, and not while something does."""

import asyncio
import ctypes
import gc
import subprocess
import sys
import weakref
from collections.abc import Iterator

import pytest

from lanspread_peer.runtime import memory_at_rest
from lanspread_peer.runtime.memory_at_rest import give_back_at_rest
from lanspread_peer.runtime.tasks import TaskSet

HAS_GLIBC = sys.platform == "linux" and hasattr(ctypes.CDLL(None), "malloc_trim")

# 64 MiB in pieces that are no mappings of their own; the last one keeps the heap from shrinking.
FREE_MOST = """
from pathlib import Path
from lanspread_peer.runtime.memory_at_rest import return_free_memory

def resident_kib() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))

pieces = [bytes(range(256)) * 64 for _ in range(4096)]
full = resident_kib()
last = pieces.pop()
del pieces
return_free_memory()
freed = full - resident_kib()
assert freed > 60 * 1024, freed
"""


class Ring:
    """Refers to itself, so that only Python's collector frees it."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture
def no_other_collection(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(memory_at_rest, "LOOK_PERIOD_S", 0.001)
    gc.disable()
    yield
    gc.enable()


class Activity:
    """What is looked at: changes with every look, or not at all."""

    def __init__(self) -> None:
        self.looks = 0
        self.goes_on = True
        self.seen = 0

    def __call__(self) -> int:
        self.looks += 1
        if self.goes_on:
            self.seen += 1
        return self.seen

    async def looked_at(self, times: int) -> None:
        """So many looks later."""
        until = self.looks + times
        while self.looks < until:  # noqa: ASYNC110 - what looks has no event
            await asyncio.sleep(0.001)


@pytest.mark.usefixtures("no_other_collection")
async def test_what_is_left_over_goes_once_at_each_rest_and_never_before() -> None:
    activity, tasks = Activity(), TaskSet()
    tasks.spawn("memory", give_back_at_rest(activity))
    for _ in range(2):
        activity.goes_on = True
        left = weakref.ref(Ring())
        await activity.looked_at(10)
        assert left() is not None
        activity.goes_on = False
        await activity.looked_at(3)
        assert left() is None
        left = weakref.ref(Ring())
        await activity.looked_at(10)
        assert left() is not None
    await tasks.close()


@pytest.mark.skipif(not HAS_GLIBC, reason="others return what is free by themselves")
def test_what_is_free_is_returned_to_the_system() -> None:
    subprocess.run([sys.executable, "-c", FREE_MOST], check=True, timeout=60)
