"""Damaged datagrams, before and behind the encryption, end a connection at most."""

import asyncio
import socket
from contextlib import suppress
from random import Random
from typing import Any

import pytest
from aioquic.quic.connection import QuicConnection
from aioquic.quic.events import StreamDataReceived
from aioquic.tls import Epoch

from lanspread_peer.core.offences import Offences
from lanspread_peer.model.errors import LanspreadError
from lanspread_peer.model.limits import MAX_CONNECTIONS
from lanspread_peer.transport.base import Connection, Stream
from lanspread_peer.transport.credentials import Credentials
from lanspread_peer.transport.quic_admission import Admission, Admit, Answer, destination_of
from lanspread_peer.transport.quic_endpoint import QuicTransport
from lanspread_peer.transport.udp_segments import SocketAddress
from support.long_form import long_form
from support.mutations import mutated
from support.quic_pair import SERVER_ADDRESS, configuration, drain, make_key

_SMALLEST_INITIAL = 1200
# So that the server's connections, which live on until their deadline, do not use up the limit.
_PER_TRANSPORT = 60


class _Wire:
    """Stands where a UDP socket is, and keeps what the server sends, by address."""

    family = socket.AF_INET
    port = 1

    def __init__(self) -> None:
        self.sent: list[tuple[bytes, SocketAddress]] = []

    def send(self, datagrams: list[tuple[bytes, SocketAddress]]) -> None:
        self.sent += datagrams

    def close(self) -> None:
        self.sent.clear()


class _Server:
    """An endpoint of ours that is handed its datagrams; every stream is read and answered."""

    def __init__(self) -> None:
        self.wire = _Wire()
        # It needs no more of a socket than this one has.
        wires: list[Any] = [self.wire]
        self.transport = QuicTransport(wires, Credentials(make_key()), _answer, None, Offences())
        self._callers = 0

    def caller(self) -> "_Caller":
        self._callers += 1
        return _Caller(self, (f"192.0.2.{self._callers}", 5000))

    def receive(self, datagrams: list[tuple[bytes, SocketAddress]]) -> None:
        self.transport._receive(self.wire, datagrams)  # type: ignore[arg-type]
        assert self.transport.connection_count <= MAX_CONNECTIONS


class _Caller:
    """A client of the library's own, at an address of its own."""

    def __init__(self, server: _Server, address: SocketAddress) -> None:
        self._server = server
        self._address = address
        self._loop = asyncio.get_running_loop()
        self.quic = QuicConnection(configuration=configuration(is_client=True))
        self.quic.connect(SERVER_ADDRESS, now=self._loop.time())

    def outgoing(self) -> list[bytes]:
        return [data for data, _ in self.quic.datagrams_to_send(now=self._loop.time())]

    def send(self, datagrams: list[bytes]) -> None:
        self._server.receive([(datagram, self._address) for datagram in datagrams])

    def take_answers(self) -> None:
        mine = [data for data, to in self._server.wire.sent if to == self._address]
        self._server.wire.sent.clear()
        for datagram in mine:
            self.quic.receive_datagram(datagram, SERVER_ADDRESS, now=self._loop.time())

    def exchange(self) -> None:
        """Both ways, until the handshake is over."""
        for _ in range(6):
            self.send(self.outgoing())
            self.take_answers()

    @property
    def is_connected(self) -> bool:
        return self.quic._handshake_confirmed


async def _answer(_connection: Connection, stream: Stream) -> None:
    with suppress(LanspreadError):
        while await stream.receive():
            pass
        await stream.send(b"answer", end=True)


def _damage_frames(quic: QuicConnection, rng: Random, seeds: list[bytes]) -> None:
    """From now on its packets are sound and encrypted, but what they hold is not."""
    pair = quic._cryptos[Epoch.ONE_RTT]
    encrypt = pair.encrypt_packet

    def encrypt_damaged(plain_header: bytes, plain_payload: bytes, packet_number: int) -> bytes:
        damaged = mutated(rng, [plain_payload, plain_payload, *seeds])[: len(plain_payload) + 40]
        # Enough for what encryption takes a sample of.
        return encrypt(plain_header, damaged.ljust(8, b"\0"), packet_number)

    pair.encrypt_packet = encrypt_damaged  # type: ignore[method-assign]


