"""Connections need no token: there are few of them, and those that say nothing end."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import TYPE_CHECKING

import grpc
import pytest

from lanspread.peer.v1 import peer_service_pb2 as pb
from lanspread.peer.v1.peer_service_pb2_grpc import PeerServiceStub
from lanspread_peer.control import server as control_server
from lanspread_peer.control.server import ControlServer
from lanspread_peer.model.limits import (
    CONTROL_HANDSHAKE_TIMEOUT_S,
    CONTROL_IDLE_TIMEOUT_S,
    MAX_CONTROL_CONNECTIONS,
)
from support.control import AUTH, TOKEN, open_channel
from support.memory_sidecar import MemorySidecar

if TYPE_CHECKING:
    # Its stub file alone knows it.
    from lanspread.peer.v1.peer_service_pb2_grpc import PeerServiceAsyncStub

# RFC 9113 section 3.4: the preface, and an empty SETTINGS frame.
GREETING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
TIMEOUTS = {
    "grpc.server_handshake_timeout_ms": CONTROL_HANDSHAKE_TIMEOUT_S,
    "grpc.max_connection_idle_ms": CONTROL_IDLE_TIMEOUT_S,
}


@asynccontextmanager
async def strangers(server: ControlServer, greeting: bytes) -> AsyncIterator[list[bytes]]:
    """A few more connections than there may be: what each is told first; nothing is its end."""
    host, _, port = server.address.rpartition(":")
    async with AsyncExitStack() as opened, asyncio.timeout(60):
        readers = []
        for _ in range(MAX_CONTROL_CONNECTIONS + 5):
            reader, writer = await asyncio.open_connection(host, int(port))
            opened.callback(writer.close)
            writer.write(greeting)
            readers.append(reader)
        yield [await _first_bytes(reader) for reader in readers]


async def _first_bytes(reader: asyncio.StreamReader) -> bytes:
    with suppress(ConnectionError):
        return await reader.read(9)
    return b""


@pytest.fixture
async def running(sidecar: MemorySidecar) -> AsyncIterator[ControlServer]:
    server = await ControlServer.start(sidecar, "127.0.0.1:0", TOKEN)
    yield server
    await server.stop(0)


async def test_connections_over_the_limit_are_closed(running: ControlServer) -> None:
    async with strangers(running, GREETING) as told:
        assert sum(map(bool, told)) == MAX_CONTROL_CONNECTIONS


@pytest.mark.parametrize("greeting", [b"", GREETING], ids=["silent", "idle"])
async def test_those_that_want_nothing_make_room(
    sidecar: MemorySidecar, monkeypatch: pytest.MonkeyPatch, greeting: bytes
) -> None:
    options = dict(control_server._OPTIONS)
    assert {name: options[name] / 1000 for name in TIMEOUTS} == TIMEOUTS
    short = dict.fromkeys(TIMEOUTS, 500)
    monkeypatch.setattr(control_server, "_OPTIONS", tuple({**options, **short}.items()))
    server = await ControlServer.start(sidecar, "127.0.0.1:0", TOKEN)
    try:
        async with strangers(server, greeting), open_channel(server.address) as channel:
            stub: PeerServiceAsyncStub = PeerServiceStub(channel)
            request = pb.GetStatusRequest()
            await stub.GetStatus(request, metadata=AUTH, wait_for_ready=True, timeout=40)
    finally:
        await server.stop(0)


async def test_a_client_goes_on_after_its_idle_connection_ended(
    sidecar: MemorySidecar, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {**dict(control_server._OPTIONS), "grpc.max_connection_idle_ms": 500}
    monkeypatch.setattr(control_server, "_OPTIONS", tuple(options.items()))
    server = await ControlServer.start(sidecar, "", TOKEN)
    try:
        async with open_channel(server.address) as channel:
            stub: PeerServiceAsyncStub = PeerServiceStub(channel)
            for _ in range(3):
                await stub.GetStatus(pb.GetStatusRequest(), metadata=AUTH, timeout=20)
                async with asyncio.timeout(20):
                    while (state := channel.get_state()) is not grpc.ChannelConnectivity.IDLE:
                        await channel.wait_for_state_change(state)
    finally:
        await server.stop(0)
