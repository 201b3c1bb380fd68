"""A peer made of hand-made answers on the real transport: honest until a test changes some.

Every request is remembered, so that a test can count who was asked for what, how often.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias, TypeVar

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec

from lanspread_peer.core.chunk_set import lowest
from lanspread_peer.model.errors import ConnectionLost, Stalled, StreamReset
from lanspread_peer.model.ids import ContentId, InstanceId, PeerId
from lanspread_peer.model.limits import AVAILABILITY_HEARTBEAT_S, UPLOAD_SLICE_BYTES
from lanspread_peer.model.manifest import Manifest
from lanspread_peer.model.peer import Address
from lanspread_peer.runtime.identity import Identity
from lanspread_peer.transport.base import Connection, Stream
from lanspread_peer.transport.credentials import Credentials
from lanspread_peer.transport.quic_endpoint import QuicTransport
from lanspread_peer.wire import messages
from lanspread_peer.wire.availability import SIGN_OF_LIFE, encode_held
from lanspread_peer.wire.chunk_bitmap import decode_bitmap
from lanspread_peer.wire.codec import decode_answer, decode_request, encode
from lanspread_peer.wire.hello_statement import NONCE_BYTES
from lanspread_peer.wire.manifest_codec import content_id_of, encode_manifest
from lanspread_peer.wire.messages import Message
from support.manifests import game_manifest
from support.quic_pair import make_key
from support.quic_party import LOOPBACK, ask, receive_all

Answer: TypeAlias = "Callable[[HostilePeer, Stream, Message], Awaitable[None]]"
DataRequest: TypeAlias = (
    messages.GetGameFileChunk | messages.GetGameFileData | messages.GetChunks | messages.GetAnyChunk
)
_Request = TypeVar("_Request", bound=Message)


class Offer:
    """A game that the peer offers: its files, manifest, and line in the library."""

    def __init__(self, game_id: str, files: Mapping[str, bytes], version: str) -> None:
        self.files = files
        self.manifest: Manifest = game_manifest(files)
        self.manifest_bytes = encode_manifest(self.manifest)
        self.content_id: ContentId = content_id_of(self.manifest_bytes)
        totals = self.manifest.totals
        self.totals = messages.GameTotals(totals.bytes, totals.files, totals.chunks)
        self.line = messages.GameLine(game_id, version, self.content_id, totals.bytes, totals.files)


class HostilePeer:
    """One peer; `answers` says, by the request's type, who answers it instead of `honest`."""

    def __init__(self, credentials: Credentials) -> None:
        self.answers: dict[type[Message], Answer] = {}
        self.requests: list[Message] = []
        self.accepted: list[Connection] = []
        self.offers: dict[str, Offer] = {}
        # What it is downloading, so it says, and the chunks of it that it tells of.
        self.downloading: dict[str, tuple[Offer, int]] = {}
        self.digest = ""
        self._announced = 0
        self.name = "hostile"
        self.bind = LOOPBACK
        self.listen_port = 0
        self.features: list[str] = []
        self.bulk_port = 0
        self.credentials = credentials
        self.key = credentials.key
        self.peer_id: PeerId = credentials.peer_id
        self.instance = InstanceId("ab" * 16)
        self.transport: QuicTransport

    @classmethod
    def open(
        cls,
        key: ec.EllipticCurvePrivateKey | None = None,
        *,
        credentials: Credentials | None = None,
        bind: str = LOOPBACK,
    ) -> "HostilePeer":
        """A peer that listens on a free port, with a new key or another's, or a party's papers."""
        peer = cls(credentials or Credentials(key or make_key()))
        peer.bind = bind
        peer.transport = QuicTransport.open(
            bind=bind,
            port=0,
            credentials=peer.credentials,
            on_stream=peer._serve,
            on_connection=peer.accepted.append,
        )
        peer.listen_port = peer.transport.port
        return peer

    @property
    def address(self) -> Address:
        """Where it listens."""
        return Address(self.bind, self.transport.port)

    def offer(self, game_id: str, files: Mapping[str, bytes], version: str = "20240229") -> Offer:
        """Offer a game from now on; a new digest says so."""
        made = Offer(game_id, files, version)
        self.offers[game_id] = made
        self.digest = f"{len(self.offers):064x}"
        return made

    def download_in_part(self, game_id: str, files: Mapping[str, bytes], held: int) -> Offer:
        """Say from now on that it downloads a game and holds these chunks; a new digest says so."""
        made = Offer(game_id, files, "20240229")
        self.downloading[game_id] = (made, held)
        self.features = list(messages.Feature)
        self.digest = f"{2000 + len(self.downloading):064x}"
        return made

    async def announce(self, offers: Mapping[str, Offer]) -> None:
        """Offer exactly these games from now on, and tell so to whoever called."""
        self.offers = dict(offers)
        self._announced += 1
        self.digest = f"{1000 + self._announced:064x}"
        for connection in self.accepted:
            if not connection.is_closed:
                await ask(connection, encode(messages.Ping(self.digest)))

    def offered(self, content_id: str) -> Offer:
        """The offer with this content."""
        offers = (*self.offers.values(), *(offer for offer, _ in self.downloading.values()))
        return next(each for each in offers if each.content_id == content_id)

    def asked(self, kind: type[_Request]) -> list[_Request]:
        """The requests of one kind so far."""
        return [request for request in self.requests if isinstance(request, kind)]

    async def connect(self, address: Address | str) -> Connection:
        """A connection to a sidecar, on which nothing was said yet."""
        if isinstance(address, str):
            host, _, port = address.rpartition(":")
            address = Address(host, int(port))
        return await self.transport.dial(address, None)

    async def dial(self, address: Address | str) -> Connection:
        """A connection of its own to a sidecar, which knows by proof who calls."""
        connection = await self.connect(address)
        answer = await self.say_hello(connection)
        assert isinstance(answer, messages.HelloAck), answer
        return connection

    async def say_hello(self, connection: Connection) -> Message:
        """The sidecar's answer to an honest Challenge and Hello."""
        hello = self.hello(connection, await self.nonce(connection))
        return decode_answer(await ask(connection, encode(hello)))

    async def nonce(self, connection: Connection) -> str:
        """What the sidecar wants to see signed on this connection."""
        answer = decode_answer(await ask(connection, encode(messages.Challenge())))
        assert isinstance(answer, messages.Nonce), answer
        return answer.nonce

    def hello(self, connection: Connection, nonce: str) -> messages.Hello:
        """The Hello of an honest caller, with its proof."""
        assert connection.peer_id is not None
        identity = Identity(self.peer_id, self.instance, self.name, self.credentials)
        hello = identity.hello(
            server=connection.peer_id,
            nonce=bytes.fromhex(nonce),
            listen_port=self.listen_port,
            library_digest=self.digest,
        )
        return msgspec.structs.replace(hello, features=self.features, bulk_port=self.bulk_port)

    def hello_ack(self) -> messages.HelloAck:
        """What it answers when it is called."""
        return messages.HelloAck(
            self.peer_id,
            self.instance,
            self.name,
            1,
            1,
            self.listen_port,
            self.digest,
            features=self.features,
            bulk_port=self.bulk_port,
        )

    def slow_down(self, seconds: float) -> None:
        """Wait so long before each answer with bytes of a file."""
        self.answers[messages.GetGameFileChunk] = slowed(seconds)

    async def close(self) -> None:
        """Hang up and stop listening."""
        await self.transport.close()

    async def _serve(self, _connection: Connection, stream: Stream) -> None:
        request = decode_request(await receive_all(stream))
        self.requests.append(request)
        try:
            await self.answers.get(type(request), honest)(self, stream, request)
        except (StreamReset, ConnectionLost, Stalled):
            # Whom it lies to may hang up.
            return


