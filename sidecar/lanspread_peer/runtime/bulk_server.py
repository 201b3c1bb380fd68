"""What callers by TLS get: runs of chunks, once they proved who they are.

The slots are those of the other transport, too: who may be served does not depend on the way.
"""

import asyncio
from collections.abc import Iterator

from lanspread_peer.core.run_slices import slices_of
from lanspread_peer.model import errors
from lanspread_peer.model.ids import ContentId
from lanspread_peer.model.limits import MAX_RUN_BYTES
from lanspread_peer.model.manifest import Chunk
from lanspread_peer.runtime.callers import Callers
from lanspread_peer.runtime.counters import RunningCounters
from lanspread_peer.runtime.dial_back import DialBacks
from lanspread_peer.runtime.library import Library
from lanspread_peer.runtime.rate_limits import RateLimit
from lanspread_peer.runtime.uploads import Slot, UploadSlots
from lanspread_peer.storage.hasher import IndexedGame
from lanspread_peer.storage.served_file import served_slices
from lanspread_peer.transport.tls_caller import TlsCaller
from lanspread_peer.wire import messages
from lanspread_peer.wire.messages import Message


class BulkServer:
    """`answer` is the TLS server's request handler."""

    def __init__(
        self,
        library: Library,
        callers: Callers[TlsCaller],
        slots: UploadSlots,
        limit: RateLimit,
        counters: RunningCounters,
        dial_backs: DialBacks,
    ) -> None:
        self._library = library
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
                if request.dials_back:
                    self._dial_backs.came(caller)
            case messages.GetChunks():
                await self._send_chunks(caller, request)
                self._counters.requests_served += 1
            case _:
                raise errors.Unsupported("only chunks are served here")

    async def _send_chunks(self, caller: TlsCaller, request: messages.GetChunks) -> None:
        game, run = offered_run(self._library, request)
        length = sum(chunk.length for chunk in run)
        try:
            async with self._slots.slot(caller, caller) as slot:
                await caller.send_data(length, self._slices(caller, game, run, slot))
        except errors.Stale:
            self._library.request_rescan()
            raise

    def _slices(
        self, caller: TlsCaller, game: IndexedGame, run: list[Chunk], slot: Slot
    ) -> Iterator[bytes]:
        loop = asyncio.get_running_loop()

        def slice_begins(size: int) -> None:
            slot.keep()
            self._counters.sent_bytes += size

        def is_gone() -> bool:
            return caller.is_closed

        # A generator, whose body runs in the thread that sends.
        def read() -> Iterator[bytes]:
            for data in served_slices(game.found.game_dir, game, slices_of(run)):
                start = 0
                while start < len(data):
                    if self._limit.is_on:
                        loop.call_soon_threadsafe(slot.rest)
                    count = self._limit.wait_in_thread(len(data) - start, is_gone)
                    if not count:
                        raise errors.ConnectionLost("the caller is gone")
                    loop.call_soon_threadsafe(slice_begins, count)
                    yield data[start : start + count]
                    start += count

        return read()


def offered_run(library: Library, request: messages.GetChunks) -> tuple[IndexedGame, list[Chunk]]:
    """The game and the chunks that are asked for; raises NotFoundByPeer or Refused."""
    game = library.by_content(ContentId(request.content_id))
    if game is None:
        raise errors.NotFoundByPeer("this content is not offered")
    run = game.manifest.run(request.first, request.count)
    if not run or sum(chunk.length for chunk in run) > MAX_RUN_BYTES:
        raise errors.Refused("chunks beyond the last one, or too many bytes in all")
    return game, run
