"""When what came is acknowledged; like quic_internals, it leans on private parts of aioquic.

The library acknowledges after a millisecond, in a datagram of its own, even if data goes the same
way a moment later. Of two ends that tell each other a little, ten times a second, each thus makes
and takes in twice the datagrams, and for both that is Python. Here a packet that came alone waits
for one of ours to carry its acknowledgement; as soon as a second one comes, both have it as fast
as the library gives it, so that a stream of data flows as before.
"""

from aioquic._buffer import Buffer
from aioquic.quic.connection import NetworkAddress, QuicNetworkPath
from aioquic.quic.packet import pull_quic_transport_parameters, push_quic_transport_parameters
from aioquic.quic.packet_builder import QuicPacketBuilder
from aioquic.tls import Epoch

from lanspread_peer.transport.quic_bulk_receive import BulkReceiver
from lanspread_peer.transport.quic_bulk_send import BulkSender

# As long as news of chunks is collected at most (core/chunk_news.py): by then there mostly is
# something to say. A lost packet is sent again so much later, if it was the last one; of all others
# the packets after them tell.
_ALONE_S = 0.1
# What the other end allows for before it takes a packet for lost (RFC 9000 section 18.2): the same,
# and a busy event loop.
_LONGEST_MS = 125


class PatientConnection(BulkReceiver, BulkSender):
    """A connection that does not answer every packet by a packet."""

    def receive_datagram(self, data: bytes, addr: NetworkAddress, now: float) -> None:
        space = self._spaces[Epoch.ONE_RTT] if self._handshake_confirmed else None
        before = space.ack_at if space is not None else None
        packets = 0 if space is None else space.expected_packet_number
        super().receive_datagram(data, addr, now)
        if space is None or space.ack_at is None:
            return
        if before is None:
            space.ack_at = now + _ALONE_S
        elif space.expected_packet_number != packets:
            space.ack_at = min(before, now + self._ack_delay)

    def _write_application(
        self, builder: QuicPacketBuilder, network_path: QuicNetworkPath, now: float
    ) -> None:
        space = self._spaces[Epoch.ONE_RTT]
        # Full packets go without it, as a run of them has one length.
        if (
            space.ack_at is not None
            and not self._may_send_bulk(network_path)
            and any(not stream.sender.buffer_is_empty for stream in self._streams_queue)
        ):
            space.ack_at = min(space.ack_at, now)
        super()._write_application(builder, network_path, now)

    def _serialize_transport_parameters(self) -> bytes:
        parameters = pull_quic_transport_parameters(
            Buffer(data=super()._serialize_transport_parameters())
        )
        parameters.max_ack_delay = _LONGEST_MS
        buffer = Buffer(capacity=3 * self._max_datagram_size)
        push_quic_transport_parameters(buffer, parameters)
        return buffer.data
