"""A chunk of own choice that was not sent to its end counts as not given."""

import asyncio
from collections.abc import Iterable, Iterator
from random import Random
from typing import cast

import pytest

from lanspread_peer.core.any_choice import AnyChoice
from lanspread_peer.core.run_slices import FileRange
from lanspread_peer.model.errors import Stale
from lanspread_peer.model.ids import PeerId
from lanspread_peer.model.peer import Address
from lanspread_peer.runtime.counters import RunningCounters
from lanspread_peer.runtime.data_answers import DataAnswers
from lanspread_peer.runtime.data_requests import DataRequests
from lanspread_peer.runtime.offers import Offers
from lanspread_peer.runtime.rate_limits import RateLimit
from lanspread_peer.runtime.uploads import UploadSlots
from lanspread_peer.transport.base import Connection, Stream
from lanspread_peer.wire.chunk_bitmap import encode_bitmap
from lanspread_peer.wire.messages import CHUNK_NUMBER_BYTES, GetAnyChunk
from support.manifests import game_manifest
from support.values import peer_id

CONTENT = "ab" * 32


class Disk:
    """Offers one content, whose bytes can be read while `is_right`."""

    def __init__(self) -> None:
        self.manifest = game_manifest({"version.ini": b"1", "a": b"2"})
        self.is_right = True

    def whole(self, _content_id: str) -> "Disk":
        return self

    def slices(self, slices: Iterable[Iterable[FileRange]]) -> Iterator[bytes]:
        for ranges in slices:
            if not self.is_right:
                raise Stale("the file changed")
            yield bytes(sum(part.length for part in ranges))

    def look_again(self) -> None:
        """Nothing to look at."""


class Caller:
    """As much of a connection as counts here."""

    peer_id: PeerId | None = peer_id(1)
    address = Address("192.0.2.1", 1)


class Answer:
    """As much of a stream as counts here."""

    def __init__(self) -> None:
        self.sent = b""

    async def send(self, data: bytes, *, end: bool = False) -> None:  # noqa: ARG002 - as it is
        self.sent += data

    async def wait_cut(self) -> None:
        await asyncio.Event().wait()


async def give(answers: DataAnswers, *wanted: int) -> int:
    """Which of the wanted chunks is given."""
    answer = Answer()
    text = encode_bitmap(sum(1 << number for number in wanted), 2)
    request = GetAnyChunk(CONTENT, text)
    await answers.give(cast(Connection, Caller()), cast(Stream, answer), request)
    return int.from_bytes(answer.sent[:CHUNK_NUMBER_BYTES], "big")


async def test_what_was_not_sent_to_its_end_goes_out_first() -> None:
    disk = Disk()
    requests = DataRequests(cast(Offers, disk), AnyChoice(Random(1)))
    answers = DataAnswers(requests, UploadSlots(), RateLimit(), RunningCounters())
    assert await give(answers, 0) == 0
    disk.is_right = False
    for _ in range(2):
        with pytest.raises(Stale):
            await give(answers, 1)
    disk.is_right = True
    assert await give(answers, 0, 1) == 1
    assert await give(answers, 1) == 1
    assert await give(answers, 0, 1) == 0
