"""A request that never ends is not collected."""

from typing import Any, cast

from lanspread_peer.model.ids import PeerId
from lanspread_peer.model.limits import KIB, MAX_REQUEST_BYTES
from lanspread_peer.model.peer import Address
from lanspread_peer.runtime.counters import RunningCounters
from lanspread_peer.runtime.peer_server import PeerServer
from lanspread_peer.transport.base import Connection, Stream
from lanspread_peer.wire.codec import decode_answer
from lanspread_peer.wire.messages import Message, Refused

_PIECE = 16 * KIB


class _EndlessStream:
    def __init__(self) -> None:
        self.given = 0
        self.answer = b""

    async def receive(self) -> bytes:
        self.given += _PIECE
        # Far enough that one who collects it all has done so.
        return b"x" * _PIECE if self.given < 100 * MAX_REQUEST_BYTES else b""

    async def send(self, data: bytes, *, end: bool = False) -> None:  # noqa: ARG002 - a protocol
        self.answer += data


class _Caller:
    address = Address("192.0.2.1", 5000)
    peer_id = None

    def __init__(self) -> None:
        self.offences: list[str] = []

    def offended(self, detail: str) -> None:
        self.offences.append(detail)


async def _unasked(peer: PeerId) -> Message:
    raise AssertionError(peer)


async def test_a_request_that_never_ends_is_refused_at_its_limit() -> None:
    stream = _EndlessStream()
    # It is refused before anybody looks at games or callers.
    nobody = cast(Any, None)
    server = PeerServer(nobody, nobody, nobody, nobody, nobody, RunningCounters(), _unasked)
    caller = _Caller()
    await server.serve(cast(Connection, caller), cast(Stream, stream))
    assert stream.given <= MAX_REQUEST_BYTES + _PIECE
    assert isinstance(decode_answer(stream.answer), Refused)
    assert len(caller.offences) == 1
