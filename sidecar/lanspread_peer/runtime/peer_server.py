"""The server component: answers what other peers ask, from the library's index only.

A path that a peer sent is looked up, never joined to a folder. Whatever a peer does wrong ends
its request, is logged once, and costs nobody else anything.
"""

import asyncio
from asyncio import sleep
from collections.abc import Awaitable, Callable
from typing import Protocol

import structlog

from lanspread_peer.core.library_revisions import line_of
from lanspread_peer.core.token_buckets import TokenBuckets
from lanspread_peer.model import errors
from lanspread_peer.model.game import Description, LocalState
from lanspread_peer.model.ids import GameKey, PeerId, game_key
from lanspread_peer.model.limits import (
    MAX_CONNECTIONS,
    MAX_KNOWN_PEERS,
    MAX_REQUEST_BYTES,
    QUESTION_BURST,
    QUESTIONS_PER_SECOND,
    REQUEST_TIMEOUT_S,
    UPLOAD_SLICE_BYTES,
    UPLOAD_SLICE_TIMEOUT_S,
)
from lanspread_peer.runtime.availability_answers import AvailabilityAnswers
from lanspread_peer.runtime.clock import monotonic_s
from lanspread_peer.runtime.counters import RunningCounters
from lanspread_peer.runtime.data_answers import DataAnswers, DataRequest
from lanspread_peer.runtime.library import Library
from lanspread_peer.runtime.log_context import log_only_about
from lanspread_peer.runtime.logs import LogOnce
from lanspread_peer.runtime.offers import Offers
from lanspread_peer.runtime.uploads import Slot, UploadSlots
from lanspread_peer.transport.base import Connection, Stream
from lanspread_peer.wire import messages
from lanspread_peer.wire.codec import decode_request, encode
from lanspread_peer.wire.messages import RAW_REQUESTS, Message
from lanspread_peer.wire.refusals import refusal_of
from lanspread_peer.wire.stream_codes import code_of

_log = structlog.get_logger(__name__)

# What no peer of ours gives a reason for; anything else happens to honest ones.
_OFFENCES = (errors.PeerProtocolError, errors.Refused)


class Askers(Protocol):
    """What the server tells and asks about those who ask it."""

    def challenge(self, connection: Connection) -> messages.Nonce: ...

    async def greet(self, connection: Connection, hello: messages.Hello) -> messages.HelloAck: ...

    def known_peers(self) -> messages.Peers: ...

    def on_library_hint(self, peer_id: PeerId, digest: str) -> None: ...

    def heard(self, peer_id: PeerId) -> None: ...


