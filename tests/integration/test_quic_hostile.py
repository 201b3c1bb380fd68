"""What strangers send to the port: junk, floods of handshakes, and streams without number."""

import asyncio
import random
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from aioquic.asyncio.client import connect
from aioquic.quic.connection import QuicConnection

from lanspread_peer.model.errors import ConnectionLost
from lanspread_peer.model.limits import (
    MAX_CONNECTIONS,
    MAX_STREAMS_PER_CONNECTION,
    MAX_UNAUTHENTICATED_PER_ADDRESS,
    MAX_UNPROVEN_HANDSHAKES_PER_ADDRESS,
)
from lanspread_peer.model.peer import Address
from lanspread_peer.transport import quic_admission, quic_endpoint
from lanspread_peer.transport.base import Connection, Stream
from support.quic_pair import configuration
from support.quic_party import LOOPBACK, ask, echo, party, receive_all, until


@contextmanager
def stranger(host: str = LOOPBACK) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened:
        opened.bind((host, 0))
        yield opened


def initial() -> bytes:
    client = QuicConnection(configuration=configuration(is_client=True))
    client.connect((LOOPBACK, 1), now=0.0)
    return next(datagram for datagram, _ in client.datagrams_to_send(now=0.0))


async def test_junk_and_damaged_datagrams_disturb_nobody() -> None:
    chance = random.Random(5)
    genuine = initial()
    async with party() as made:
        server = made.open()
        connection = await made.open().dial(Address(LOOPBACK, server.port), None)
        own_id = next(key for key, of in server._routes.items() if of in server._connections)
        with stranger() as junk:
            for _ in range(400):
                damaged = bytearray(genuine)
                for _ in range(chance.randrange(1, 4)):
                    damaged[chance.randrange(len(damaged))] = chance.randrange(256)
                for datagram in (
                    chance.randbytes(chance.randrange(1500)),
                    bytes(damaged),
                    genuine[: chance.randrange(len(genuine))],
                    b"\x40" + own_id + chance.randbytes(40),
                    b"\xc0\x00\x00\x00\x01\x08" + own_id + chance.randbytes(1300),
                ):
                    junk.sendto(datagram, (LOOPBACK, server.port))
                assert await ask(connection, b"still there") == b"still there"


async def test_a_fault_of_the_library_costs_only_its_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with party() as made:
        server, client = made.open(), made.open()
        here = Address(LOOPBACK, server.port)
        victim, other = await client.dial(here, None), await client.dial(here, None)
        await until(lambda: len(made.accepted) == 2)

        def fault(*_: object, **__: object) -> None:
            raise AssertionError

        monkeypatch.setattr(victim._quic, "receive_datagram", fault)
        stream = victim.open_stream()
        await stream.send(b"x", end=True)
        with pytest.raises(ConnectionLost):
            await stream.receive()
        assert await ask(other, b"y") == b"y"
        assert client.connection_count == 1


async def test_a_handshake_that_stops_is_dropped_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quic_endpoint, "HANDSHAKE_TIMEOUT_S", 1.0)
    async with party() as made:
        server = made.open()
        with stranger() as half_open:
            half_open.sendto(initial(), (LOOPBACK, server.port))
            await until(lambda: server.connection_count == 1)
            await until(lambda: server.connection_count == 0)
        assert (server._routes, made.accepted) == ({}, [])
        assert not server._admission._accepted


async def test_a_flood_from_an_address_holds_few_handshakes_and_its_owner_gets_through() -> None:
    async with party() as made:
        server = made.open(bind="0.0.0.0")
        # Whether the source is forged or the owner's own does not show.
        with stranger() as flood:
            for _ in range(3 * MAX_UNAUTHENTICATED_PER_ADDRESS):
                flood.sendto(initial(), (LOOPBACK, server.port))
            await until(lambda: server.connection_count == MAX_UNPROVEN_HANDSHAKES_PER_ADDRESS)
            connection = await made.open().dial(Address(LOOPBACK, server.port), None)
            assert await ask(connection, b"through") == b"through"
            assert server.connection_count == MAX_UNPROVEN_HANDSHAKES_PER_ADDRESS + 1


