"""Everything here and in quic_bulk_* leans on private parts of aioquic; nothing else does.

aioquic is pinned to a minor version because of these files, and tests/unit/transport has a test for
each part, so that a new version that moves one of them is noticed. What the library lacks:

- Receive credit. It doubles its windows with what arrived, read or not, so a sender that floods
  fills the memory. Here credit grows by exactly what the application took.
- A bound on gaps. Single bytes sent at every second offset cost it a hundred times their size.
- Back pressure. A stream's unacknowledged bytes are known to its sender alone.
- Thrift. It keeps for as long as the connection lasts what only a handshake needs, and makes for
  each connection what is the same for all of them.
- Pacing for an event loop. It paces in steps of microseconds, and a loop sleeps for whole
  milliseconds, which caps a stock sender near 16 datagrams per millisecond.

Invariant: what a peer sent and nobody took is at most the connection's window.
"""
# ruff: noqa: SLF001 - reaching into the library's objects is this module's purpose

import functools
import logging

from aioquic._buffer import Buffer
from aioquic.quic import connection
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import (
    CONNECTION_LIMIT_FRAME_CAPACITY,
    MAX_STREAM_DATA_FRAME_CAPACITY,
    Limit,
    QuicConnectionError,
    QuicConnectionState,
    QuicReceiveContext,
    stream_is_client_initiated,
)
from aioquic.quic.events import ConnectionTerminated
from aioquic.quic.packet import QuicErrorCode, QuicFrameType
from aioquic.quic.packet_builder import QuicPacketBuilder
from aioquic.quic.recovery import QuicPacketPacer, QuicPacketSpace
from aioquic.quic.stream import QuicStream, QuicStreamReceiver
from cryptography.x509 import Certificate

from lanspread_peer.model.limits import (
    KIB,
    MAX_REQUEST_GAPS,
    MAX_STREAM_GAPS,
    MAX_STREAMS_PER_CONNECTION,
    QUIC_REQUEST_WINDOW_BYTES,
)
from lanspread_peer.transport.quic_acknowledgements import PatientConnection

# Credit is announced in steps: small enough for the smallest window, large enough that a frame
# goes out for every few dozen packets only.
_CREDIT_STEP_BYTES = 32 * KIB

# An event loop's timer is a millisecond late at best, so that a burst must last for two. A burst
# is built without a break; at 10 to 60 microseconds a packet this many keep the loop for 4 ms at
# worst. Four times as many were no faster, and made the loop's worst delay three times as long.
_BURST_S = 0.002
_BURST_PACKETS = 64

# In which phases which frame may come: 7 KiB for each connection, and equal for all.
connection.EPOCHS = functools.cache(connection.EPOCHS)

# It warns of each broken packet, so that anyone could fill the log; what matters reaches us as
# the reason a connection ended.
logging.getLogger("quic").setLevel(logging.CRITICAL)


