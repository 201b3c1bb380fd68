"""Asking a peer: one request on a stream of its own, and its answer, bounded in size and time."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeVar

from lanspread_peer.model import errors
from lanspread_peer.model.limits import (
    MAX_ANSWER_BYTES,
    MAX_SHORT_ANSWER_BYTES,
    REQUEST_TIMEOUT_S,
)
from lanspread_peer.transport.base import Connection, Stream
from lanspread_peer.wire import messages
from lanspread_peer.wire.codec import decode_answer, encode
from lanspread_peer.wire.messages import Message
from lanspread_peer.wire.refusals import error_in
from lanspread_peer.wire.stream_codes import StreamCode, error_of

# Many times what a busy PC needs to answer a ping, and short enough for somebody to wait for.
_SIGN_OF_LIFE_S = 1.5

_Answer = TypeVar("_Answer", bound=Message)

# Every other answer is short, and nobody may send a long one instead.
_LONG_ANSWERS = frozenset({messages.Games, messages.Peers})


async def ask(
    connection: Connection,
    request: Message,
    *expected: type[_Answer],
    timeout_s: float = REQUEST_TIMEOUT_S,
) -> _Answer:
    """The peer's answer, of an expected type; raises SourceUnavailable or MalformedMessage."""
    is_long = not _LONG_ANSWERS.isdisjoint(expected)
    max_bytes = MAX_ANSWER_BYTES if is_long else MAX_SHORT_ANSWER_BYTES
    try:
        async with asyncio.timeout(timeout_s), _request_stream(connection, request) as stream:
            answer = await _decode(await _read_all(stream, max_bytes))
    except TimeoutError as error:
        raise errors.Stalled(f"no answer within {timeout_s:g} s") from error
    if isinstance(answer, expected):
        return answer
    raise error_in(answer)


async def is_answering(connection: Connection) -> bool:
    """Whether the peer gives a sign of life on this connection, now."""
    try:
        await ask(connection, messages.Ping(), messages.Pong, timeout_s=_SIGN_OF_LIFE_S)
    except errors.Busy:
        # All streams are in use, so the line is anything but dead.
        return True
    except errors.LanspreadError:
        return False
    return True


async def pieces_of(connection: Connection, request: Message) -> AsyncGenerator[bytes, None]:
    """The raw bytes of the answer as they come, to the end; raises SourceUnavailable.

    The caller closes it, which cuts what is still to come.
    """
    async with _request_stream(connection, request) as stream:
        while piece := await stream.receive():
            yield piece


@asynccontextmanager
async def _request_stream(connection: Connection, request: Message) -> AsyncIterator[Stream]:
    stream = connection.open_stream()
    try:
        await stream.send(encode(request), end=True)
        yield stream
    except errors.StreamReset as reset:
        raise error_of(reset.code) from reset
    finally:
        # Whatever the answer still holds is not wanted; after its end this does nothing.
        stream.reset(StreamCode.REFUSED)


async def _read_all(stream: Stream, max_bytes: int) -> bytes:
    collected = bytearray()
    while piece := await stream.receive():
        if len(collected) + len(piece) > max_bytes:
            raise errors.MalformedMessage(f"expected an answer of at most {max_bytes} bytes")
        collected += piece
    return bytes(collected)


async def _decode(data: bytes) -> Message:
    if len(data) <= MAX_SHORT_ANSWER_BYTES:
        return decode_answer(data)
    # The longest takes a tenth of a second, which would hold the loop.
    return await asyncio.to_thread(decode_answer, data)
