"""Rate limits: the two buckets of a sidecar, for its tasks and for its threads.

All game bytes of all transports pass through them; what else is said between peers is little, and
others wait for it. Whoever waits looks again every LOOK_AGAIN_S at the latest, so that a changed
rate counts for him too. One lock guards a bucket, for microseconds, and only while there is a
limit.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from threading import Lock

from lanspread_peer.core.byte_rate import BURST_S, ByteRate, Waiting
from lanspread_peer.runtime.clock import monotonic_s

LOOK_AGAIN_S = 0.1
# How long a part takes at a rate: so many take turns that all who wait soon have had one.
_PART_S = BURST_S / 4


class RateLimit:
    """The limit of one direction; none before `set_rate`. Tasks and threads wait in one line."""

    def __init__(self) -> None:
        self._bucket = ByteRate()
        self._lock = Lock()
        self._burst_bytes: float | None = None
        self.bytes_per_second: int | None = None

    def set_rate(self, bytes_per_second: int | None) -> None:
        """Another rate from now on, above 0; None for no limit."""
        with self._lock:
            self._bucket.set_rate(bytes_per_second, now=monotonic_s())
            self._burst_bytes = self._bucket.burst_bytes
        self.bytes_per_second = bytes_per_second

    @property
    def is_on(self) -> bool:
        return self._burst_bytes is not None

    def part_bytes(self, most: int) -> int:
        """How many of `most` bytes to pass at once, so that all who share a low rate get on."""
        burst = self._burst_bytes
        return most if burst is None else max(1, min(most, int(burst / BURST_S * _PART_S)))

    async def wait(self, count: int) -> None:
        """Wait until `count` bytes may pass; may be cancelled."""
        if self._burst_bytes is None:
            return
        with self._place(count) as place:
            # Time is what is waited for, and no event tells when others leave the line.
            while wait_s := self._take(place):  # noqa: ASYNC110
                await asyncio.sleep(min(wait_s, LOOK_AGAIN_S))

    async def pieces(self, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """The same bytes, no faster than the limit, which holds back who sends them."""
        async for piece in pieces:
            start = 0
            while start < len(piece):
                count = self.part_bytes(len(piece) - start)
                await self.wait(count)
                yield piece[start : start + count]
                start += count

    def wait_in_thread(self, count: int, is_cancelled: Callable[[], bool] = lambda: False) -> bool:
        """Block until `count` bytes may pass; False when `is_cancelled` said so before."""
        if self._burst_bytes is None:
            return True
        with self._place(count) as place:
            while wait_s := self._take(place):
                if is_cancelled():
                    return False
                time.sleep(min(wait_s, LOOK_AGAIN_S))
        return True

    def _take(self, place: Waiting) -> float:
        with self._lock:
            return self._bucket.take(place, now=monotonic_s())

    @contextmanager
    def _place(self, count: int) -> Iterator[Waiting]:
        with self._lock:
            place = self._bucket.enter(count)
        try:
            yield place
        finally:
            with self._lock:
                self._bucket.leave(place)


class RateLimits:
    """Both directions of one sidecar; each is for game bytes only."""

    def __init__(self) -> None:
        self.uploads = RateLimit()
        self.downloads = RateLimit()
