"""Two real transports on loopback: dialling, identity, and how connections end."""

import asyncio
import socket
import time

import pytest
from aioquic.asyncio.client import connect
from aioquic.asyncio.server import serve

from lanspread_peer.model.config import DEFAULT_PORT
from lanspread_peer.model.errors import (
    CannotBind,
    ConnectionLost,
    IdentityMismatch,
)
from lanspread_peer.model.ids import PeerId
from lanspread_peer.model.limits import HANDSHAKE_TIMEOUT_S
from lanspread_peer.model.peer import Address
from lanspread_peer.transport import quic_endpoint
from lanspread_peer.transport.base import Connection, Stream, Transport
from lanspread_peer.transport.credentials import Credentials
from lanspread_peer.transport.quic_endpoint import QuicTransport
from support.ports import free_port
from support.quic_pair import configuration, make_key
from support.quic_party import LOOPBACK, Relay, ask, echo, party, receive_all, until


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_a_dialled_peer_answers_and_has_proved_its_id(host: str) -> None:
    async with party() as made:
        server, client = made.open(bind=host), made.open(bind=host)
        expected = PeerId(made.peer_ids[server])
        connection = await client.dial(Address(host, server.port), expected)
        assert connection.peer_id == expected
        assert connection.address == Address(host, server.port)
        assert await ask(connection, b"hello") == b"hello"
        (accepted,) = made.accepted
        assert accepted.peer_id is None
        assert accepted.address == Address(host, client.port)
        as_interface: Transport = client
        assert as_interface.port == client.port


async def test_a_machine_listens_on_one_port_for_both_families() -> None:
    async with party() as made:
        server = made.open(bind="")
        client = made.open(bind="")
        for host in ("127.0.0.1", "::1"):
            connection = await client.dial(Address(host, server.port), None)
            assert await ask(connection, host.encode()) == host.encode()


async def test_another_peer_id_than_expected_is_refused() -> None:
    async with party() as made:
        server, client = made.open(), made.open()
        other = PeerId(made.peer_ids[client])
        with pytest.raises(IdentityMismatch) as caught:
            await client.dial(Address(LOOPBACK, server.port), other)
        assert caught.value.metadata["expected"] == other
        assert caught.value.metadata["actual"] == made.peer_ids[server]
        assert client.connection_count == 0
        await until(lambda: server.connection_count == 0)


async def test_a_server_of_another_protocol_is_no_peer() -> None:
    stranger = await serve(
        LOOPBACK, 0, configuration=configuration(is_client=False, alpn="something/1")
    )
    assert stranger._transport is not None
    port = stranger._transport.get_extra_info("sockname")[1]
    async with party() as made:
        with pytest.raises(ConnectionLost):
            await made.open().dial(Address(LOOPBACK, port), None)
    stranger.close()