# One of each kind of frame, its numbers small (RFC 9000 section 19).
_FRAMES = [
    bytes([kind]) + body
    for kind in (*range(0x1F), 0x30, 0x31, 0x40)
    for body in (b"", b"\x00\x00\x00\x00", b"\x04\x01\x08aaaaaaaa", b"\xc0" + b"\xff" * 20)
]


@pytest.mark.scales
async def test_damaged_first_datagrams_are_ignored_answered_shortly_or_admitted() -> None:
    rng = Random(1)
    server = _Server()
    seeds = [server.caller().outgoing()[0] for _ in range(20)]
    tries = long_form(short=500, long=100_000)
    admission = Admission(Offences())
    for _ in range(tries):
        datagram = mutated(rng, seeds)
        if rng.random() < 0.8:
            datagram = datagram.ljust(_SMALLEST_INITIAL, b"\0")
        destination_of(datagram)
        verdict = admission.judge(datagram, ("192.0.2.1", 1), now=0.0)
        assert verdict is None or isinstance(verdict, Answer | Admit)
        if isinstance(verdict, Answer):
            assert len(verdict.datagram) <= len(datagram)
    await server.transport.close()
    print(f"{tries} damaged first datagrams, no crash")


@pytest.mark.scales
async def test_damaged_handshakes_cost_nobody_else_a_connection() -> None:
    rng = Random(2)
    tries = long_form(short=60, long=6000)
    for start in range(0, tries, _PER_TRANSPORT):
        server = _Server()
        for _ in range(min(_PER_TRANSPORT, tries - start)):
            caller = server.caller()
            for _ in range(rng.randint(1, 4)):
                honest = caller.outgoing()
                caller.send(
                    [mutated(rng, [data]) if rng.random() < 0.5 else data for data in honest]
                )
                with suppress(Exception):
                    caller.take_answers()
        honest_caller = server.caller()
        honest_caller.exchange()
        assert honest_caller.is_connected
        await server.transport.close()
    print(f"{tries} damaged handshakes, no crash")


@pytest.mark.scales
async def test_damaged_frames_of_a_peer_end_its_own_connection_at_most() -> None:
    rng = Random(3)
    tries = long_form(short=60, long=3000)
    packets = 0
    for start in range(0, tries, _PER_TRANSPORT):
        server = _Server()
        witness = server.caller()
        witness.exchange()
        for _ in range(min(_PER_TRANSPORT, tries - start)):
            caller = server.caller()
            caller.exchange()
            assert caller.is_connected
            _damage_frames(caller.quic, rng, _FRAMES)
            packets += await _send_requests(caller, rng)
        assert await _is_answered(witness)
        await server.transport.close()
    print(f"{packets} packets with damaged frames on {tries} connections, no crash")


async def _send_requests(caller: _Caller, rng: Random) -> int:
    packets = 0
    for _ in range(10):
        stream = caller.quic.get_next_available_stream_id()
        caller.quic.send_stream_data(stream, b"request" * rng.randint(1, 50), end_stream=True)
        datagrams = caller.outgoing()
        caller.send(datagrams)
        packets += len(datagrams)
        await asyncio.sleep(0)
        with suppress(Exception):
            caller.take_answers()
    return packets


async def _is_answered(caller: _Caller) -> bool:
    stream = caller.quic.get_next_available_stream_id()
    caller.quic.send_stream_data(stream, b"request", end_stream=True)
    for _ in range(10):
        caller.send(caller.outgoing())
        await asyncio.sleep(0)
        caller.take_answers()
    ends = (event for event in drain(caller.quic) if isinstance(event, StreamDataReceived))
    return any(event.stream_id == stream and event.end_stream for event in ends)
