"""Small answers are not given for ever either."""

import asyncio

import pytest

from lanspread_peer.model.errors import Stalled
from lanspread_peer.runtime import peer_server
from lanspread_peer.runtime.peer_server import _send
from lanspread_peer.transport.base import Stream
from lanspread_peer.wire import messages


class Dripping:
    """Takes something now and then, so that it never stalls, and never all."""

    async def receive(self) -> bytes:
        return b""

    def reset(self, code: int) -> None:
        raise AssertionError(code)

    async def send(self, data: bytes, *, end: bool = False) -> None:  # noqa: ARG002 - as it is
        await asyncio.Event().wait()

    async def wait_cut(self) -> None:
        await asyncio.Event().wait()


async def test_an_answer_that_is_not_taken_in_time_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(peer_server, "UPLOAD_SLICE_TIMEOUT_S", 0.02)
    stream: Stream = Dripping()
    with pytest.raises(Stalled):
        await _send(stream, messages.Pong())
