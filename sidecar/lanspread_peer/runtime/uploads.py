"""Upload slots: how many requests for game bytes are served at once, and who hears Busy.

As many slots as one downloader has requests out, so that a single downloader fills them; a short
queue for each peer, because a long one only makes the answer late and keeps the downloader from
asking others. Who gets a slot, and who loses one, is decided in core/upload_queue.py. Nobody waits
for a slot longer than an asker takes for silence, nor after it is gone. An upload that is not taken
at a minimum rate is cut off.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Protocol

from lanspread_peer.core.upload_queue import Upload, UploadQueue
from lanspread_peer.model.errors import Busy, ConnectionLost, Stalled
from lanspread_peer.model.ids import PeerId
from lanspread_peer.model.limits import (
    MAX_QUEUED_UPLOADS,
    UPLOAD_QUEUE_TIMEOUT_S,
    UPLOAD_SLICE_TIMEOUT_S,
)
from lanspread_peer.model.peer import Address
from lanspread_peer.runtime.clock import monotonic_s
from lanspread_peer.wire.stream_codes import BUSY_RETRY_MS

# One slot at a time is taken back, so that what waits gets its share within seconds.
_FAIRNESS_INTERVAL_S = 0.25


class Asker(Protocol):
    """Whoever asks for a slot, over whatever transport."""

    @property
    def peer_id(self) -> PeerId | None:
        """The id that it proved."""
        ...

    @property
    def address(self) -> Address:
        """Where it sends from."""
        ...


class Waiting(Protocol):
    """A request that waits for its slot."""

    async def wait_cut(self) -> None:
        """Waits until the asker wants nothing more."""
        ...


class Slot:
    """The right to send, as long as the reader takes what is sent."""

    def __init__(self, on_slice: Callable[[int], None], on_rest: Callable[[], None]) -> None:
        self._on_slice = on_slice
        self._on_rest = on_rest
        self.granted = asyncio.Event()
        self.limit = asyncio.timeout(None)
        self.is_taken_back = False
        self._is_used = False
        self._is_over = False

    def begin(self) -> None:
        """The holder is inside `limit` now."""
        self._is_used = True
        if self.is_taken_back:
            self._end_in(0.0)
        else:
            self.keep(0)

    def keep(self, size: int) -> None:
        """So many bytes are about to be sent, or read first; they have their time from now on."""
        # Word from another thread may come late.
        if self._is_over:
            return
        self._on_slice(size)
        if not self.is_taken_back:
            self._end_in(UPLOAD_SLICE_TIMEOUT_S)

    def end(self) -> None:
        """The holder has given it back."""
        self._is_over = True

    def rest(self) -> None:
        """The holder waits for our own rate limit; no time counts until it calls `keep`."""
        if self._is_over:
            return
        self._on_rest()
        if not self.is_taken_back:
            self._end_in(None)

    def take_back(self) -> None:
        """Another one needs the slot."""
        if self._is_used and not self.is_taken_back:
            self._end_in(0.0)
        self.is_taken_back = True

    def _end_in(self, seconds: float | None) -> None:
        # Once it has run out, the holder is on its way out, however long it takes.
        if not self.limit.expired():
            now = asyncio.get_running_loop().time()
            self.limit.reschedule(None if seconds is None else now + seconds)


class UploadSlots:
    """The slots of one kind of one sidecar."""

    def __init__(self, max_queued: int = MAX_QUEUED_UPLOADS) -> None:
        self._queue = UploadQueue(max_queued)
        self._slots: dict[Upload, Slot] = {}
        self._check: asyncio.TimerHandle | None = None

    @property
    def active_count(self) -> int:
        """How many hold a slot."""
        return self._queue.running_count

    def set_slots(self, slots: int) -> None:
        """So many at once from now on; what runs beyond them comes to its end."""
        self._queue.slots = slots
        self._grant()

    @asynccontextmanager
    async def slot(
        self, connection: Asker, stream: Waiting, *, goes_on: bool = False
    ) -> AsyncIterator[Slot]:
        """Hold one slot for a proven peer; its holder calls `keep` before each slice.

        One that `goes_on` has just given its slot up for the others' turns, and may wait again
        even when the queue is full.

        Raises Busy when the queue is full too, or the wait too long, or another peer needs the
        slot more; Stalled when the reader takes a slice too slowly; and ConnectionLost when it
        cut the stream, or is gone, before its turn came.
        """
        assert connection.peer_id is not None
        upload = Upload(connection.peer_id, connection.address.host, monotonic_s())
        if not self._queue.add(upload, goes_on=goes_on):
            raise Busy(BUSY_RETRY_MS)
        slot = self._slots[upload] = Slot(
            lambda size: self._queue.slice_began(upload, size, now=monotonic_s()),
            lambda: self._queue.rested(upload, now=monotonic_s()),
        )
        self._grant()
        try:
            if not slot.granted.is_set():
                await _turn(slot, stream)
            async with slot.limit:
                slot.begin()
                yield slot
        except TimeoutError as error:
            if slot.is_taken_back:
                raise Busy(BUSY_RETRY_MS) from error
            raise Stalled(f"a slice was not taken in {UPLOAD_SLICE_TIMEOUT_S:g} s") from error
        finally:
            slot.end()
            del self._slots[upload]
            self._queue.remove(upload)
            self._grant()

    def _grant(self) -> None:
        while (upload := self._queue.next()) is not None:
            self._slots[upload].granted.set()
        if self._queue.is_waited_for and self._check is None:
            loop = asyncio.get_running_loop()
            self._check = loop.call_later(_FAIRNESS_INTERVAL_S, self._be_fair)

    def _be_fair(self) -> None:
        self._check = None
        overdue = self._queue.overdue(now=monotonic_s())
        if overdue is not None:
            self._slots[overdue].take_back()
        self._grant()


async def _turn(slot: Slot, stream: Waiting) -> None:
    granted = asyncio.ensure_future(slot.granted.wait())
    cut = asyncio.ensure_future(stream.wait_cut())
    try:
        ends = await asyncio.wait(
            {granted, cut}, timeout=UPLOAD_QUEUE_TIMEOUT_S, return_when=asyncio.FIRST_COMPLETED
        )
    finally:
        granted.cancel()
        cut.cancel()
    if cut in ends[0]:
        raise ConnectionLost("the asker did not wait for its turn")
    if granted not in ends[0]:
        raise Busy(BUSY_RETRY_MS)
