"""The short way in and the library's own way, side by side on the same datagrams."""

from random import Random
from typing import Any

import pytest
from aioquic.quic.connection import QuicConnection
from aioquic.quic.packet import QuicErrorCode
from aioquic.quic.recovery import MAX_ACK_RANGES
from aioquic.tls import CipherSuite, Epoch

from lanspread_peer.model.limits import KIB, MAX_STREAM_GAPS
from lanspread_peer.transport.quic_bulk_send import _protect
from lanspread_peer.transport.quic_internals import CreditedConnection
from support.quic_pair import (
    CLIENT_ADDRESS,
    SERVER_ADDRESS,
    QuicPair,
    drain,
    received_bytes,
    scatter,
)

STREAMS = (0, 4, 8)


class Twins:
    """Two clients of ours in one state and under one key; one of them knows no short way."""

    def __init__(self) -> None:
        self.pair = QuicPair(stock_server=True)
        self.short, self.plain = self._asking(self.pair), self._asking(QuicPair(stock_server=True))
        self.taken = 0
        self._share_keys()
        take = self.short._receive_bulk

        def counted(data: bytes, addr: Any, now: float) -> bool:
            is_taken = take(data, addr, now)
            self.taken += is_taken
            return is_taken

        self.short._receive_bulk = counted  # type: ignore[method-assign]
        self.plain._receive_bulk = lambda *_: False  # type: ignore[method-assign]

    def receive(self, datagram: bytes, address: tuple[str, int] = SERVER_ADDRESS) -> None:
        """Give both the same datagram; they must be as alike afterwards as before."""
        self.short.receive_datagram(datagram, address, now=self.pair.now)
        self.plain.receive_datagram(datagram, address, now=self.pair.now)
        assert state_of(self.short) == state_of(self.plain)

    def transmit(self, *, heard: bool = True) -> None:
        """Let both answer; the server hears one of them."""
        answers = self.short.datagrams_to_send(now=self.pair.now)
        self.plain.datagrams_to_send(now=self.pair.now)
        for datagram, _ in answers if heard else []:
            self.pair.server.receive_datagram(datagram, CLIENT_ADDRESS, now=self.pair.now)
        self.pair.now += 0.002

    def from_server(self) -> list[bytes]:
        self.pair.elapse(0.0)
        due = self.plain.get_timer()
        if due is not None and due <= self.pair.now:
            self.plain.handle_timer(now=self.pair.now)
        return [data for data, _ in self.pair.server.datagrams_to_send(now=self.pair.now)]

    def _asking(self, pair: QuicPair) -> CreditedConnection:
        for stream_id in STREAMS:
            pair.client.send_stream_data(stream_id, b"please", end_stream=True)
        pair.exchange()
        drain(pair.client)
        assert isinstance(pair.client, CreditedConnection)
        return pair.client

    def _share_keys(self) -> None:
        self.plain._cryptos[Epoch.ONE_RTT] = self.short._cryptos[Epoch.ONE_RTT]
        self.plain.host_cid = self.short.host_cid
        self.plain._host_cids = list(self.short._host_cids)


def state_of(end: QuicConnection) -> dict[str, Any]:
    """All that a packet of stream data can change."""
    space = end._spaces[Epoch.ONE_RTT]
    window = space.received_packets
    return {
        "end": end.termination if isinstance(end, CreditedConnection) else None,
        "timers": (end._close_at, end._ack_eliciting_sent_since_receipt, space.ack_at),
        "spin": (end._spin_bit, end._spin_highest_pn),
        "credit": end._local_max_data.used,
        "expected": space.expected_packet_number,
        "largest": (space.largest_received_packet, space.largest_received_time),
        "to acknowledge": list(space.ack_queue),
        "seen": {number for number in window._received if number >= window._lower},
        "events": list(end._events),
        "streams": {
            stream_id: (
                stream.receiver.highest_offset,
                stream.receiver.is_finished,
                stream.receiver._final_size,
                stream.receiver._buffer_start,
                bytes(stream.receiver._buffer),
                list(stream.receiver._ranges),
            )
            for stream_id, stream in end._streams.items()
        },
    }


def damaged(datagram: bytes, random: Random) -> bytes:
    at = random.randrange(len(datagram))
    if random.random() < 0.3:
        return datagram[:at]
    return datagram[:at] + bytes([datagram[at] ^ 1 << random.randrange(8)]) + datagram[at + 1 :]


def disordered(datagrams: list[bytes], random: Random) -> list[bytes]:
    """What a bad network makes of them: lost, doubled, damaged, out of order."""
    arriving: list[bytes] = []
    for datagram in datagrams:
        if random.random() < 0.05:
            continue
        arriving.append(datagram)
        if random.random() < 0.1:
            arriving.append(damaged(datagram, random))
        if random.random() < 0.1:
            arriving.insert(random.randrange(len(arriving)), datagram)
        if random.random() < 0.1:
            arriving[-2:] = reversed(arriving[-2:])
    return arriving


