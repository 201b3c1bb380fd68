"""The messages between peers, as typed values.

A message travels as one JSON value, tagged as Rust's serde tags enums: a message without fields
is its name, `"Ping"`; one with fields is `{"GetGame":{"id":"aoe2"}}`. Unknown fields are
ignored, so a later version may add some. The bounds here are checked while decoding; codec.py
owns the bytes, and the meaning of ids and paths is checked where they are used.
"""

from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta

from lanspread_peer.model.limits import (
    MAX_ADDRESSES_PER_PEER,
    MAX_CERTIFICATE_BYTES,
    MAX_CERTIFICATES,
    MAX_CHUNK_BYTES,
    MAX_CHUNKS_PER_REQUEST,
    MAX_DESCRIPTION_TEXT_BYTES,
    MAX_DOWNLOADING_GAMES,
    MAX_FEATURES,
    MAX_GAME_BYTES,
    MAX_GAME_ID_BYTES,
    MAX_LIBRARY_GAMES,
    MAX_MANIFEST_CHUNKS,
    MAX_MANIFEST_ENTRIES,
    MAX_NAME_BYTES,
    MAX_PATH_BYTES,
    MAX_PEER_HINTS,
    MAX_SIGNATURE_BYTES,
    MAX_VERSION_BYTES,
    MAX_WANTED_CHARACTERS,
)

PROTOCOL_VERSION = 1
# How the answer to GetAnyChunk begins.
CHUNK_NUMBER_BYTES = 8
# What each end of a bulk connection gives to the keys of its records.
RECORD_SECRET_BYTES = 32


class Feature(StrEnum):
    """What a peer knows besides what all versions of the protocol know."""

    CHUNKS = "chunks"
    ANY_CHUNK = "any"
    AVAILABILITY = "availability"
    DIAL_BACK = "dial_back"


