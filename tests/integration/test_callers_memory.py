"""A caller that comes and goes leaves nothing behind: not its connection, nor what it sent."""

import gc
from collections.abc import Callable, Iterator
from weakref import ref

import pytest

from lanspread_peer.core.peer_db import PeerDb
from lanspread_peer.model.peer import Address
from lanspread_peer.runtime.callers import Callers
from lanspread_peer.runtime.refusals import Refusals
from lanspread_peer.runtime.warn_once import WarnOnce
from lanspread_peer.transport.base import Connection, Stream
from lanspread_peer.transport.credentials import Credentials
from lanspread_peer.transport.quic_connection import PeerConnection
from lanspread_peer.transport.quic_endpoint import QuicTransport
from lanspread_peer.transport.quic_internals import CreditedConnection
from lanspread_peer.wire import messages
from support.party import until
from support.quic_pair import make_key
from support.quic_party import LOOPBACK, Party, party


@pytest.fixture
def no_collector() -> Iterator[None]:
    """Nothing is freed but what nobody refers to."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


async def nobody_greets(_connection: Connection, _hello: messages.Hello) -> None:
    raise AssertionError


def never_asked() -> messages.HelloAck:
    raise AssertionError


async def unread(connection: Connection, _stream: Stream) -> None:
    await connection.wait_closed()


def callers() -> Callers[Connection]:
    warnings = WarnOnce(lambda _event: None)
    # Nobody gets as far as to need an identity.
    refusals = Refusals(PeerDb(), warnings)
    return Callers(
        None,  # type: ignore[arg-type]
        never_asked,
        nobody_greets,
        warnings,
        refusals,
        transport="quic",
    )


@pytest.mark.usefixtures("no_collector")
async def test_connections_that_ended_are_freed_at_once_with_what_they_received() -> None:
    expecting = callers()
    seen: list[ref[PeerConnection]] = []
    libraries: list[CreditedConnection] = []

    def on_connection(connection: Connection) -> None:
        assert isinstance(connection, PeerConnection)
        seen.append(ref(connection))
        libraries.append(connection._quic)
        expecting.expect_hello(connection)

    async with party() as transports:
        server = listening(transports, on_connection)
        client = transports.open()
        for _ in range(3):
            connection = await client.dial(Address(LOOPBACK, server.port), None)
            stream = connection.open_stream()
            # The first byte is lost, so that the library keeps all that follows.
            connection._quic.send_stream_data(stream.id, bytes(60_000))
            connection._quic._streams[stream.id].sender._pending.subtract(0, 1)
            connection._transmit_soon()
            await until(lambda: held_bytes(libraries) > 50_000)
            connection.close("over")
            await until(lambda: server.connection_count == 0)
            assert held_bytes(libraries) == 0
        await until(lambda: not any(one() for one in seen), within=1.0)
        assert len(seen) == 3


def held_bytes(libraries: list[CreditedConnection]) -> int:
    streams = [stream for quic in libraries for stream in quic._streams.values()]
    return sum(len(stream.receiver._buffer) for stream in streams)


def listening(transports: Party, on_connection: Callable[[Connection], None]) -> QuicTransport:
    server = QuicTransport.open(
        bind=LOOPBACK,
        port=0,
        credentials=Credentials(make_key()),
        on_stream=unread,
        on_connection=on_connection,
    )
    transports.transports.append(server)
    return server
