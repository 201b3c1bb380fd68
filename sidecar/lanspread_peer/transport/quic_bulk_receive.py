"""The short way in for bulk data; like quic_internals, it leans on private parts of aioquic.

Nearly all that a downloader receives are short packets with one STREAM frame of a known stream, on
the path and under the keys that are settled. The library spends most of its time on what such a
packet cannot be. Here only that one kind is taken in; all else is left untouched to the library.

Invariant: a packet that is taken in here leaves the connection exactly as the library would have.
"""
# ruff: noqa: SLF001 - reaching into the library's objects is this module's purpose

from aioquic._buffer import Buffer, BufferReadError
from aioquic._crypto import CryptoError
from aioquic.buffer import UINT_VAR_MAX
from aioquic.quic.connection import (
    NetworkAddress,
    QuicConnection,
    QuicConnectionError,
    QuicConnectionState,
)
from aioquic.quic.crypto import CryptoContext, CryptoPair
from aioquic.quic.packet import QuicStreamFrame, decode_packet_number
from aioquic.quic.recovery import MAX_ACK_RANGES, QuicPacketSpace
from aioquic.quic.stream import FinalSizeError, QuicStream
from aioquic.tls import Epoch

# RFC 9000 section 17.3.1 and RFC 9001 section 5.4.2: the bits of a short header, the bytes that
# its protection is made from, and where they are when the packet number has its longest form.
_FORM_AND_FIXED_BIT = 0xC0
_FIXED_BIT = 0x40
_PROTECTED_BITS = 0x1F
_RESERVED_AND_PHASE_BITS = 0x1C
_SPIN_BIT_SHIFT = 5
_PHASE_BIT_SHIFT = 2
_LONGEST_PACKET_NUMBER = 4
_SAMPLE_BYTES = 16

# RFC 9000 section 19.8: the types of a STREAM frame, and what their lowest bits tell.
_STREAM_TYPES = 0xF8
_STREAM_BASE = 0x08
_HAS_OFFSET = 4
_HAS_LENGTH = 2
_HAS_END = 1