async def test_nobody_there_is_a_lost_connection_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quic_endpoint, "HANDSHAKE_TIMEOUT_S", 0.3)
    monkeypatch.setattr(quic_endpoint, "_LONG_DATAGRAMS_S", 0.1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind((LOOPBACK, 0))
        async with party() as made:
            client = made.open()
            start = time.monotonic()
            with pytest.raises(ConnectionLost):
                await client.dial(Address(LOOPBACK, silent.getsockname()[1]), None)
            assert time.monotonic() - start < HANDSHAKE_TIMEOUT_S
            assert client.connection_count == 0


async def test_a_family_without_a_socket_cannot_be_dialled() -> None:
    async with party() as made:
        with pytest.raises(ConnectionLost):
            await made.open().dial(Address("::1", 9), None)


async def test_a_cancelled_dial_leaves_nothing_behind() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind((LOOPBACK, 0))
        async with party() as made:
            client = made.open()
            dialling = asyncio.ensure_future(
                client.dial(Address(LOOPBACK, silent.getsockname()[1]), None)
            )
            await until(lambda: client.connection_count == 1)
            dialling.cancel()
            with pytest.raises(asyncio.CancelledError):
                await dialling
            assert client.connection_count == 0


async def test_many_dials_at_once_share_one_socket() -> None:
    async with party() as made:
        servers = [made.open() for _ in range(6)]
        client = made.open()
        connections = await asyncio.gather(
            *(
                client.dial(Address(LOOPBACK, server.port), PeerId(made.peer_ids[server]))
                for server in servers
            )
        )
        answers = await asyncio.gather(*(ask(each, b"x" * 5000) for each in connections))
        assert answers == [b"x" * 5000] * 6


async def test_a_path_that_loses_long_datagrams_is_used_with_short_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(quic_endpoint, "_LONG_DATAGRAMS_S", 0.3)
    async with (
        party() as made,
        Relay.open(made.open().port, allow=lambda datagram: len(datagram) <= 1200) as port,
    ):
        connection = await made.open().dial(Address(LOOPBACK, port), None)
        assert await ask(connection, bytes(300_000)) == bytes(300_000)


async def test_a_peer_that_answers_from_its_other_address_is_understood() -> None:
    async with party() as made, Relay.open(made.open().port, answers_elsewhere=True) as port:
        connection = await made.open().dial(Address(LOOPBACK, port), None)
        assert await ask(connection, b"hello") == b"hello"


async def test_a_lossy_path_loses_no_bytes() -> None:
    seen = 0

    def every_eleventh_is_lost(_datagram: bytes) -> bool:
        nonlocal seen
        seen += 1
        return seen % 11 != 0

    message = b"".join(index.to_bytes(4, "big") for index in range(200_000))
    async with party() as made, Relay.open(made.open().port, allow=every_eleventh_is_lost) as port:
        connection = await made.open().dial(Address(LOOPBACK, port), None)
        assert await ask(connection, message) == message


async def test_the_end_of_a_connection_reaches_everyone_who_waits() -> None:
    waiting = asyncio.Event()
    ended: list[str] = []

    async def wait(_connection: Connection, stream: Stream) -> None:
        await stream.receive()
        waiting.set()
        try:
            await stream.receive()
        except ConnectionLost as lost:
            ended.append(lost.metadata["detail"])

    async with party() as made:
        connection = await made.connect(wait)
        stream = connection.open_stream()
        await stream.send(b"please")
        await waiting.wait()
        reading = asyncio.ensure_future(stream.receive())
        await asyncio.sleep(0)
        connection.close("enough\n\x1b[31m" + "x" * 500)
        connection.close("again")
        assert connection.is_closed
        with pytest.raises(ConnectionLost):
            await reading
        with pytest.raises(ConnectionLost):
            await stream.send(b"more")
        with pytest.raises(ConnectionLost):
            connection.open_stream()
        detail = "enough??[31m".ljust(100, "x")
        assert await connection.wait_closed() == detail
        (accepted,) = made.accepted
        assert await accepted.wait_closed() == detail
        await until(lambda: ended == [detail])


async def test_an_answer_that_came_whole_is_read_after_the_connection_ended() -> None:
    async def answer(connection: Connection, stream: Stream) -> None:
        await stream.send(b"the last words", end=True)

    async with party() as made:
        connection = await made.connect(answer)
        stream = connection.open_stream()
        await stream.send(b"please", end=True)
        await until(lambda: stream._received_end)
        (accepted,) = made.accepted
        accepted.close()
        await connection.wait_closed()
        assert await receive_all(stream) == b"the last words"


async def test_closing_a_transport_tells_its_peers_and_stops_its_tasks() -> None:
    cancelled = asyncio.Event()

    async def for_ever(_connection: Connection, _stream: Stream) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    async with party() as made:
        server, client = made.open(for_ever, port=free_port()), made.open()
        connection = await client.dial(Address(LOOPBACK, server.port), None)
        stream = connection.open_stream()
        await stream.send(b"please")
        await until(lambda: bool(server._tasks._tasks))
        await server.close()
        assert cancelled.is_set()
        assert await connection.wait_closed() == "shutting down"
        with pytest.raises(ConnectionLost):
            await server.dial(Address(LOOPBACK, client.port), None)
        await until(lambda: client.connection_count == 0)
        assert (server.connection_count, client._routes, server._routes) == (0, {}, {})
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as again:
            again.bind((LOOPBACK, server.port))


async def test_a_connection_that_says_nothing_ends_by_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(quic_endpoint, "IDLE_TIMEOUT_S", 0.4)
    async with party() as made:
        connection = await made.connect()
        assert "dle" in await connection.wait_closed()


async def test_a_taken_port_cannot_be_bound_and_is_named() -> None:
    async with party() as made:
        taken = made.open().port
        with pytest.raises(CannotBind) as caught:
            QuicTransport.open(
                bind=LOOPBACK, port=taken, credentials=Credentials(make_key()), on_stream=echo
            )
        assert caught.value.metadata["address"] == f"{LOOPBACK}:{taken}"
        with pytest.raises(CannotBind):
            QuicTransport.open(
                bind="192.0.2.200", port=0, credentials=Credentials(make_key()), on_stream=echo
            )
        with pytest.raises(CannotBind):
            QuicTransport.open(
                bind="nonsense", port=0, credentials=Credentials(make_key()), on_stream=echo
            )


async def test_without_a_wanted_port_the_default_one_is_taken_or_else_any(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert vars(quic_endpoint)["DEFAULT_PORT"] == DEFAULT_PORT
    port = free_port()
    monkeypatch.setattr(quic_endpoint, "DEFAULT_PORT", port)
    async with party() as made:
        for expected in (True, False):
            opened = QuicTransport.open(
                bind=LOOPBACK, port=None, credentials=Credentials(make_key()), on_stream=echo
            )
            made.transports.append(opened)
            assert (opened.port == port) is expected


async def test_a_stock_client_of_another_make_is_served() -> None:
    async with party() as made:
        server = made.open()
        async with connect(
            LOOPBACK, server.port, configuration=configuration(is_client=True)
        ) as stock:
            reader, writer = await stock.create_stream()
            writer.write(bytes(50_000))
            writer.write_eof()
            assert await reader.read() == bytes(50_000)