async def test_under_a_flood_of_handshakes_honest_callers_prove_their_address(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(quic_admission, "MAX_UNPROVEN_HANDSHAKES", 2)
    async with party() as made:
        server = made.open(bind="0.0.0.0")
        with stranger("127.0.0.9") as flood:
            for _ in range(MAX_UNAUTHENTICATED_PER_ADDRESS):
                flood.sendto(initial(), (LOOPBACK, server.port))
            connection = await made.open().dial(Address(LOOPBACK, server.port), None)
            assert await ask(connection, b"through") == b"through"
            # The flood was answered with Retry, which costs nothing, from the third on.
            assert server.connection_count == 3
        async with connect(
            LOOPBACK, server.port, configuration=configuration(is_client=True)
        ) as stock:
            await stock.ping()


async def test_connections_beyond_the_limit_get_no_answer_until_one_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(quic_admission, "MAX_CONNECTIONS", 3)
    monkeypatch.setattr(quic_admission, "CONNECTIONS_KEPT_FOR_DIALS", 0)
    assert MAX_CONNECTIONS > 3
    async with party() as made:
        server, client = made.open(), made.open()
        here = Address(LOOPBACK, server.port)
        held = [await client.dial(here, None) for _ in range(3)]
        with monkeypatch.context() as hurry:
            hurry.setattr(quic_endpoint, "HANDSHAKE_TIMEOUT_S", 0.3)
            hurry.setattr(quic_endpoint, "_LONG_DATAGRAMS_S", 0.1)
            with pytest.raises(ConnectionLost):
                await client.dial(here, None)
        assert server.connection_count == 3
        held[0].close()
        await until(lambda: server.connection_count == 2)
        assert await ask(await client.dial(here, None), b"x") == b"x"


async def test_streams_cut_as_soon_as_opened_start_only_so_many_handlers() -> None:
    running = 0
    most = 0
    gate = asyncio.Event()

    async def slow(_connection: Connection, stream: Stream) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await gate.wait()
        running -= 1
        await stream.receive()

    async with party() as made:
        server = made.open(slow)
        async with connect(
            LOOPBACK, server.port, configuration=configuration(is_client=True)
        ) as stock:
            quic = stock._quic
            for _ in range(4 * MAX_STREAMS_PER_CONNECTION):
                stream_id = quic.get_next_available_stream_id()
                quic.send_stream_data(stream_id, b"x")
                stock.transmit()
                await stock.ping()
                if stream_id in quic._streams:
                    quic.reset_stream(stream_id, 1)
                    quic.stop_stream(stream_id, 1)
                stock.transmit()
                await stock.ping()
            assert most == MAX_STREAMS_PER_CONNECTION
            assert len(server._tasks._tasks) == MAX_STREAMS_PER_CONNECTION
            gate.set()
            await until(lambda: not server._tasks._tasks)
            await until(lambda: all(not each._streams for each in server._connections))
        assert not server._tasks._running


async def test_a_stream_cut_before_its_first_byte_is_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with party() as made:
        server = made.open()
        # Who does it so often is sent away, which is not what this is about.
        monkeypatch.setattr(server, "on_offence", lambda *_: None)
        async with connect(
            LOOPBACK, server.port, configuration=configuration(is_client=True)
        ) as stock:
            for _ in range(2 * MAX_STREAMS_PER_CONNECTION):
                stream_id = stock._quic.get_next_available_stream_id()
                stock._quic.reset_stream(stream_id, 1)
                stock.transmit()
                await stock.ping()
            await until(lambda: all(not each._streams for each in server._connections))
            reader, writer = await stock.create_stream()
            writer.write(b"hello")
            writer.write_eof()
            assert await reader.read() == b"hello"


async def test_bytes_sent_two_at_a_time_cost_no_more_than_their_number() -> None:
    async def never_reads(_connection: Connection, _stream: Stream) -> None:
        await asyncio.Event().wait()

    async with party() as made:
        server = made.open(never_reads)
        async with connect(
            LOOPBACK, server.port, configuration=configuration(is_client=True)
        ) as stock:
            for _ in range(500):
                stock._quic.send_stream_data(0, b"ab")
                stock.transmit()
            await stock.ping()
            (stream,) = next(iter(server._connections))._streams.values()
            assert stream._buffer == b"ab" * 500
            assert isinstance(stream._buffer, bytearray)


async def test_a_broken_certificate_is_a_lost_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    async with party() as made:
        server = made.open(echo)
        # A key that is not the one of the certificate: the other end cannot prove it.
        other = made.open(echo)
        server._credentials._self_signed = other._credentials.certificate
        monkeypatch.setattr(quic_endpoint, "HANDSHAKE_TIMEOUT_S", 1.0)
        with pytest.raises(ConnectionLost):
            await made.open().dial(Address(LOOPBACK, server.port), None)


async def test_a_caller_needs_no_certificate_of_its_own() -> None:
    settings = configuration(is_client=True)
    assert settings.verify_mode == ssl.CERT_NONE
    async with party() as made:
        server = made.open()
        async with connect(LOOPBACK, server.port, configuration=settings) as stock:
            reader, writer = await stock.create_stream()
            writer.write(b"x")
            writer.write_eof()
            assert await reader.read() == b"x"
            await until(lambda: bool(made.accepted))
            assert made.accepted[0].peer_id is None
            stream = made.accepted[0].open_stream()
            await stream.send(b"from the server", end=True)
            stream.reset(0)
            with pytest.raises(Exception, match="reset"):
                await receive_all(stream)
