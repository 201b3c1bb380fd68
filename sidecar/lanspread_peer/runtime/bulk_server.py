"""What callers by TLS get: chunks, once they proved who they are.

The slots are those of the other transport, too: who may be served does not depend on the way.
"""

import asyncio
from collections.abc import Iterator

from lanspread_peer.core.run_slices import slices_of
from lanspread_peer.model import errors
from lanspread_peer.model.manifest import Chunk
from lanspread_peer.runtime.callers import Callers
from lanspread_peer.runtime.clock import monotonic_s
from lanspread_peer.runtime.counters import RunningCounters
from lanspread_peer.runtime.data_requests import DataRequests
from lanspread_peer.runtime.dial_back import DialBacks
from lanspread_peer.runtime.log_context import log_only_about
from lanspread_peer.runtime.offers import Offer
from lanspread_peer.runtime.rate_limits import RateLimit
from lanspread_peer.runtime.uploads import Slot, UploadSlots
from lanspread_peer.transport.tls_caller import TlsCaller
from lanspread_peer.wire import messages
from lanspread_peer.wire.messages import Message

# Of what is sent, the loop hears so often; far less than a reader may take for one slice.
_TELL_S = 0.05


class BulkServer:
    """`answer` is the TLS server's request handler."""

    def __init__(
        self,
        requests: DataRequests,
        callers: Callers[TlsCaller],
        slots: UploadSlots,
        limit: RateLimit,
        counters: RunningCounters,
        dial_backs: DialBacks,
    ) -> None:
        self._requests = requests
        self._callers = callers
        self._slots = slots
        self._limit = limit
        self._counters = counters
        self._dial_backs = dial_backs

    async def answer(self, caller: TlsCaller, request: Message) -> None:
        """Answer one request; raises an error of the tree, which refuses it."""
        match request:
            case messages.Challenge():
                await caller.send(self._callers.challenge(caller))
            case messages.Hello():
                await caller.send(await self._callers.greet(caller, request))
                log_only_about(peer=caller.peer_id)
                if request.dials_back:
                    self._dial_backs.came(caller)
            case messages.GetChunks() | messages.GetAnyChunk():
                await self._give(caller, request)
                self._counters.requests_served += 1
            case _:
                # No peer of ours has a reason to, and nothing else bounds how often it comes.
                caller.offended("only chunks are served here")
                raise errors.Unsupported("only chunks are served here")

    async def _give(
        self, caller: TlsCaller, request: messages.GetChunks | messages.GetAnyChunk
    ) -> None:
        try:
            if isinstance(request, messages.GetChunks):
                offer, run = self._requests.run(request)
                async with self._slots.slot(caller, caller) as slot:
                    await self._send(caller, slot, offer, run)
            else:
                await self._give_any(caller, request)
        except errors.Stale:
            self._requests.offers.look_again()
            raise

    async def _give_any(self, caller: TlsCaller, request: messages.GetAnyChunk) -> None:
        offer, wanted = self._requests.wanted(request)
        async with self._slots.slot(caller, caller) as slot:
            with self._requests.choice(request.content_id, wanted) as number:
                head = number.to_bytes(messages.CHUNK_NUMBER_BYTES, "big")
                await self._send(caller, slot, offer, [offer.manifest.chunk(number)], head)

    async def _send(
        self, caller: TlsCaller, slot: Slot, offer: Offer, run: list[Chunk], head: bytes = b""
    ) -> None:
        telling = _Telling(slot, self._counters)

        def is_gone() -> bool:
            return caller.is_closed

        def parts_of(data: bytes) -> Iterator[bytes]:
            start = 0
            while start < len(data):
                if self._limit.is_on:
                    telling.rests()
                count = self._limit.wait_in_thread(len(data) - start, is_gone)
                if not count:
                    raise errors.ConnectionLost("the caller is gone")
                telling.slice_begins(count)
                yield data[start : start + count]
                start += count

        # A generator, whose body runs in the thread that sends.
        def read() -> Iterator[bytes]:
            if head:
                # Alone, so that the chunk is read straight to where it is hashed.
                yield head
            for data in offer.slices(slices_of(run)):
                yield from parts_of(data)

        length = len(head) + sum(chunk.length for chunk in run)
        try:
            await caller.send_data(length, read())
        finally:
            telling.end()


class _Telling:
    """What the loop hears of an answer while a thread sends it: each time wakes it."""

    def __init__(self, slot: Slot, counters: RunningCounters) -> None:
        self._slot = slot
        self._counters = counters
        self._loop = asyncio.get_running_loop()
        self._untold = 0
        # The slot began a moment ago, and most answers are over before there is more to tell.
        self._due_at = monotonic_s() + _TELL_S

    def slice_begins(self, size: int) -> None:
        """In the thread: so many bytes are about to be sent."""
        self._untold += size
        now = monotonic_s()
        if now >= self._due_at:
            self._due_at = now + _TELL_S
            untold, self._untold = self._untold, 0
            self._loop.call_soon_threadsafe(self._go_on, untold)

    def rests(self) -> None:
        """In the thread: it waits for our own limit now, and the next slice is told at once."""
        self._due_at = 0.0
        self._loop.call_soon_threadsafe(self._slot.rest)

    def end(self) -> None:
        """In the loop, when the thread is done."""
        self._count(self._untold)

    def _go_on(self, size: int) -> None:
        self._slot.keep(size)
        self._count(size)

    def _count(self, size: int) -> None:
        self._counters.sent_bytes += size
        self._counters.sent_tls_bytes += size