class CreditedConnection(PatientConnection):
    """An aioquic connection whose receive credit grows only by what the application took.

    The caller must call `take` for all that it takes from, or throws away of, a stream.
    """

    def __init__(
        self,
        *,
        configuration: QuicConfiguration,
        original_destination_connection_id: bytes | None = None,
        retry_source_connection_id: bytes | None = None,
    ) -> None:
        super().__init__(
            configuration=configuration,
            original_destination_connection_id=original_destination_connection_id,
            retry_source_connection_id=retry_source_connection_id,
        )
        # The transport parameters are built from these when the handshake starts.
        self._local_max_streams_bidi.value = MAX_STREAMS_PER_CONNECTION
        self._local_max_streams_bidi.sent = MAX_STREAMS_PER_CONNECTION
        self._local_max_streams_uni.value = 0
        self._local_max_streams_uni.sent = 0
        self._local_max_stream_data_bidi_remote = QUIC_REQUEST_WINDOW_BYTES
        self._loss._pacer = _BurstPacer(max_datagram_size=configuration.max_datagram_size)

    @property
    def termination(self) -> ConnectionTerminated | None:
        """Why the connection is over, as soon as either end decided so.

        The library's own event comes only after the closing period, seconds later.
        """
        return self._close_event

    def is_breach(self, termination: ConnectionTerminated) -> bool:
        """Whether we ended it because the other end broke the rules; our own word has no frame."""
        return self._state is QuicConnectionState.CLOSING and termination.frame_type is not None

    def peer_certificate(self) -> Certificate | None:
        """The certificate whose key the other end proved to have; None before that."""
        return self.tls._peer_certificate

    def can_open_stream(self) -> bool:
        """Whether the other end allows one more bidirectional stream now."""
        return self.get_next_available_stream_id() // 4 < self._remote_max_streams_bidi

    def is_discarded(self, stream_id: int) -> bool:
        """Whether both directions are over and acknowledged."""
        return self._stream_is_discarded(stream_id)

    def unacknowledged_bytes(self, stream_id: int) -> int:
        """What was written to the stream and not acknowledged, sent or not."""
        stream = self._streams.get(stream_id)
        if stream is None:
            return 0
        return stream.sender._buffer_stop - stream.sender._buffer_start

    def take(self, stream_id: int, size: int) -> bool:
        """Allow the other end `size` more bytes; True when that is worth a datagram now."""
        limit = self._local_max_data
        limit.value += size
        worth_telling = limit.value - limit.sent >= _CREDIT_STEP_BYTES
        stream = self._streams.get(stream_id)
        if stream is None or stream.receiver.is_finished:
            return worth_telling
        stream.max_stream_data_local += size
        return worth_telling or _has_news(stream)

    def take_connection(self, size: int) -> None:
        """Allow `size` more bytes on the connection, and none on the stream they came on."""
        self._local_max_data.value += size

    def undelivered_bytes(self, stream_id: int) -> int:
        """What a reset stream used of the connection's credit but will never deliver."""
        stream = self._streams.get(stream_id)
        if stream is None:
            return 0
        return stream.receiver.highest_offset - stream.receiver.starting_offset()

    def stop(self, stream_id: int, code: int) -> None:
        """Ask the other end to send no more on a stream; nothing happens when it is done."""
        stream = self._streams.get(stream_id)
        if stream is not None and not stream.receiver.is_finished:
            self.stop_stream(stream_id, code)

    def free_buffers(self) -> None:
        """Let go of what was received and sent; the connection must be over.

        The library's objects refer to each other in circles, so that they live on until Python's
        collector comes along, which may be long after thousands of them came and went.
        """
        for stream in self._streams.values():
            stream.receiver._buffer.clear()
            stream.sender._buffer.clear()
        self._events.clear()

    def _confirm_handshake(self) -> None:
        super()._confirm_handshake()
        # 48 KiB to write what we will never say again, and the keys that the secrets came from.
        self._crypto_buffers.clear()
        self.tls._ec_private_keys.clear()
        self.tls._x25519_private_key = None
        self.tls._x448_private_key = None

    def _write_connection_limits(
        self,
        builder: QuicPacketBuilder,
        space: QuicPacketSpace,  # noqa: ARG002 - the library's signature
    ) -> None:
        data = self._local_max_data
        if data.value - data.sent >= _CREDIT_STEP_BYTES:
            self._write_limit(builder, data)
        streams = self._local_max_streams_bidi
        # As the library does: wait until few are left to open, then allow all at once.
        if streams.value - streams.sent > streams.sent - streams.used:
            self._write_limit(builder, streams)

    def _write_limit(self, builder: QuicPacketBuilder, limit: Limit) -> None:
        frame = builder.start_frame(
            limit.frame_type,
            capacity=CONNECTION_LIMIT_FRAME_CAPACITY,
            handler=self._on_connection_limit_delivery,
            handler_args=(limit,),
        )
        frame.push_uint_var(limit.value)
        limit.sent = limit.value

    def _write_stream_limits(
        self,
        builder: QuicPacketBuilder,
        space: QuicPacketSpace,  # noqa: ARG002 - the library's signature
        stream: QuicStream,
    ) -> None:
        if stream.receiver.is_finished or not _has_news(stream):
            return
        frame = builder.start_frame(
            QuicFrameType.MAX_STREAM_DATA,
            capacity=MAX_STREAM_DATA_FRAME_CAPACITY,
            handler=self._on_max_stream_data_delivery,
            handler_args=(stream,),
        )
        assert stream.stream_id is not None
        frame.push_uint_var(stream.stream_id)
        frame.push_uint_var(stream.max_stream_data_local)
        stream.max_stream_data_local_sent = stream.max_stream_data_local

    def _handle_stream_frame(
        self, context: QuicReceiveContext, frame_type: int, buf: Buffer
    ) -> None:
        start = buf.tell()
        stream_id = buf.pull_uint_var()
        buf.seek(start)
        super()._handle_stream_frame(context, frame_type, buf)
        stream = self._streams.get(stream_id)
        if stream is not None:
            self._refuse_frame(stream, frame_type)

    def _refuse_frame(self, stream: QuicStream, frame_type: int) -> None:
        assert stream.stream_id is not None
        is_request = stream_is_client_initiated(stream.stream_id) != self._is_client
        most = MAX_REQUEST_GAPS if is_request else MAX_STREAM_GAPS
        _refuse_many_gaps(stream.receiver, most, frame_type)

    def _handle_crypto_frame(
        self, context: QuicReceiveContext, frame_type: int, buf: Buffer
    ) -> None:
        super()._handle_crypto_frame(context, frame_type, buf)
        receiver = self._crypto_streams[context.epoch].receiver
        _refuse_many_gaps(receiver, MAX_REQUEST_GAPS, frame_type)

    def _probe_preferred_address(self) -> None:
        """Does nothing: a peer is reached where it was dialled, not where it sends us."""


class _BurstPacer(QuicPacketPacer):
    """Lets a sender catch up on what it could have sent while the event loop slept."""

    def update_rate(self, congestion_window: int, smoothed_rtt: float) -> None:
        super().update_rate(congestion_window, smoothed_rtt)
        assert self.packet_time is not None
        burst_s = min(_BURST_S, _BURST_PACKETS * self.packet_time)
        self.bucket_max = max(self.bucket_max, burst_s)


def _has_news(stream: QuicStream) -> bool:
    return stream.max_stream_data_local - stream.max_stream_data_local_sent >= _CREDIT_STEP_BYTES


def _refuse_many_gaps(receiver: QuicStreamReceiver, most: int, frame_type: int) -> None:
    if len(receiver._ranges) <= most:
        return
    raise QuicConnectionError(
        error_code=QuicErrorCode.INTERNAL_ERROR,
        frame_type=frame_type,
        reason_phrase="Too many gaps in a stream",
    )
