"""Upload slots: how many requests for game bytes are served at once, and who hears Busy.

As many slots as one downloader has requests out, so that a single downloader fills them; a short
queue, because a long one only makes the answer late and keeps the downloader from asking others.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from lanspread_peer.model.errors import Busy
from lanspread_peer.model.limits import MAX_QUEUED_UPLOADS, MAX_UPLOADS
from lanspread_peer.wire.stream_codes import BUSY_RETRY_MS


class UploadSlots:
    """The slots of one sidecar."""

    def __init__(self) -> None:
        self._free = asyncio.Semaphore(MAX_UPLOADS)
        self._queued = 0

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Hold one slot; raises Busy when the queue is full too."""
        if self._free.locked() and self._queued >= MAX_QUEUED_UPLOADS:
            raise Busy(BUSY_RETRY_MS)
        self._queued += 1
        try:
            await self._free.acquire()
        finally:
            self._queued -= 1
        try:
            yield
        finally:
            self._free.release()