# The byte limits bound the characters here, as no character is shorter than a byte.
GameIdText = Annotated[str, Meta(min_length=1, max_length=MAX_GAME_ID_BYTES)]
PathText = Annotated[str, Meta(min_length=1, max_length=MAX_PATH_BYTES)]
NameText = Annotated[str, Meta(max_length=MAX_NAME_BYTES)]
VersionText = Annotated[str, Meta(max_length=MAX_VERSION_BYTES)]
LongText = Annotated[str, Meta(max_length=MAX_DESCRIPTION_TEXT_BYTES)]
ContentIdText = Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z")]
PeerIdText = Annotated[str, Meta(pattern=r"\A[a-z2-7]{52}\Z")]
InstanceText = Annotated[str, Meta(pattern=r"\A[0-9a-f]{32}\Z")]
DigestText = Annotated[str, Meta(pattern=r"\A([0-9a-f]{64})?\Z")]
RecordSecretText = Annotated[str, Meta(pattern=r"\A([0-9a-f]{64})?\Z")]
NonceText = Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z")]
# Base64 makes four characters of three bytes, and fills the last four up.
CertificateText = Annotated[str, Meta(max_length=(MAX_CERTIFICATE_BYTES + 2) // 3 * 4)]
SignatureText = Annotated[str, Meta(max_length=(MAX_SIGNATURE_BYTES + 2) // 3 * 4)]
HostText = Annotated[str, Meta(min_length=2, max_length=64)]
Port = Annotated[int, Meta(ge=1, le=65535)]
PortOrNone = Annotated[int, Meta(ge=0, le=65535)]
ProtocolNumber = Annotated[int, Meta(ge=0, le=1_000_000)]
Size = Annotated[int, Meta(ge=0, le=MAX_GAME_BYTES)]
FileCount = Annotated[int, Meta(ge=0, le=MAX_MANIFEST_ENTRIES)]
ChunkCount = Annotated[int, Meta(ge=0, le=MAX_GAME_BYTES)]
ChunkNumber = Annotated[int, Meta(ge=0, le=MAX_MANIFEST_CHUNKS - 1)]
# Base64 comes in fours.
WantedText = Annotated[str, Meta(min_length=4, max_length=MAX_WANTED_CHARACTERS)]
ChunksPerRequest = Annotated[int, Meta(ge=1, le=MAX_CHUNKS_PER_REQUEST)]
Length = Annotated[int, Meta(ge=1, le=MAX_CHUNK_BYTES)]
# A chunk, and its number where that was chosen.
DataLength = Annotated[int, Meta(ge=0, le=MAX_CHUNK_BYTES + CHUNK_NUMBER_BYTES)]
PerMille = Annotated[int, Meta(ge=0, le=1000)]
RetryMs = Annotated[int, Meta(ge=1, le=60_000)]
Features = Annotated[list[NameText], Meta(max_length=MAX_FEATURES)]
CertificateChain = Annotated[list[CertificateText], Meta(min_length=1, max_length=MAX_CERTIFICATES)]


class Message(msgspec.Struct, frozen=True, omit_defaults=True):
    """Base of all messages and of the values inside them."""


class Challenge(Message, frozen=True):
    """The caller's first request: asks for the nonce that its Hello must sign."""


class Nonce(Message, frozen=True):
    """The answer to Challenge: 32 random bytes in hex, for one Hello on this connection only."""

    nonce: NonceText


class Hello(Message, frozen=True):
    """The caller's second request: who it is, with the proof, and where it can be called back.

    `certificate_chain` is DER in base64, the caller's own certificate first; `signature` is that
    of `hello_statement` by its key, in base64. `listen_port` is 0 when nobody can dial it.
    `library_digest` is empty while the library is still unknown. `bulk_port` is 0 without TLS
    transport. `dials_back` is for that transport: the caller comes because it was asked to, and
    once it is greeted roles are turned: it answers, and asks nothing. `record_secret` is for TLS,
    too: 32 random bytes in hex, of whoever can go on by large records; it does when both can.
    """

    peer_id: PeerIdText
    instance: InstanceText
    name: NameText
    proto_min: ProtocolNumber
    proto_max: ProtocolNumber
    listen_port: PortOrNone
    certificate_chain: CertificateChain
    signature: SignatureText
    library_digest: DigestText = ""
    bulk_port: PortOrNone = 0
    features: Features = []
    dials_back: bool = False
    record_secret: RecordSecretText = ""


class HelloAck(Message, frozen=True):
    """The answer to Hello, with the same meaning; TLS has shown the certificate and proved it."""

    peer_id: PeerIdText
    instance: InstanceText
    name: NameText
    proto_min: ProtocolNumber
    proto_max: ProtocolNumber
    listen_port: PortOrNone
    library_digest: DigestText = ""
    bulk_port: PortOrNone = 0
    features: Features = []
    record_secret: RecordSecretText = ""


def is_common_version(word: Hello | HelloAck) -> bool:
    """Whether whoever said this speaks our version of the protocol."""
    return word.proto_min <= PROTOCOL_VERSION <= word.proto_max


class Ping(Message, frozen=True):
    """Are you there? With a digest: my library changed, ask me when you care."""

    library_digest: DigestText = ""


class Pong(Message, frozen=True):
    """The answer to Ping."""

    library_digest: DigestText = ""


class ListGames(Message, frozen=True):
    """Asks for the library; `known_digest` is that of the last answer, or empty."""

    known_digest: DigestText = ""


class GameLine(Message, frozen=True):
    """A game as a peer offers it."""

    id: GameIdText
    version: VersionText
    content_id: ContentIdText
    bytes: Size
    files: FileCount
    name: LongText = ""


class Games(Message, frozen=True):
    """The library, whole when `base_digest` is empty, else what changed since that digest.

    `downloading` is what the peer fetches now and can serve in part; always all of it. It stands
    apart, so that whoever does not know the field never takes a part for the whole.
    """

    digest: DigestText
    games: Annotated[list[GameLine], Meta(max_length=MAX_LIBRARY_GAMES)]
    base_digest: DigestText = ""
    removed: Annotated[list[GameIdText], Meta(max_length=MAX_LIBRARY_GAMES)] = []
    downloading: Annotated[list[GameLine], Meta(max_length=MAX_DOWNLOADING_GAMES)] = []


class NotModified(Message, frozen=True):
    """The library is still the one the caller knows."""


class GetGame(Message, frozen=True):
    """Asks what the peer holds of one game."""

    id: GameIdText


class GameTotals(Message, frozen=True):
    """What a manifest adds up to."""

    bytes: Size
    files: FileCount
    chunks: ChunkCount


class GameText(Message, frozen=True):
    """The description in `game.json`; empty or zero where there is none."""

    name: LongText = ""
    description: LongText = ""
    publisher: LongText = ""
    release_year: Annotated[int, Meta(ge=0, le=9999)] = 0
    genre: LongText = ""
    max_players: Annotated[int, Meta(ge=0, le=1_000_000)] = 0


class Game(Message, frozen=True):
    """The answer to GetGame."""

    game: GameLine
    content_id: ContentIdText
    totals: GameTotals
    description: GameText = GameText()


class GetManifest(Message, frozen=True):
    """Asks for a manifest's bytes, raw."""

    content_id: ContentIdText


class GetGameFileData(Message, frozen=True):
    """Asks for a whole file, raw."""

    content_id: ContentIdText
    relative_path: PathText


class GetGameFileChunk(Message, frozen=True):
    """Asks for a range of a file, raw; at most one chunk."""

    content_id: ContentIdText
    relative_path: PathText
    offset: Size
    length: Length


class GetChunks(Message, frozen=True):
    """Asks for `count` chunks from number `first` on, raw, one after the other.

    Chunks are numbered through the manifest in its order; at most MAX_RUN_BYTES in all. Only of
    peers with Feature.CHUNKS.
    """

    content_id: ContentIdText
    first: ChunkNumber
    count: ChunksPerRequest


class GetAnyChunk(Message, frozen=True):
    """Asks whoever has all for the chunk that it gave least, of those `wanted`.

    `wanted` is a bitmap in base64 whose bit 0 is chunk number `first`. The answer, raw, is the
    number of the chunk in CHUNK_NUMBER_BYTES, big-endian, and then its bytes. Only of peers with
    Feature.ANY_CHUNK.
    """

    content_id: ContentIdText
    wanted: WantedText
    first: ChunkNumber = 0


class GetAvailability(Message, frozen=True):
    """Asks which chunks the peer holds, and to be told of more of them until the answer ends.

    The answer, raw, is lines: see wire/availability.py. Only of peers with Feature.AVAILABILITY.
    """

    content_id: ContentIdText


class GetPeers(Message, frozen=True):
    """Asks for the peers that the other one is connected to."""


class PeerHint(Message, frozen=True):
    """Where a peer may be found; to be proved by dialling."""

    peer_id: PeerIdText
    host: HostText
    port: Port


class Peers(Message, frozen=True):
    """The answer to GetPeers."""

    peers: Annotated[list[PeerHint], Meta(max_length=MAX_PEER_HINTS * MAX_ADDRESSES_PER_PEER)]


class DialBack(Message, frozen=True):
    """Asks to be dialled at the bulk port that the caller announced, and to be served there.

    On QUIC only, of peers with Feature.DIAL_BACK, one at a time.
    """


class DialledBack(Message, frozen=True):
    """The answer to DialBack, once the caller was dialled and has greeted."""


class Goodbye(Message, frozen=True):
    """The peer leaves. A hint: the connection's end says the same."""


class Bye(Message, frozen=True):
    """The answer to Goodbye."""


class Data(Message, frozen=True):
    """On the TLS transport: so many raw bytes of the answer follow."""

    length: DataLength


class Busy(Message, frozen=True):
    """All slots are taken; ask again after this time."""

    retry_ms: RetryMs


class Stale(Message, frozen=True):
    """The file changed since it was hashed."""


class NotFound(Message, frozen=True):
    """Not here."""


class NotIndexed(Message, frozen=True):
    """Here, but still being hashed."""

    progress: PerMille


class Unsupported(Message, frozen=True):
    """The request's tag is not known to this version."""


class Refused(Message, frozen=True):
    """The request is not served; `detail` is for a log.

    `reason` is that of an error of the tree where the other end should act on it, else empty.
    """

    detail: LongText = ""
    reason: NameText = ""


REQUESTS: tuple[type[Message], ...] = (
    Challenge,
    Hello,
    Ping,
    ListGames,
    GetGame,
    GetManifest,
    GetGameFileData,
    GetGameFileChunk,
    GetChunks,
    GetAnyChunk,
    GetAvailability,
    GetPeers,
    DialBack,
    Goodbye,
)
ERRORS: tuple[type[Message], ...] = (Busy, Stale, NotFound, NotIndexed, Unsupported, Refused)
ANSWERS: tuple[type[Message], ...] = (
    Nonce,
    HelloAck,
    Pong,
    Games,
    NotModified,
    Game,
    Peers,
    DialledBack,
    Bye,
    Data,
    *ERRORS,
)
# Answered with raw bytes and FIN, or with a stream reset, instead of a message.
RAW_REQUESTS: tuple[type[Message], ...] = (
    GetManifest,
    GetGameFileData,
    GetGameFileChunk,
    GetChunks,
    GetAnyChunk,
    GetAvailability,
)