@pytest.mark.parametrize("seed", range(8))
def test_both_ways_leave_the_same_behind_whatever_the_network_does(seed: int) -> None:
    random = Random(seed)
    twins = Twins()
    assert state_of(twins.short) == state_of(twins.plain)
    for stream_id in STREAMS:
        twins.pair.server.send_stream_data(stream_id, random.randbytes(60 * KIB), end_stream=True)
    arrived = 0
    earlier: list[bytes] = []
    for turn in range(400):
        if turn == 20 and seed % 2:
            twins.pair.server.reset_stream(STREAMS[-1], 7)
        datagrams = disordered(twins.from_server(), random)
        if earlier and turn % 10 == 0:
            datagrams.insert(0, random.choice(earlier))
        earlier += datagrams
        arrived += len(datagrams)
        for datagram in datagrams:
            twins.receive(datagram)
        twins.transmit(heard=random.random() < 0.9)
    for stream_id in STREAMS[:2]:
        assert twins.short._streams.get(stream_id) is None
    assert twins.taken > arrived / 2


def hostile(twins: Twins) -> QuicConnection:
    server = twins.pair.server
    server._loss._cc.congestion_window = 1 << 30
    server._remote_max_data = 1 << 40
    for stream_id in STREAMS:
        server._streams[stream_id].max_stream_data_remote = 1 << 40
    return server


def test_both_refuse_bytes_beyond_the_credit() -> None:
    twins = Twins()
    hostile(twins).send_stream_data(0, bytes(2 << 20))
    while twins.short.termination is None:
        for datagram in twins.from_server():
            twins.receive(datagram)
        twins.transmit()
    assert twins.short.termination.error_code == QuicErrorCode.FLOW_CONTROL_ERROR


def test_both_refuse_bytes_beyond_the_credit_of_the_connection() -> None:
    twins = Twins()
    for client in (twins.short, twins.plain):
        client._streams[0].max_stream_data_local = 1 << 40
        client._local_max_data.value = 500 * KIB
    hostile(twins).send_stream_data(0, bytes(600 * KIB))
    while twins.short.termination is None:
        for datagram in twins.from_server():
            twins.receive(datagram)
        twins.transmit()
    assert twins.short.termination.error_code == QuicErrorCode.FLOW_CONTROL_ERROR


def test_both_remember_as_few_gaps_between_packets() -> None:
    twins = Twins()
    hostile(twins).send_stream_data(0, bytes(500 * KIB))
    datagrams: list[bytes] = []
    while len(datagrams) < 300:
        datagrams += twins.from_server()
        twins.pair.now += 0.002
    for datagram in datagrams[::2]:
        twins.receive(datagram)
    assert len(twins.short._spaces[Epoch.ONE_RTT].ack_queue) == MAX_ACK_RANGES
    for datagram in datagrams:
        twins.receive(datagram)
    assert twins.taken > 150


def test_both_refuse_a_packet_with_reserved_bits() -> None:
    twins = Twins()
    server = twins.pair.server
    number = server._packet_number
    crypto = server._cryptos[Epoch.ONE_RTT]
    first_byte = 0x41 | crypto.key_phase << 2 | 0x18
    header = bytes([first_byte]) + server._peer_cid.cid + number.to_bytes(2, "big")
    twins.receive(_protect(crypto, header, b"\x08\x00" + bytes(50), number))
    assert twins.short.termination is not None
    assert twins.short.termination.error_code == QuicErrorCode.PROTOCOL_VIOLATION


def test_both_refuse_bytes_beyond_the_end() -> None:
    twins = Twins()
    server = hostile(twins)
    server.send_stream_data(0, bytes(1000), end_stream=True)
    held = twins.from_server()
    server._streams[0].sender._buffer_fin = None
    server._streams[0].sender.is_finished = False
    server.send_stream_data(0, bytes(1000))
    for datagram in held + twins.from_server():
        twins.receive(datagram)
    assert twins.short.termination is not None
    assert twins.short.termination.error_code == QuicErrorCode.FINAL_SIZE_ERROR


def test_both_refuse_a_stream_in_too_many_bits() -> None:
    twins = Twins()
    server = hostile(twins)
    server.send_stream_data(0, b"")
    scatter(server._streams[0].sender, MAX_STREAM_GAPS + 1)
    while twins.short.termination is None:
        for datagram in twins.from_server():
            twins.receive(datagram)
        twins.transmit()
    assert twins.taken > MAX_STREAM_GAPS / 2


def test_both_take_nothing_from_another_address() -> None:
    twins = Twins()
    twins.pair.server.send_stream_data(0, bytes(5000))
    for datagram in twins.from_server():
        twins.receive(datagram, ("192.0.2.99", 9))
    assert received_bytes(twins.short) == 0
    assert twins.taken == 0


def test_both_take_nothing_once_the_connection_is_being_closed() -> None:
    twins = Twins()
    twins.pair.server.send_stream_data(0, bytes(5000))
    twins.short.close()
    twins.plain.close()
    for datagram in twins.from_server():
        twins.receive(datagram)
    assert twins.taken == 0


@pytest.mark.parametrize(
    "cipher", [CipherSuite.AES_128_GCM_SHA256, CipherSuite.CHACHA20_POLY1305_SHA256]
)
def test_keys_may_change_on_the_way_under_every_cipher(cipher: CipherSuite) -> None:
    pair = QuicPair(stock_server=True, cipher=cipher)
    pair.client.send_stream_data(0, b"please", end_stream=True)
    pair.exchange()
    drain(pair.client)
    received = 0
    for _ in range(3):
        pair.server.send_stream_data(0, bytes(100 * KIB))
        pair.exchange()
        received += received_bytes(pair.client)
        pair.server.request_key_update()
    assert received == 300 * KIB