async def honest(peer: HostilePeer, stream: Stream, request: Message) -> None:
    """The answer of a peer that keeps the protocol."""
    match request:
        case messages.GetManifest():
            await stream.send(peer.offered(request.content_id).manifest_bytes, end=True)
        case (
            messages.GetGameFileChunk()
            | messages.GetGameFileData()
            | messages.GetChunks()
            | messages.GetAnyChunk()
        ):
            await stream.send(bytes_asked(peer, request), end=True)
        case messages.GetAvailability():
            offer = peer.offered(request.content_id)
            held = next(held for each, held in peer.downloading.values() if each is offer)
            await stream.send(encode_held(held, offer.totals.chunks))
            while True:
                await asyncio.sleep(AVAILABILITY_HEARTBEAT_S)
                await stream.send(SIGN_OF_LIFE)
        case messages.Challenge():
            await stream.send(encode(messages.Nonce("5a" * NONCE_BYTES)), end=True)
        case messages.Hello():
            await stream.send(encode(peer.hello_ack()), end=True)
        case _:
            await stream.send(encode(_message_for(peer, request)), end=True)


def bytes_asked(peer: HostilePeer, request: DataRequest) -> bytes:
    """The right bytes; of any chunk, the first that is wanted."""
    offer = peer.offered(request.content_id)
    if isinstance(request, messages.GetAnyChunk):
        count = offer.manifest.totals.chunks - request.first
        number = request.first + lowest(decode_bitmap(request.wanted, count))
        chosen = messages.GetChunks(request.content_id, number, 1)
        head = number.to_bytes(messages.CHUNK_NUMBER_BYTES, "big")
        return head + bytes_asked(peer, chosen)
    if isinstance(request, messages.GetChunks):
        chunks = offer.manifest.run(request.first, request.count)
        parts = (offer.files[c.file.path][c.offset : c.offset + c.length] for c in chunks)
        return b"".join(parts)
    data = offer.files[request.relative_path]
    if isinstance(request, messages.GetGameFileData):
        return data
    return data[request.offset : request.offset + request.length]


