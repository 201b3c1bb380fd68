"""The answering end of a TLS connection: one request after the other, each answered in full.

Mostly the connection was accepted; one that this end dialled to serve there is proven already, and
an accepted one that was dialled to serve here is handed over. Until the caller proved its id, only
Challenge and Hello reach the handler. Between requests the event loop waits; the bytes of a data
answer go out in a worker thread. Slow handshakes, slow requests, slow readers and idle callers are
cut off.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from secrets import token_hex

import structlog
from msgspec.structs import replace

from lanspread_peer.core.offences import Offences
from lanspread_peer.model import errors
from lanspread_peer.model.ids import PeerId
from lanspread_peer.model.limits import (
    BULK_IDLE_TIMEOUT_S,
    HANDSHAKE_TIMEOUT_S,
    MAX_REQUEST_BYTES,
    REQUEST_TIMEOUT_S,
    UPLOAD_SLICE_TIMEOUT_S,
)
from lanspread_peer.model.peer import Address
from lanspread_peer.transport.record_session import RecordSession
from lanspread_peer.transport.tls_admission import Place, TlsAdmission
from lanspread_peer.transport.tls_line import TlsLine
from lanspread_peer.transport.worker_threads import WorkerThreads
from lanspread_peer.wire import messages
from lanspread_peer.wire.codec import decode_request
from lanspread_peer.wire.frames import FrameBuffer, encode_frame
from lanspread_peer.wire.messages import Message
from lanspread_peer.wire.refusals import refusal_of
from lanspread_peer.wire.stream_codes import BUSY_RETRY_MS

_log = structlog.get_logger(__name__)

# What no peer of ours gives a reason for; anything else happens to honest ones.
_OFFENCES = (errors.PeerProtocolError, errors.Refused)


class TlsCaller:
    """Whoever connected; the handler answers each of its requests by one `send` or `send_data`."""

    def __init__(
        self,
        line: TlsLine,
        address: Address,
        place: Place,
        admission: TlsAdmission,
        offences: Offences,
        threads: WorkerThreads,
    ) -> None:
        self._line = line
        self._address = address
        self._place = place
        self._admission = admission
        self._offences = offences
        self._threads = threads
        self._frames = FrameBuffer(MAX_REQUEST_BYTES)
        self._is_answering = False
        self._is_handed_over = False
        self._hello: messages.Hello | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def peer_id(self) -> PeerId | None:
        """The id that the caller proved, or None."""
        return self._place.peer_id

    @property
    def address(self) -> Address:
        """Where the caller sends from."""
        return self._address

    @property
    def is_closed(self) -> bool:
        """Whether nothing more is received or sent."""
        return self._line.is_cut

    def identify(self, peer_id: PeerId) -> None:
        """Note the id that the caller proved; raises Busy when that peer has too many of these."""
        if not self._admission.prove(self._place, peer_id):
            raise errors.Busy(BUSY_RETRY_MS)

    def asked_for(self) -> None:
        """This end asked for the connection, so it takes none of its peer's places."""
        self._place.is_asked_for = True

    def hand_over(self) -> TlsLine:
        """The line, for whoever asks on it from now on, and closes it.

        To be called by the handler, after its answer. Raises MalformedMessage when more came.
        """
        if not self._frames.is_empty:
            raise errors.MalformedMessage("bytes that nobody asked for")
        self._is_handed_over = True
        return self._line

    def offended(self, detail: str) -> None:
        """The caller sent what no peer sends; too often, and the connection is over."""
        now = asyncio.get_running_loop().time()
        if self._offences.note(self._address.host, now=now):
            self.close(f"sent away: {detail}")

    def close(self, detail: str = "") -> None:
        """End the connection at once."""
        _log.debug("bulk connection closed", address=str(self._address), detail=detail)
        self._line.cut()
        if self._task is not None and self._task is not asyncio.current_task():
            self._task.cancel()

    async def send(self, message: Message) -> None:
        """Answer the request by a message; raises ConnectionLost, Stalled or MalformedMessage.

        After the answer to a Hello both ends go on by records, if the caller can.
        """
        self._is_answering = True
        records: RecordSession | None = None
        if isinstance(message, messages.HelloAck) and self._hello and self._hello.record_secret:
            message = replace(message, record_secret=token_hex(messages.RECORD_SECRET_BYTES))
            records = RecordSession(self._hello, message, is_dialler=False)
        try:
            async with asyncio.timeout(UPLOAD_SLICE_TIMEOUT_S):
                await self._line.send(encode_frame(message))
        except TimeoutError as error:
            raise errors.Stalled("the answer was not taken in time") from error
        if records:
            self._go_on_with(records)

    async def send_data(self, length: int, slices: Iterable[bytes | memoryview]) -> None:
        """Answer the request by `length` bytes, which `slices` gives and a worker thread sends.

        `slices` runs in that thread. What it raises before its second slice refuses the request;
        after that it costs the connection. The last slice is sent only after the iterator has
        ended, so that it can have a last look at where the bytes came from. Raises what `slices`
        raises, ConnectionLost, or Stalled when a slice is not taken in UPLOAD_SLICE_TIMEOUT_S.
        Cancelling it cuts the connection, and waits until the thread has let go of `slices`.
        """
        await self._threads.run(lambda: self._send_slices(length, slices), self._line.cut)

    async def wait_cut(self) -> None:
        """Waits until the caller is gone; for whoever has a reason to wait before it sends."""
        try:
            while not self._frames.is_full:
                self._frames.add(await self._line.receive())
        except errors.LanspreadError:
            return
        # There is no room for what else may come before its end.
        await asyncio.get_running_loop().create_future()

    def release(self) -> None:
        """Free what `run` used, once it is over: the place, and the line unless handed over."""
        if not self._is_handed_over:
            self._line.close()
        self._admission.free(self._place)

    async def run(self, on_request: "RequestHandler") -> None:
        """Serve the caller until it leaves, or is sent away; raises nothing. Then `release` it."""
        self._task = asyncio.current_task()
        try:
            if self.peer_id is None:
                await self._shake_hands()
            patience_s = REQUEST_TIMEOUT_S if self.peer_id is None else None
            async with asyncio.timeout(patience_s) as until_proven:
                while not self.is_closed and not self._is_handed_over:
                    await self._serve_one(on_request)
                    if self.peer_id is not None:
                        until_proven.reschedule(None)
                    if not self._frames.is_empty:
                        # Others have their turn, however many requests came at once.
                        await asyncio.sleep(0)
        except TimeoutError:
            self.close("no Hello came")
        except errors.PeerProtocolError as error:
            self.offended(error.message)
        except errors.SourceUnavailable as error:
            self.close(error.message)

    def _go_on_with(self, records: RecordSession) -> None:
        if not self._frames.is_empty:
            raise errors.MalformedMessage("bytes that nobody asked for")
        self._line.go_on_with(records)

    async def _shake_hands(self) -> None:
        try:
            async with asyncio.timeout(HANDSHAKE_TIMEOUT_S):
                await self._line.shake_hands()
        except TimeoutError as error:
            raise errors.Stalled("the handshake took too long") from error

    async def _serve_one(self, on_request: "RequestHandler") -> None:
        body = await self._next_body()
        self._is_answering = False
        try:
            request = decode_request(body)
            if self.peer_id is None and not isinstance(
                request, messages.Challenge | messages.Hello
            ):
                raise errors.Refused("expected Challenge and Hello first")
            if isinstance(request, messages.Hello):
                self._hello = request
            await on_request(self, request)
            assert self._is_answering
        except errors.LanspreadError as error:
            if self._is_answering or self.is_closed:
                raise errors.ConnectionLost(f"an answer broke off: {error.message}") from error
            await self.send(refusal_of(error))
            if isinstance(error, _OFFENCES):
                self.offended(error.message)

    async def _next_body(self) -> bytes:
        patience_s = BULK_IDLE_TIMEOUT_S if self._frames.is_empty else REQUEST_TIMEOUT_S
        try:
            async with asyncio.timeout(patience_s) as limit:
                while (body := self._frames.take()) is None:
                    was_empty = self._frames.is_empty
                    self._frames.add(await self._line.receive())
                    if was_empty:
                        loop = asyncio.get_running_loop()
                        limit.reschedule(loop.time() + REQUEST_TIMEOUT_S)
        except TimeoutError as error:
            if self._frames.is_empty:
                raise errors.ConnectionLost("idle") from error
            raise errors.MalformedMessage("a request was not complete in time") from error
        return body

    def _send_slices(self, length: int, slices: Iterable[bytes | memoryview]) -> None:
        left = length
        waiting: bytes | memoryview | None = None
        with self._line.in_thread(UPLOAD_SLICE_TIMEOUT_S):
            for data in slices:
                left -= len(data)
                if left < 0:
                    raise errors.IntegrityError("more bytes than the answer has")
                if waiting is not None:
                    self._write(length, waiting)
                waiting = data
            if left:
                raise errors.IntegrityError(f"{left} bytes of the answer are missing")
            self._write(length, b"" if waiting is None else waiting)

    def _write(self, length: int, data: bytes | memoryview) -> None:
        if self._is_answering:
            self._line.write(data)
            return
        self._is_answering = True
        self._line.write(encode_frame(messages.Data(length=length)), data)


RequestHandler = Callable[[TlsCaller, Message], Awaitable[None]]