class PeerServer:
    """Answers one request per stream; `serve` is the transport's stream handler.

    `dial_back` dials a peer and answers its request for that.
    """

    def __init__(
        self,
        library: Library,
        askers: Askers,
        data: DataAnswers,
        offers: Offers,
        availability: AvailabilityAnswers,
        counters: RunningCounters,
        dial_back: Callable[[PeerId], Awaitable[Message]],
    ) -> None:
        self._library = library
        self._askers = askers
        self._dial_back = dial_back
        self._data = data
        self._offers = offers
        self._availability = availability
        self._counters = counters
        # Apart, so that whoever wants to begin need not wait for those who are at it.
        self._manifest_slots = UploadSlots()
        # A change is told to all peers at once, and all of them ask at once.
        self._library_slots = UploadSlots(max_queued=MAX_CONNECTIONS)
        # Streams bound what is reserved: whoever asks more waits for his own answers.
        self._questions: TokenBuckets[PeerId] = TokenBuckets(
            per_second=QUESTIONS_PER_SECOND, burst=QUESTION_BURST, max_keys=MAX_KNOWN_PEERS
        )
        self._said = LogOnce()

    async def serve(self, connection: Connection, stream: Stream) -> None:
        """Read one request and answer it; raises only what the transport raises."""
        log_only_about(peer=connection.peer_id)
        try:
            request = await self._read_request(stream)
        except errors.PeerProtocolError as error:
            await self._refuse(connection, stream, error, is_raw=False)
            return
        except errors.StreamReset:
            connection.offended("requests cut short")
            return
        try:
            await self._answer(connection, stream, request)
        except (errors.ConnectionLost, errors.StreamReset, errors.Stalled) as error:
            stream.reset(code_of(error))
        except errors.LanspreadError as error:
            await self._refuse(connection, stream, error, is_raw=isinstance(request, RAW_REQUESTS))
        else:
            self._counters.requests_served += 1

    async def _read_request(self, stream: Stream) -> Message:
        received = bytearray()
        try:
            async with asyncio.timeout(REQUEST_TIMEOUT_S):
                while piece := await stream.receive():
                    received += piece
                    if len(received) > MAX_REQUEST_BYTES:
                        raise errors.MalformedMessage(f"more than {MAX_REQUEST_BYTES} bytes")
        except TimeoutError as error:
            raise errors.MalformedMessage(f"incomplete after {REQUEST_TIMEOUT_S:g} s") from error
        return decode_request(bytes(received))

    async def _answer(self, connection: Connection, stream: Stream, request: Message) -> None:
        match request:
            case messages.Challenge():
                await _send(stream, self._askers.challenge(connection))
            case messages.Hello():
                if connection.peer_id is not None:
                    # It proves itself again, which costs us more than any other question.
                    await sleep(self._questions.reserve(connection.peer_id, now=monotonic_s()))
                await _send(stream, await self._askers.greet(connection, request))
            case _:
                peer_id = _proved_id(connection)
                self._askers.heard(peer_id)
                if isinstance(request, DataRequest):
                    await self._data.give(connection, stream, request)
                    return
                await sleep(self._questions.reserve(peer_id, now=monotonic_s()))
                await self._answer_peer(connection, stream, request)

    async def _answer_peer(self, connection: Connection, stream: Stream, request: Message) -> None:
        match request:
            case messages.GetManifest():
                await self._send_manifest(connection, stream, request)
            case messages.GetAvailability(content_id=content_id):
                await self._availability.tell(_proved_id(connection), stream, content_id)
            case messages.ListGames(known_digest=digest):
                # Large answers are made one per slot, so that slow readers hold few of them.
                async with self._library_slots.slot(connection, stream) as slot:
                    answer = encode(self._library.revisions.answer(digest))
                    await _send_slices(stream, memoryview(answer), slot)
            case messages.DialBack():
                await _send(stream, await self._dial_back(_proved_id(connection)))
            case _:
                await _send(stream, self._message_for(connection, request))

    def _message_for(self, connection: Connection, request: Message) -> Message:
        match request:
            case messages.Ping(library_digest=digest):
                if digest and connection.peer_id is not None:
                    self._askers.on_library_hint(connection.peer_id, digest)
                return messages.Pong(library_digest=self._library.revisions.digest)
            case messages.GetGame(id=game_id):
                return self._game(game_key(game_id))
            case messages.GetPeers():
                return self._askers.known_peers()
            case messages.Goodbye():
                return messages.Bye()
            case _:
                raise errors.Unsupported("this request is not served here")

    def _game(self, key: GameKey) -> Message:
        game = self._library.indexed(key)
        summary = game.local.summary if game else None
        if game is not None and summary is not None:
            totals = game.manifest.totals
            return messages.Game(
                game=line_of(summary),
                content_id=game.content_id,
                totals=messages.GameTotals(
                    bytes=totals.bytes, files=totals.files, chunks=totals.chunks
                ),
                description=_text_of(game.local.description),
            )
        local = self._library.local_game(key)
        if local is not None and local.state is LocalState.INDEXING:
            return messages.NotIndexed(progress=self._library.hashing_per_mille(key))
        return messages.NotFound()

    async def _send_manifest(
        self, connection: Connection, stream: Stream, request: messages.GetManifest
    ) -> None:
        offer = self._offers.game(request.content_id)
        async with self._manifest_slots.slot(connection, stream) as slot:
            await _send_slices(stream, memoryview(offer.game.manifest_bytes), slot)

    async def _refuse(
        self, connection: Connection, stream: Stream, error: errors.LanspreadError, *, is_raw: bool
    ) -> None:
        self._counters.requests_refused += 1
        if isinstance(error, _OFFENCES):
            connection.offended(error.message)
        is_routine = isinstance(error, errors.SourceUnavailable)
        if not is_routine and self._said.first_time(connection.address.host, error.reason):
            _log.warning(
                "request refused",
                address=str(connection.address),
                reason=error.reason,
                detail=error.message,
            )
        if is_raw:
            stream.reset(code_of(error))
            return
        await _send(stream, refusal_of(error))


def _proved_id(connection: Connection) -> PeerId:
    if connection.peer_id is None:
        raise errors.Refused("expected Challenge and Hello first")
    return connection.peer_id


async def _send(stream: Stream, message: Message) -> None:
    data = encode(message)
    slices = 1 + len(data) // UPLOAD_SLICE_BYTES
    try:
        async with asyncio.timeout(slices * UPLOAD_SLICE_TIMEOUT_S):
            await stream.send(data, end=True)
    except TimeoutError as error:
        raise errors.Stalled("the answer was not taken in time") from error


async def _send_slices(stream: Stream, data: memoryview, slot: Slot) -> None:
    for start in range(0, len(data), UPLOAD_SLICE_BYTES):
        piece = bytes(data[start : start + UPLOAD_SLICE_BYTES])
        slot.keep(len(piece))
        await stream.send(piece)
    await stream.send(b"", end=True)


def _text_of(description: Description) -> messages.GameText:
    return messages.GameText(
        name=description.name,
        description=description.description,
        publisher=description.publisher,
        release_year=description.release_year,
        genre=description.genre,
        max_players=description.max_players,
    )
