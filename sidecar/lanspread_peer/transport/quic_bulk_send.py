"""The short way out for bulk data; like quic_internals, it leans on private parts of aioquic.

The library asks each stream for each packet what it has, and builds it field by field. Here a
stream that has plenty fills several packets of full length in a row, each with one STREAM frame.
All else, and what is left of each stream, is for the library.

Invariants: congestion window, pacing and flow control bound these packets as they bound the
library's; whatever else waits to be sent goes first, and no stream waits for longer than a run of
each other one. The packets of a run have one length, so that one system call may send them.
"""
# ruff: noqa: SLF001 - reaching into the library's objects is this module's purpose

from dataclasses import dataclass
from math import ceil

from aioquic.buffer import size_uint_var
from aioquic.quic.connection import QuicConnection, QuicNetworkPath
from aioquic.quic.crypto import CryptoPair
from aioquic.quic.packet import QuicPacketType
from aioquic.quic.packet_builder import QuicPacketBuilder, QuicSentPacket
from aioquic.quic.recovery import QuicPacketPacer
from aioquic.quic.stream import QuicStream
from aioquic.tls import Epoch

# Long enough that the calls for each run do not count, short enough that streams take turns within
# one congestion window.
_RUN_PACKETS = 16

# A short header with a packet number of two bytes, as the library writes it (RFC 9000 section
# 17.3.1), and a STREAM frame that has an offset and a length (section 19.8).
_FIXED_BIT = 0x40
_SPIN_BIT_SHIFT = 5
_PHASE_BIT_SHIFT = 2
_PACKET_NUMBER_BYTES = 2
_FRAME_TYPE = b"\x0e"
_LENGTH_BYTES = 2
# Forms of the variable-length integer (RFC 9000 section 16); one form for all offsets of a run.
_TWO_BYTES = 0x4000
_FOUR_BYTES = 0x8000_0000
_EIGHT_BYTES = 0xC000_0000_0000_0000
_FOUR_BYTES_LIMIT = 1 << 30

# RFC 9001 section 5.4.2: where the protected number and the sample for its mask are.
_SAMPLE_AT = 4 - _PACKET_NUMBER_BYTES
_SAMPLE_BYTES = 16
_PROTECTED_BITS = 0x1F


@dataclass(frozen=True, slots=True)
class _Run:
    """Bytes of one stream that fill so many packets."""

    stream: QuicStream
    start: int
    packets: int
    packet_bytes: int
    offset_bytes: int

    @property
    def stop(self) -> int:
        return self.start + self.packets * self.packet_bytes


