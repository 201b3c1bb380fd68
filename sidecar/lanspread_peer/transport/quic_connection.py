"""One QUIC connection: drives the library's state machine and sorts its events into streams.

The endpoint feeds datagrams with `receive_datagram` and calls `settle` once per batch; each
settling handles all events, then transmits once, because both cost the same for one datagram as
for many. Nothing a peer sends raises out of here: at worst its connection ends.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

from aioquic.quic import events
from cryptography.x509 import Certificate

from lanspread_peer.model.errors import Busy, ConnectionLost
from lanspread_peer.model.ids import PeerId
from lanspread_peer.model.limits import MAX_STREAMS_PER_CONNECTION
from lanspread_peer.model.peer import Address
from lanspread_peer.transport.quic_internals import CreditedConnection
from lanspread_peer.transport.quic_stream import PeerStream
from lanspread_peer.transport.udp_segments import SocketAddress
from lanspread_peer.transport.udp_socket import address_of
from lanspread_peer.wire.stream_codes import BUSY_RETRY_MS, StreamCode

# A reason travels in one datagram and ends in logs; a sentence is enough.
_MAX_DETAIL_CHARS = 100

SendDatagrams = Callable[[list[tuple[bytes, SocketAddress]]], None]


class ConnectionOwner(Protocol):
    """What a connection tells the endpoint that owns it."""

    def on_route(self, connection_id: bytes, connection: "PeerConnection") -> None:
        """Datagrams with this connection id are for the connection from now on."""

    def on_unroute(self, connection_id: bytes) -> None:
        """This connection id is no longer used."""

    def on_established(self, connection: "PeerConnection") -> None:
        """The handshake is complete."""

    def on_identified(self, connection: "PeerConnection") -> None:
        """The other end proved its peer id."""

    def on_stream(self, connection: "PeerConnection", stream: PeerStream) -> None:
        """The other end opened a stream."""

    def on_offence(self, connection: "PeerConnection", detail: str) -> None:
        """The other end sent what no peer sends."""

    def on_ended(self, connection: "PeerConnection") -> None:
        """The connection is over; called once."""


class PeerConnection:
    """A `transport.base.Connection` over QUIC."""

    def __init__(
        self,
        quic: CreditedConnection,
        address: SocketAddress,
        *,
        send: SendDatagrams,
        owner: ConnectionOwner,
        dialled: bool,
    ) -> None:
        self._quic = quic
        self._dialled_address = address if dialled else None
        self._address = address_of(address)
        self._send = send
        self._owner = owner
        self._loop = asyncio.get_running_loop()
        self._streams: dict[int, PeerStream] = {}
        self._ended: asyncio.Future[str] = self._loop.create_future()
        self._established: asyncio.Future[None] = self._loop.create_future()
        self._timer: asyncio.TimerHandle | None = None
        self._transmission: asyncio.Handle | None = None
        self._peer_id: PeerId | None = None

    @property
    def peer_id(self) -> PeerId | None:
        """See `transport.base.Connection.peer_id`."""
        return self._peer_id

    @property
    def address(self) -> Address:
        """See `transport.base.Connection.address`."""
        return self._address

    @property
    def is_closed(self) -> bool:
        """Whether the connection is over."""
        return self._ended.done()

    @property
    def is_idle(self) -> bool:
        """See `transport.base.Connection.is_idle`."""
        return not self._streams

    def open_stream(self) -> PeerStream:
        """See `transport.base.Connection.open_stream`."""
        if self._ended.done():
            raise ConnectionLost(f"the connection ended: {self._ended.result()}")
        if not self._quic.can_open_stream() or self._own_streams() >= MAX_STREAMS_PER_CONNECTION:
            raise Busy(BUSY_RETRY_MS)
        stream = self._add_stream(self._quic.get_next_available_stream_id())
        # The library assigns the next id only once it has seen this one.
        self._quic.send_stream_data(stream.id, b"")
        return stream

    def offended(self, detail: str) -> None:
        """See `transport.base.Connection.offended`."""
        self._owner.on_offence(self, detail)

    async def wait_closed(self) -> str:
        """See `transport.base.Connection.wait_closed`."""
        return await asyncio.shield(self._ended)

    def close(self, detail: str = "") -> None:
        """See `transport.base.Connection.close`."""
        if self._ended.done():
            return
        self._quic.close(error_code=0, reason_phrase=_printable(detail))
        self._transmit()

    def connect(self) -> None:
        """Start the handshake of a dialled connection."""
        assert self._dialled_address is not None
        self._quic.connect(self._dialled_address, now=self._loop.time())
        self.settle()

    async def wait_established(self) -> Certificate:
        """The certificate the other end proved; raises ConnectionLost when there is none."""
        outcomes: list[asyncio.Future[Any]] = [self._established, self._ended]
        await asyncio.wait(outcomes, return_when=asyncio.FIRST_COMPLETED)
        certificate = self._quic.peer_certificate() if self._established.done() else None
        if certificate is None or self._ended.done():
            detail = self._ended.result() if self._ended.done() else "no certificate"
            raise ConnectionLost(f"cannot connect to {self.address}: {detail}", detail=detail)
        return certificate

    def identify(self, peer_id: PeerId) -> None:
        """See `transport.base.Connection.identify`."""
        self._peer_id = peer_id
        self._owner.on_identified(self)

    def receive_datagram(self, data: bytes, address: SocketAddress) -> None:
        """Take in one datagram; the caller must `settle` after the last of a batch."""
        # A peer on two networks may answer from its other address, which the library ignores.
        # What proves a datagram is its encryption, so we treat it as coming from where we dialled.
        source = self._dialled_address or address
        try:
            self._quic.receive_datagram(data, source, now=self._loop.time())
        except Exception as error:  # noqa: BLE001 - no datagram may harm other connections
            self._end(f"the QUIC library failed: {error!r}")

    def settle(self) -> None:
        """Handle what the datagrams or the timer brought, then transmit once."""
        self._handle_events()
        for stream in list(self._streams.values()):
            stream.on_acknowledgement()
        self._transmit()

    def _handle_events(self) -> None:
        while (event := self._quic.next_event()) is not None:
            match event:
                case events.StreamDataReceived():
                    stream = self._streams.get(event.stream_id) or self._accept(event.stream_id)
                    stream.on_data(event.data, end=event.end_stream)
                case events.StreamReset():
                    stream = self._streams.get(event.stream_id) or self._accept_over(event)
                    stream.on_reset(event.error_code)
                case events.StopSendingReceived():
                    if known := self._streams.get(event.stream_id):
                        known.on_stop(event.error_code)
                case _:
                    self._handle_connection_event(event)

    def _handle_connection_event(self, event: events.QuicEvent) -> None:
        match event:
            case events.ConnectionIdIssued():
                self._owner.on_route(event.connection_id, self)
            case events.ConnectionIdRetired():
                self._owner.on_unroute(event.connection_id)
            case events.HandshakeCompleted() if not self._established.done():
                self._established.set_result(None)
                self._owner.on_established(self)

    def _accept(self, stream_id: int) -> PeerStream:
        stream = self._add_stream(stream_id)
        self._owner.on_stream(self, stream)
        return stream

    def _accept_over(self, event: events.StreamReset) -> PeerStream:
        # Opened and cut before anything came: nobody needs to hear of it, but our direction
        # must end too, or the stream counts as open for ever.
        stream = self._add_stream(event.stream_id)
        stream.finish(StreamCode.REFUSED)
        self.offended("streams cut as soon as they are opened")
        return stream

    def _add_stream(self, stream_id: int) -> PeerStream:
        stream = PeerStream(self._quic, stream_id, self._transmit_soon)
        self._streams[stream_id] = stream
        return stream

    def _own_streams(self) -> int:
        own_parity = self._quic.get_next_available_stream_id() & 1
        return sum(1 for stream_id in self._streams if stream_id & 1 == own_parity)

    def _transmit_soon(self) -> None:
        if self._transmission is None and not self._ended.done():
            self._transmission = self._loop.call_soon(self._transmit)

    def _transmit(self) -> None:
        if self._transmission is not None:
            self._transmission.cancel()
            self._transmission = None
        if self._ended.done():
            return
        try:
            datagrams = self._quic.datagrams_to_send(now=self._loop.time())
        except Exception as error:  # noqa: BLE001 - see receive_datagram
            self._end(f"the QUIC library failed: {error!r}")
            return
        if datagrams:
            self._send(datagrams)
        self._forget_discarded()
        termination = self._quic.termination
        if termination is not None:
            if self._established.done() and self._quic.is_breach(termination):
                self.offended("the transport's rules broken")
            self._end(_printable(termination.reason_phrase) or f"code {termination.error_code}")
            return
        self._arm_timer()

    def _forget_discarded(self) -> None:
        over = [stream.id for stream in self._streams.values() if stream.is_over]
        for stream_id in over:
            if self._quic.is_discarded(stream_id):
                del self._streams[stream_id]

    def _arm_timer(self) -> None:
        due = self._quic.get_timer()
        if due is None:
            return
        if self._timer is not None:
            # A timer that fires too early costs less than making a new one for every datagram.
            if self._timer.when() <= due:
                return
            self._timer.cancel()
        self._timer = self._loop.call_at(due, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        now = self._loop.time()
        due = self._quic.get_timer()
        if due is not None and now < due:
            self._arm_timer()
            return
        try:
            self._quic.handle_timer(now=now)
        except Exception as error:  # noqa: BLE001 - see receive_datagram
            self._end(f"the QUIC library failed: {error!r}")
            return
        self.settle()

    def _end(self, detail: str) -> None:
        if self._ended.done():
            return
        self._ended.set_result(detail)
        for handle in (self._timer, self._transmission):
            if handle is not None:
                handle.cancel()
        for stream in self._streams.values():
            stream.on_lost(detail)
        self._streams.clear()
        self._quic.free_buffers()
        self._owner.on_ended(self)


def _printable(text: str) -> str:
    """At most a sentence, without what could forge a line of a log."""
    return "".join(char if char.isprintable() else "?" for char in text[:_MAX_DETAIL_CHARS])
