"""Rate limits: the two buckets of a sidecar, for its tasks and for its threads.

All game bytes of all transports pass through them; what else is said between peers is little, and
others wait for it. Whoever waits looks again every LOOK_AGAIN_S at the latest, so that a changed
rate counts for him too, and that he is not wanted any more. One lock guards a bucket, for
microseconds, and only while there is a limit.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from threading import Lock

from lanspread_peer.core.byte_rate import ByteRate, Waiting
from lanspread_peer.runtime.clock import monotonic_s

LOOK_AGAIN_S = 0.1


class RateLimit:
    """The limit of one direction; none before `set_rate`. Tasks and threads wait in one line."""

    def __init__(self) -> None:
        self._bucket = ByteRate()
        self._lock = Lock()
        self._bytes_per_second: int | None = None

    @property
    def bytes_per_second(self) -> int | None:
        """The rate; None for no limit."""
        return self._bytes_per_second

    @property
    def is_on(self) -> bool:
        """Whether there is a limit."""
        return self._bytes_per_second is not None

    def set_rate(self, bytes_per_second: int | None) -> None:
        """Another rate from now on, above 0; None for no limit."""
        with self._lock:
            self._bucket.set_rate(bytes_per_second, now=monotonic_s())
            self._bytes_per_second = bytes_per_second

    async def wait(self, most: int) -> int:
        """Wait until some of `most` bytes may pass, and how many; may be cancelled."""
        if self._bytes_per_second is None:
            return most
        with self._place(most) as place:
            # Time is what is waited for, and no event tells when others leave the line.
            while wait_s := self._take(place):  # noqa: ASYNC110
                await asyncio.sleep(min(wait_s, LOOK_AGAIN_S))
        return place.granted

    def wait_in_thread(self, most: int, is_cut: Callable[[], bool]) -> int:
        """Block until some of `most` bytes may pass, and how many; 0 when `is_cut` said so before.

        It is called from time to time.
        """
        if self._bytes_per_second is None:
            return most
        with self._place(most) as place:
            while wait_s := self._take(place):
                if is_cut():
                    return 0
                time.sleep(min(wait_s, LOOK_AGAIN_S))
        return place.granted

    async def pieces(self, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """The same bytes, no faster than the limit, which holds back who sends them."""
        async for piece in pieces:
            start = 0
            while start < len(piece):
                end = start + await self.wait(len(piece) - start)
                yield piece[start:end]
                start = end

    def _take(self, place: Waiting) -> float:
        with self._lock:
            return self._bucket.take(place, now=monotonic_s())

    @contextmanager
    def _place(self, most: int) -> Iterator[Waiting]:
        with self._lock:
            place = self._bucket.enter(most)
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
