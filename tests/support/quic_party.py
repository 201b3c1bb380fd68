"""Real QUIC transports on loopback, all closed at the end, and a relay to damage their path."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from lanspread_peer.model.peer import Address
from lanspread_peer.transport.base import Connection, Stream, StreamHandler
from lanspread_peer.transport.certificate import make_certificate, peer_id_of_certificate
from lanspread_peer.transport.credentials import Credentials
from lanspread_peer.transport.quic_connection import PeerConnection
from lanspread_peer.transport.quic_endpoint import QuicTransport
from support.quic_pair import make_key

LOOPBACK = "127.0.0.1"


async def echo(_connection: Connection, stream: Stream) -> None:
    """Answer with what was asked."""
    await stream.send(await receive_all(stream), end=True)


async def receive_all(stream: Stream) -> bytes:
    """Everything until the end."""
    received = bytearray()
    while data := await stream.receive():
        received += data
    return bytes(received)


async def ask(connection: Connection, request: bytes) -> bytes:
    """One exchange."""
    stream = connection.open_stream()
    await stream.send(request, end=True)
    return await receive_all(stream)


async def until(condition: Callable[[], bool]) -> None:
    """Let the event loop run until something is so; the test's time limit ends a vain wait."""
    while not condition():  # noqa: ASYNC110 - what is waited for has no event of its own
        await asyncio.sleep(0.001)


class Party:
    """Opens transports and remembers them."""

    def __init__(self) -> None:
        self.transports: list[QuicTransport] = []
        self.accepted: list[Connection] = []
        self.peer_ids: dict[QuicTransport, str] = {}

    def open(
        self, handler: StreamHandler = echo, *, bind: str = LOOPBACK, port: int = 0
    ) -> QuicTransport:
        """A new transport with a new key; port 0 is any free one."""
        key = make_key()
        transport = QuicTransport.open(
            bind=bind,
            port=port,
            credentials=Credentials(key),
            on_stream=handler,
            on_connection=self.accepted.append,
        )
        self.transports.append(transport)
        self.peer_ids[transport] = peer_id_of_certificate(make_certificate(key))
        return transport

    async def connect(
        self, handler: StreamHandler = echo, own_handler: StreamHandler = echo
    ) -> PeerConnection:
        """A connection from a new transport to another new one that has the handler."""
        server = self.open(handler)
        return await self.open(own_handler).dial(Address(LOOPBACK, server.port), None)


@asynccontextmanager
async def party() -> AsyncIterator[Party]:
    """Transports, closed at the end; fails when a task is left behind."""
    before = asyncio.all_tasks()
    made = Party()
    try:
        yield made
    finally:
        for transport in made.transports:
            await transport.close()
    assert asyncio.all_tasks() - before == set()


class Relay(asyncio.DatagramProtocol):
    """Stands between a caller and a server; `allow` judges each datagram.

    What comes back leaves from a socket of its own when `answers_elsewhere`, as from a peer that
    has two networks.
    """

    def __init__(self, server_port: int, allow: Callable[[bytes], bool]) -> None:
        self._server = (LOOPBACK, server_port)
        self._allow = allow
        self._caller: tuple[str, int] | None = None
        self._front: asyncio.DatagramTransport
        self._back: asyncio.DatagramTransport
        self._elsewhere: asyncio.DatagramTransport | None = None

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        server_port: int,
        *,
        allow: Callable[[bytes], bool] = lambda _: True,
        answers_elsewhere: bool = False,
    ) -> AsyncIterator[int]:
        """Run a relay; gives the port to dial."""
        loop = asyncio.get_running_loop()
        relay = cls(server_port, allow)
        nowhere = (LOOPBACK, 0)
        relay._front, _ = await loop.create_datagram_endpoint(lambda: relay, local_addr=nowhere)
        relay._back, _ = await loop.create_datagram_endpoint(
            lambda: _Back(relay.answer), local_addr=nowhere
        )
        opened = [relay._front, relay._back]
        if answers_elsewhere:
            relay._elsewhere, _ = await loop.create_datagram_endpoint(
                asyncio.DatagramProtocol, local_addr=nowhere
            )
            opened.append(relay._elsewhere)
        try:
            yield relay._front.get_extra_info("sockname")[1]
        finally:
            for transport in opened:
                transport.close()
            await asyncio.sleep(0)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """From the caller."""
        self._caller = addr
        if self._allow(data):
            self._back.sendto(data, self._server)

    def answer(self, data: bytes) -> None:
        """From the server."""
        if self._allow(data):
            (self._elsewhere or self._front).sendto(data, self._caller)


class _Back(asyncio.DatagramProtocol):
    def __init__(self, receive: Callable[[bytes], None]) -> None:
        self._receive = receive

    def datagram_received(self, data: bytes, addr: object) -> None:  # noqa: ARG002 - a protocol
        self._receive(data)