class BulkReceiver(QuicConnection):
    """A connection that takes in bulk data by the short way."""

    # The keys and the packet numbers that stay once the handshake is over.
    _settled: tuple[CryptoPair, QuicPacketSpace] | None = None

    def receive_datagram(self, data: bytes, addr: NetworkAddress, now: float) -> None:
        if not self._receive_bulk(data, addr, now):
            super().receive_datagram(data, addr, now)

    def _refuse_frame(self, stream: QuicStream, frame_type: int) -> None:
        """Raise QuicConnectionError for a frame that made the stream worse than it may be."""

    def _receive_bulk(self, data: bytes, addr: NetworkAddress, now: float) -> bool:
        """Whether the datagram needs no more attention."""
        settled = self._settled or self._settle()
        if settled is None or not self._is_plain(data, addr):
            return False
        crypto, space = settled
        opened = self._open(data, crypto.recv, space.expected_packet_number)
        if opened is None:
            return False
        first_byte, packet_number, payload = opened
        if payload[0] & _STREAM_TYPES != _STREAM_BASE:
            return False
        if packet_number in space.received_packets:
            return True
        try:
            if not self._take_stream_frame(payload):
                return False
        except QuicConnectionError as error:
            self._note_number(space, first_byte, packet_number)
            self.close(error.error_code, error.frame_type, error.reason_phrase)
            return True
        self._note_number(space, first_byte, packet_number)
        self._note_arrival(space, packet_number, now)
        return True

    def _settle(self) -> tuple[CryptoPair, QuicPacketSpace] | None:
        """What all packets after the handshake share; None before that."""
        if not self._handshake_confirmed or self._cryptos[Epoch.ZERO_RTT].recv.is_valid():
            return None
        self._settled = (self._cryptos[Epoch.ONE_RTT], self._spaces[Epoch.ONE_RTT])
        return self._settled

    def _is_plain(self, data: bytes, addr: NetworkAddress) -> bool:
        """Whether this is a short packet on the one path, and nothing unusual is going on."""
        path = self._network_paths[0]
        number_at = 1 + len(self.host_cid)
        return (
            self._state is QuicConnectionState.CONNECTED
            and len(data) >= number_at + _LONGEST_PACKET_NUMBER + _SAMPLE_BYTES
            and data[0] & _FORM_AND_FIXED_BIT == _FIXED_BIT
            and data[1:number_at] == self.host_cid
            and path.is_validated
            and path.addr == addr
            and self._close_event is None
        )

    def _open(
        self, data: bytes, crypto: CryptoContext, expected: int
    ) -> tuple[int, int, bytes] | None:
        """The first byte, the packet number and the payload; None for what the library must see."""
        assert crypto.hp is not None
        assert crypto.aead is not None
        number_at = 1 + len(self.host_cid)
        sample_at = number_at + _LONGEST_PACKET_NUMBER
        mask = crypto.hp._mask(data[sample_at : sample_at + _SAMPLE_BYTES])
        first_byte = data[0] ^ (mask[0] & _PROTECTED_BITS)
        if first_byte & _RESERVED_AND_PHASE_BITS != crypto.key_phase << _PHASE_BIT_SHIFT:
            return None
        length = (first_byte & 3) + 1
        payload_at = number_at + length
        truncated = int.from_bytes(data[number_at:payload_at], "big") ^ int.from_bytes(
            mask[1 : 1 + length], "big"
        )
        header = b"%c%b%b" % (first_byte, data[1:number_at], truncated.to_bytes(length, "big"))
        packet_number = decode_packet_number(truncated, length * 8, expected)
        try:
            payload = crypto.aead.decrypt(data[payload_at:], header, packet_number)
        except CryptoError:
            return None
        return (first_byte, packet_number, payload) if payload else None

    def _take_stream_frame(self, payload: bytes) -> bool:
        """Hand out one STREAM frame that fills the packet; False, and nothing done, for others."""
        frame_type = payload[0]
        buffer = Buffer(data=payload)
        try:
            buffer.pull_uint8()
            stream_id = buffer.pull_uint_var()
            offset = buffer.pull_uint_var() if frame_type & _HAS_OFFSET else 0
            rest = len(payload)
            length = buffer.pull_uint_var() if frame_type & _HAS_LENGTH else rest - buffer.tell()
            data = buffer.pull_bytes(length)
        except BufferReadError:
            return False
        stream = self._streams.get(stream_id)
        end = offset + length
        if stream is None or not buffer.eof() or end > UINT_VAR_MAX:
            return False
        receiver = stream.receiver
        used = self._local_max_data.used + max(0, end - receiver.highest_offset)
        if end > stream.max_stream_data_local or used > self._local_max_data.value:
            return False
        frame = QuicStreamFrame(data=data, fin=bool(frame_type & _HAS_END), offset=offset)
        try:
            event = receiver.handle_frame(frame)
        except FinalSizeError:
            return False
        if event is not None:
            self._events.append(event)
        self._local_max_data.used = used
        self._refuse_frame(stream, frame_type)
        return True

    def _note_number(self, space: QuicPacketSpace, first_byte: int, packet_number: int) -> None:
        if packet_number > space.expected_packet_number:
            space.expected_packet_number = packet_number + 1
        if packet_number > self._spin_highest_pn:
            spin_bit = bool(first_byte >> _SPIN_BIT_SHIFT & 1)
            self._spin_bit = spin_bit != self._is_client
            self._spin_highest_pn = packet_number

    def _note_arrival(self, space: QuicPacketSpace, packet_number: int, now: float) -> None:
        self._close_at = now + self._idle_timeout()
        self._ack_eliciting_sent_since_receipt = False
        if packet_number > space.largest_received_packet:
            space.largest_received_packet = packet_number
            space.largest_received_time = now
        space.ack_queue.add(packet_number)
        space.received_packets.add(packet_number)
        if len(space.ack_queue) > MAX_ACK_RANGES:
            space.ack_queue.shift()
        if space.ack_at is None:
            space.ack_at = now + self._ack_delay