class BulkSender(QuicConnection):
    """A connection that sends bulk data by the short way."""

    def _write_application(
        self, builder: QuicPacketBuilder, network_path: QuicNetworkPath, now: float
    ) -> None:
        if self._may_send_bulk(network_path):
            queue = self._streams_queue
            self._streams_queue = []
            try:
                super()._write_application(builder, network_path, now)
            finally:
                self._streams_queue = queue
            self._write_bulk(builder, now)
        super()._write_application(builder, network_path, now)

    def _may_send_bulk(self, network_path: QuicNetworkPath) -> bool:
        return (
            self._handshake_confirmed
            and network_path.is_validated
            # A probe carries data where there is some, in the library's one packet.
            and not self._probe_pending
            and not self._cryptos[Epoch.ONE_RTT]._update_key_requested
            and any(_has_plenty(stream, self._max_datagram_size) for stream in self._streams_queue)
        )

    def _write_bulk(self, builder: QuicPacketBuilder, now: float) -> None:
        if builder._packet is not None:
            # An empty one is cancelled by this, and a begun one completed.
            builder._end_packet()
        assert builder.max_flight_bytes is not None
        room = (builder.max_flight_bytes - builder._flight_bytes) // self._max_datagram_size
        pacer = self._loss._pacer
        while (most := min(room, _RUN_PACKETS, _due_packets(pacer, now))) > 0:
            run = self._next_run(most)
            if run is None:
                return
            self._build(builder, run)
            _note_sent(pacer, run.packets)
            room -= run.packets

    def _next_run(self, most: int) -> _Run | None:
        """A run of the stream that waited longest, which then waits behind the others."""
        for stream in self._streams_queue:
            run = self._run_of(stream, most)
            if run is not None:
                self._streams_queue.remove(stream)
                self._streams_queue.append(stream)
                return run
        return None

    def _run_of(self, stream: QuicStream, most: int) -> _Run | None:
        """What the stream has, and may send, of full packets; its end is left to the library."""
        sender = stream.sender
        if not _has_plenty(stream, self._max_datagram_size):
            return None
        pending = sender._pending[0]
        credit = sender.highest_offset + self._remote_max_data - self._remote_max_data_used
        stop = min(pending.stop, credit, stream.max_stream_data_remote)
        assert stream.stream_id is not None
        offset_bytes = 4 if stop < _FOUR_BYTES_LIMIT else 8
        header_bytes = 1 + len(self._peer_cid.cid) + _PACKET_NUMBER_BYTES
        frame_bytes = 1 + size_uint_var(stream.stream_id) + offset_bytes + _LENGTH_BYTES
        tag_bytes = self._cryptos[Epoch.ONE_RTT].aead_tag_size
        packet_bytes = self._max_datagram_size - header_bytes - frame_bytes - tag_bytes
        packets = min(most, (stop - pending.start) // packet_bytes)
        if packets <= 0:
            return None
        return _Run(stream, pending.start, packets, packet_bytes, offset_bytes)

    def _build(self, builder: QuicPacketBuilder, run: _Run) -> None:
        crypto = self._cryptos[Epoch.ONE_RTT]
        sender = run.stream.sender
        first_byte = (
            _FIXED_BIT
            | self._spin_bit << _SPIN_BIT_SHIFT
            | crypto.key_phase << _PHASE_BIT_SHIFT
            | _PACKET_NUMBER_BYTES - 1
        )
        header_start = bytes([first_byte]) + self._peer_cid.cid
        frame_start = _FRAME_TYPE + _integer(run.stream.stream_id or 0)
        length = (run.packet_bytes | _TWO_BYTES).to_bytes(_LENGTH_BYTES, "big")
        form = _FOUR_BYTES if run.offset_bytes == 4 else _EIGHT_BYTES
        number = builder._packet_number
        with memoryview(sender._buffer) as view:
            for start in range(run.start, run.stop, run.packet_bytes):
                stop = start + run.packet_bytes
                at = start - sender._buffer_start
                offset = (start | form).to_bytes(run.offset_bytes, "big")
                data = view[at : at + run.packet_bytes]
                builder._datagrams.append(
                    _protect(
                        crypto,
                        header_start + (number & 0xFFFF).to_bytes(_PACKET_NUMBER_BYTES, "big"),
                        b"".join((frame_start, offset, length, data)),
                        number,
                    )
                )
                data.release()
                builder._packets.append(
                    QuicSentPacket(
                        epoch=Epoch.ONE_RTT,
                        in_flight=True,
                        is_ack_eliciting=True,
                        is_crypto_packet=False,
                        packet_number=number,
                        packet_type=QuicPacketType.ONE_RTT,
                        sent_bytes=self._max_datagram_size,
                        delivery_handlers=[(sender.on_data_delivery, (start, stop, False))],
                    )
                )
                number += 1
        builder._packet_number = number
        builder._flight_bytes += run.packets * self._max_datagram_size
        builder._total_bytes += run.packets * self._max_datagram_size
        sender._pending.subtract(run.start, run.stop)
        newly = max(0, run.stop - sender.highest_offset)
        sender.highest_offset += newly
        self._remote_max_data_used += newly


def _has_plenty(stream: QuicStream, size: int) -> bool:
    """Whether a stream has a datagram's worth to send, and nothing but data."""
    sender = stream.sender
    if sender.buffer_is_empty or not len(sender._pending):
        return False
    if stream.is_blocked or stream.receiver.stop_pending:
        return False
    pending = sender._pending[0]
    return pending.stop - pending.start >= size


def _protect(crypto: CryptoPair, header: bytes, payload: bytes, number: int) -> bytes:
    """A whole packet: encryption and header protection (RFC 9001 sections 5.3 and 5.4)."""
    send = crypto.send
    assert send.aead is not None
    assert send.hp is not None
    sealed = send.aead.encrypt(payload, header, number)
    mask = send.hp._mask(sealed[_SAMPLE_AT : _SAMPLE_AT + _SAMPLE_BYTES])
    first_byte = header[0] ^ (mask[0] & _PROTECTED_BITS)
    high, low = header[-2] ^ mask[1], header[-1] ^ mask[2]
    return b"%c%b%c%c%b" % (first_byte, header[1:-2], high, low, sealed)


def _due_packets(pacer: QuicPacketPacer, now: float) -> int:
    """How many packets the pacer lets go now."""
    if pacer.packet_time is None:
        return _RUN_PACKETS
    pacer.update_bucket(now)
    return ceil(pacer.bucket_time / pacer.packet_time)


def _note_sent(pacer: QuicPacketPacer, packets: int) -> None:
    if pacer.packet_time is not None:
        pacer.bucket_time = max(0.0, pacer.bucket_time - packets * pacer.packet_time)


def _integer(value: int) -> bytes:
    """A variable-length integer (RFC 9000 section 16)."""
    size = size_uint_var(value)
    return (value | (size.bit_length() - 1) << (8 * size - 2)).to_bytes(size, "big")
