"""Real TLS servers and clients on loopback, with proofs as in the product, closed at the end."""

import asyncio
import secrets
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager

from cryptography.hazmat.primitives.asymmetric import ec

from lanspread_peer.core.offences import Offences
from lanspread_peer.model import errors
from lanspread_peer.model.ids import InstanceId, PeerId, parse_peer_id
from lanspread_peer.model.peer import Address
from lanspread_peer.transport.certificate import make_certificate, peer_id_of_certificate
from lanspread_peer.transport.credentials import Credentials
from lanspread_peer.transport.hello_proof import check_proof, hello_chain, sign
from lanspread_peer.transport.tls_caller import TlsCaller
from lanspread_peer.transport.tls_client import TlsClient, TlsPeer
from lanspread_peer.transport.tls_context import client_context
from lanspread_peer.transport.tls_reader import DataReader
from lanspread_peer.transport.tls_server import TlsServer
from lanspread_peer.wire import messages
from lanspread_peer.wire.frames import LENGTH_BYTES, encode_frame
from lanspread_peer.wire.hello_statement import hello_statement
from lanspread_peer.wire.messages import Message
from support.quic_pair import make_key
from support.values import instance_id

LOOPBACK = "127.0.0.1"
INSTANCE = InstanceId(instance_id(1))

# In a worker thread of the server: the bytes for a request.
Slices = Callable[[messages.GetGameFileChunk], Iterable[bytes | memoryview]]


def chunk(offset: int, length: int) -> messages.GetGameFileChunk:
    """A request for bytes of a file that any server here has."""
    return messages.GetGameFileChunk(
        content_id="0" * 64, relative_path="a", offset=offset, length=length
    )


def pattern(offset: int, length: int) -> bytes:
    """The bytes there: each block of four tells its own offset."""
    start, end = offset // 4, (offset + length + 3) // 4
    data = b"".join(number.to_bytes(4, "big") for number in range(start, end))
    return data[offset - 4 * start :][:length]


def pattern_slices(request: messages.GetGameFileChunk) -> Iterable[bytes]:
    """What is asked for, in slices."""
    end = request.offset + request.length
    for start in range(request.offset, end, 65536):
        yield pattern(start, min(65536, end - start))


def read_all(reader: DataReader) -> bytes:
    """A consumer that returns the answer."""
    data = bytearray(reader.length)
    reader.read_into(memoryview(data))
    return bytes(data)


def id_of(key: ec.EllipticCurvePrivateKey) -> PeerId:
    """The peer id of a key."""
    return peer_id_of_certificate(make_certificate(key))


class Host:
    """What answers the requests of a server: checks proofs, and takes bytes from a function."""

    def __init__(self, peer_id: PeerId, slices: Slices) -> None:
        self._peer_id = peer_id
        self._slices = slices
        self._nonces: dict[TlsCaller, bytes] = {}
        self.callers: list[TlsCaller] = []
        self.requests: list[Message] = []

    async def answer(self, caller: TlsCaller, request: Message) -> None:
        """The server's request handler."""
        self.requests.append(request)
        match request:
            case messages.Challenge():
                self.callers.append(caller)
                nonce = self._nonces[caller] = secrets.token_bytes(32)
                await caller.send(messages.Nonce(nonce=nonce.hex()))
            case messages.Hello():
                await caller.send(self._greet(caller, request))
            case messages.GetGameFileChunk():
                await caller.send_data(request.length, self._slices(request))
            case _:
                raise errors.Unsupported("only bytes")

    def _greet(self, caller: TlsCaller, hello: messages.Hello) -> messages.HelloAck:
        claimed = parse_peer_id(hello.peer_id)
        statement = hello_statement(
            transport="tls",
            server=self._peer_id,
            client=claimed,
            instance=InstanceId(hello.instance),
            nonce=self._nonces.pop(caller, b""),
        )
        check_proof(claimed, hello.certificate_chain, hello.signature, statement)
        caller.identify(claimed)
        return messages.HelloAck(
            peer_id=self._peer_id,
            instance=INSTANCE,
            name="host",
            proto_min=1,
            proto_max=1,
            listen_port=1,
        )


