"""One stream of a QUIC connection: hands out what came, and feeds what goes with back pressure.

Invariants: what is not taken is not credited; at most QUIC_SEND_BACKLOG_BYTES and one slice wait
for acknowledgement. The connection calls the `on_...` methods; `receive` and `send` are for one
task, and wait only here.
"""

import asyncio
from collections.abc import Callable

from lanspread_peer.model.errors import ConnectionLost, Stalled, StreamReset
from lanspread_peer.model.limits import (
    QUIC_SEND_BACKLOG_BYTES,
    STALL_TIMEOUT_S,
    UPLOAD_SLICE_BYTES,
)
from lanspread_peer.transport.quic_internals import CreditedConnection


class PeerStream:
    """A `transport.base.Stream` over QUIC."""

    def __init__(
        self,
        quic: CreditedConnection,
        stream_id: int,
        transmit_soon: Callable[[], None],
    ) -> None:
        self._quic = quic
        self.id = stream_id
        self._transmit_soon = transmit_soon
        self._loop = asyncio.get_running_loop()
        self._buffer = bytearray()
        self._received_end = False
        self._sent_end = False
        self._abandoned = False
        self._reset_code: int | None = None
        self._stop_code: int | None = None
        self._cut = asyncio.Event()
        self._lost: str | None = None
        self._readable: asyncio.Future[None] | None = None
        self._writable: asyncio.Future[None] | None = None
        self._backlog_bytes = 0
        self._progress_at = 0.0

    async def receive(self) -> bytes:
        """See `transport.base.Stream.receive`."""
        while not self._buffer:
            if self._received_end:
                return b""
            self._raise_if_over(self._reset_code)
            self._readable = self._loop.create_future()
            deadline = self._loop.time() + STALL_TIMEOUT_S
            if not await _set_before(self._readable, deadline):
                raise Stalled(f"nothing came for {STALL_TIMEOUT_S:g} s")
        data = bytes(self._buffer)
        self._buffer.clear()
        if self._quic.take(self.id, len(data)):
            self._transmit_soon()
        return data

    async def send(self, data: bytes, *, end: bool = False) -> None:
        """See `transport.base.Stream.send`."""
        start = 0
        while True:
            self._raise_if_over(self._stop_code)
            stop = start + UPLOAD_SLICE_BYTES
            last = stop >= len(data)
            # Whoever waits after the last slice no longer finds out when it resets the stream.
            self._sent_end = last and end
            self._quic.send_stream_data(self.id, data[start:stop], end_stream=self._sent_end)
            self._transmit_soon()
            await self._wait_acknowledged()
            if last:
                return
            start = stop

    async def wait_cut(self) -> None:
        """See `transport.base.Stream.wait_cut`."""
        await self._cut.wait()

    def reset(self, code: int) -> None:
        """See `transport.base.Stream.reset`."""
        self._drop_buffer()
        if self.is_over or self._lost is not None:
            return
        self._cut_send(code)
        self._cut_receive(code)

    def finish(self, code: int) -> None:
        """Cut what was left open: an answer without its end, a request that was not read."""
        self._drop_buffer()
        if self._lost is not None:
            return
        if not self._sent_end:
            self._cut_send(code)
        self._cut_receive(code)

    @property
    def is_over(self) -> bool:
        """Whether both directions have ended, so that the library may soon discard it."""
        sent = self._sent_end or self._stop_code is not None
        return sent and (self._received_end or self._reset_code is not None)

    def on_data(self, data: bytes, *, end: bool) -> None:
        """The next bytes came, and the end with them or alone."""
        if self._abandoned:
            self._quic.take_connection(len(data))
            return
        # One buffer, because a peer may send two bytes at a time and each object costs forty.
        self._buffer += data
        self._received_end = end
        _set(self._readable)

    def on_reset(self, code: int) -> None:
        """The other end cut what it sends; what it sent before is worth nothing."""
        self._quic.take_connection(self._quic.undelivered_bytes(self.id))
        self._drop_buffer()
        if self._reset_code is None:
            self._reset_code = code
        self._abandoned = True
        _set(self._readable)

    def on_stop(self, code: int) -> None:
        """The other end wants no more of what we send; the library cut it already."""
        if self._stop_code is None:
            self._stop_code = code
        self._cut.set()
        _set(self._writable)

    def on_acknowledgement(self) -> None:
        """Some datagrams were acknowledged; perhaps some of ours."""
        if self._writable is None:
            return
        backlog = self._quic.unacknowledged_bytes(self.id)
        if backlog < self._backlog_bytes:
            self._backlog_bytes = backlog
            self._progress_at = self._loop.time()
        if backlog <= QUIC_SEND_BACKLOG_BYTES:
            _set(self._writable)

    def on_lost(self, detail: str) -> None:
        """The connection is gone; what came before is still handed out."""
        self._lost = detail
        self._cut.set()
        self._wake()

    async def _wait_acknowledged(self) -> None:
        self._backlog_bytes = self._quic.unacknowledged_bytes(self.id)
        self._progress_at = self._loop.time()
        try:
            while self._backlog_bytes > QUIC_SEND_BACKLOG_BYTES:
                self._raise_if_over(self._stop_code)
                self._writable = self._loop.create_future()
                since = self._progress_at
                in_time = await _set_before(self._writable, since + STALL_TIMEOUT_S)
                if not in_time and self._progress_at == since:
                    raise Stalled(f"the peer took nothing for {STALL_TIMEOUT_S:g} s")
        finally:
            self._writable = None

    def _raise_if_over(self, code: int | None) -> None:
        if code is not None:
            raise StreamReset(code)
        if self._lost is not None:
            raise ConnectionLost(f"the connection ended: {self._lost}", detail=self._lost)

    def _cut_send(self, code: int) -> None:
        if self._stop_code is None:
            self._stop_code = code
            self._quic.reset_stream(self.id, code)
            self._transmit_soon()
        _set(self._writable)

    def _cut_receive(self, code: int) -> None:
        if not self._received_end and self._reset_code is None:
            self._reset_code = code
            self._abandoned = True
            self._quic.stop(self.id, code)
            self._transmit_soon()
        _set(self._readable)

    def _drop_buffer(self) -> None:
        self._quic.take_connection(len(self._buffer))
        self._buffer.clear()

    def _wake(self) -> None:
        _set(self._readable)
        _set(self._writable)


def _set(future: asyncio.Future[None] | None) -> None:
    if future is not None and not future.done():
        future.set_result(None)


async def _set_before(future: asyncio.Future[None], deadline: float) -> bool:
    try:
        async with asyncio.timeout_at(deadline):
            await future
    except TimeoutError:
        return False
    return True
