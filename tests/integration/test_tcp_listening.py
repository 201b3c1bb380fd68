"""No connection is lost on the way from the system to whoever serves it, however it all ends."""

import asyncio
import contextlib
import socket

import pytest

from lanspread_peer.model.peer import Address
from lanspread_peer.transport.tcp_listening import accept, open_listening
from support.tls_party import LOOPBACK, plain_socket, tls_party


@pytest.mark.parametrize("steps", range(6))
async def test_who_stops_accepting_loses_no_connection(steps: int) -> None:
    [listening] = open_listening(LOOPBACK, 0)
    with listening:
        accepting = asyncio.ensure_future(accept(listening))
        await asyncio.sleep(0)
        with plain_socket(listening.getsockname()[1]):
            for _ in range(steps):
                await asyncio.sleep(0)
            accepting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                connected, _ = await accepting
                connected.close()
            if accepting.cancelled():
                listening.accept()[0].close()


async def test_a_connection_that_comes_at_the_very_end_is_closed() -> None:
    async with tls_party() as party:
        server = party.open()
        with (
            socket.create_server((LOOPBACK, 0)) as listening,
            plain_socket(listening.getsockname()[1]),
        ):
            connected, (host, port) = listening.accept()
            server._welcome(connected, Address(host, port))
            await server.close()
            assert connected.fileno() == -1
            assert server.connection_count == 0