def own_hello(key: ec.EllipticCurvePrivateKey) -> Callable[[PeerId, bytes], messages.Hello]:
    """How the owner of this key proves itself."""

    def hello(server: PeerId, nonce: bytes) -> messages.Hello:
        statement = hello_statement(
            transport="tls", server=server, client=id_of(key), instance=INSTANCE, nonce=nonce
        )
        return messages.Hello(
            peer_id=id_of(key),
            instance=INSTANCE,
            name="guest",
            proto_min=1,
            proto_max=1,
            listen_port=1,
            certificate_chain=list(hello_chain(make_certificate(key))),
            signature=sign(key, statement),
        )

    return hello


class TlsParty:
    """Opens servers and clients, and closes them."""

    def __init__(self) -> None:
        self.offences = Offences()
        self.servers: list[TlsServer] = []
        self.clients: list[TlsClient] = []
        self.hosts: dict[TlsServer, Host] = {}
        self._ids: dict[TlsServer, PeerId] = {}

    def open(
        self, slices: Slices = pattern_slices, credentials: Credentials | None = None
    ) -> TlsServer:
        """A new server on a free port, with a new key unless others are given."""
        credentials = credentials or Credentials(make_key())
        host = Host(credentials.peer_id, slices)
        server = TlsServer.open(
            bind=LOOPBACK,
            port=0,
            credentials=credentials,
            on_request=host.answer,
            offences=self.offences,
        )
        self.servers.append(server)
        self.hosts[server] = host
        self._ids[server] = credentials.peer_id
        return server

    def id_of(self, server: TlsServer) -> PeerId:
        """The peer id of a server."""
        return self._ids[server]

    def client(self) -> TlsClient:
        """A new client, with a new key."""
        client = TlsClient(Credentials(make_key()), own_hello(make_key()), bind=LOOPBACK)
        self.clients.append(client)
        return client

    def peer(self, server: TlsServer, client: TlsClient | None = None) -> TlsPeer:
        """The server, as a client sees it."""
        address = Address(LOOPBACK, server.port)
        return (client or self.client()).peer(address, self.id_of(server))

    async def close(self) -> None:
        """Close all, and see that no thread is left."""
        for client in self.clients:
            await client.close()
        for server in self.servers:
            await server.close()
        assert [one.name for one in threading.enumerate() if one.name.startswith("tls-")] == []


@asynccontextmanager
async def tls_party() -> AsyncIterator[TlsParty]:
    """A party that is over at the end of the block."""
    party = TlsParty()
    try:
        yield party
    finally:
        await party.close()


class RawCaller:
    """A caller without manners: a TLS connection on asyncio's streams."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def open(cls, port: int, context: ssl.SSLContext | None = None) -> "RawCaller":
        """Connect, without a word."""
        context = context or client_context()
        return cls(*await asyncio.open_connection(LOOPBACK, port, ssl=context))

    async def ask(self, request: Message) -> bytes:
        """The body of the next answer; empty when the connection ends."""
        self.writer.write(encode_frame(request))
        return await self.body()

    async def body(self) -> bytes:
        """The body of the next frame; empty when the connection ends."""
        try:
            length = await self.reader.readexactly(LENGTH_BYTES)
            return await self.reader.readexactly(int.from_bytes(length, "big"))
        except (asyncio.IncompleteReadError, OSError):
            return b""

    async def ended(self) -> None:
        """Returns once the server has closed the connection."""
        try:
            while await self.reader.read(65536):
                pass
        except OSError:
            pass

    def close(self) -> None:
        """Leave without a goodbye."""
        self.writer.transport.abort()


def plain_socket(port: int) -> socket.socket:
    """A TCP connection that says nothing."""
    return socket.create_connection((LOOPBACK, port), timeout=20.0)