def _message_for(peer: HostilePeer, request: Message) -> Message:
    offers = peer.offers.values()
    match request:
        case messages.Ping():
            return messages.Pong(peer.digest)
        case messages.ListGames(known_digest=known):
            if known == peer.digest:
                return messages.NotModified()
            lines = [offer.line for offer, _ in peer.downloading.values()]
            return messages.Games(peer.digest, [offer.line for offer in offers], downloading=lines)
        case messages.GetGame(id=game_id):
            for offer in offers:
                if offer.line.id == game_id:
                    return messages.Game(offer.line, offer.content_id, offer.totals)
            return messages.NotFound()
        case messages.GetPeers():
            return messages.Peers([])
        case messages.Goodbye():
            return messages.Bye()
        case _:
            return messages.Unsupported()


# Answers for the table.


async def silent(_peer: HostilePeer, _stream: Stream, _request: Message) -> None:
    """Take the request and never say a word."""
    await asyncio.Event().wait()


async def endless(_peer: HostilePeer, stream: Stream, _request: Message) -> None:
    """Send for as long as somebody takes it."""
    while True:
        await stream.send(bytes(UPLOAD_SLICE_BYTES))


async def dripping(peer: HostilePeer, stream: Stream, request: Message) -> None:
    """The right bytes, one now and then."""
    assert isinstance(request, DataRequest)
    for byte in bytes_asked(peer, request):
        await stream.send(bytes([byte]))
        await asyncio.sleep(0.05)
    await stream.send(b"", end=True)


async def dripping_any(_peer: HostilePeer, stream: Stream, _request: Message) -> None:
    """A byte now and then, for ever."""
    while True:
        await stream.send(b"{")
        await asyncio.sleep(0.05)


async def wrong_bytes(_peer: HostilePeer, stream: Stream, request: Message) -> None:
    """As many bytes as were asked for, and all of them wrong."""
    assert isinstance(request, messages.GetGameFileChunk)
    await stream.send(b"\xee" * request.length, end=True)


def altered(change: Callable[[bytes], bytes]) -> Answer:
    """The right bytes after a change."""

    async def answer(peer: HostilePeer, stream: Stream, request: Message) -> None:
        assert isinstance(request, DataRequest)
        await stream.send(change(bytes_asked(peer, request)), end=True)

    return answer


def saying(data: bytes | Message) -> Answer:
    """Always these bytes, or this message."""
    sent = encode(data) if isinstance(data, Message) else data

    async def answer(_peer: HostilePeer, stream: Stream, _request: Message) -> None:
        await stream.send(sent, end=True)

    return answer


def resetting(code: int) -> Answer:
    """Cut the stream with a code."""

    async def answer(_peer: HostilePeer, stream: Stream, _request: Message) -> None:
        stream.reset(code)

    return answer


def halfway(code: int) -> Answer:
    """Half of the right bytes, then a cut with a code."""

    async def answer(peer: HostilePeer, stream: Stream, request: Message) -> None:
        assert isinstance(request, messages.GetGameFileChunk)
        await stream.send(bytes_asked(peer, request)[: request.length // 2])
        stream.reset(code)

    return answer


def slowed(seconds: float) -> Answer:
    """Honest, after a pause."""

    async def answer(peer: HostilePeer, stream: Stream, request: Message) -> None:
        await asyncio.sleep(seconds)
        await honest(peer, stream, request)

    return answer
