"""Partial sources for tests of whom one download follows: answers as they are wanted."""

import asyncio
from random import Random
from types import SimpleNamespace
from typing import cast

from lanspread_peer.core.chunk_set import ChunkSet
from lanspread_peer.core.peer_db import PeerDb
from lanspread_peer.model.errors import ConnectionLost
from lanspread_peer.model.ids import PeerId
from lanspread_peer.model.peer import Address
from lanspread_peer.runtime.partial_sources import Followed, PartialSources
from lanspread_peer.runtime.peer_links import PeerLinks
from lanspread_peer.transport.base import Stream
from lanspread_peer.wire.availability import encode_held
from lanspread_peer.wire.messages import Feature
from support.party import until
from support.values import content_id, instance_id, peer_id, summary

NOBODY = frozenset[PeerId]()


class Answer:
    """A stream that tells of one chunk, then of nothing, or of nothing more for ever."""

    def __init__(self, lines: bytes, *, ends: bool) -> None:
        self.pieces = [lines] if lines else []
        self.ends = ends

    async def send(self, data: bytes, *, end: bool = False) -> None:
        """The request."""

    async def receive(self) -> bytes:
        if not self.pieces and not self.ends:
            await asyncio.Event().wait()
        return self.pieces.pop() if self.pieces else b""

    def reset(self, code: int) -> None:
        """The end."""


class Links:
    """A connection to everybody, counted."""

    def __init__(self) -> None:
        self.streams = 0
        self.offences: list[str] = []
        self.news: list[ChunkSet] = []
        self.lines = encode_held(1, 4)
        self.answers_end = True
        self.is_down = False

    def connection(self, _peer: PeerId) -> SimpleNamespace:
        return SimpleNamespace(address=Address("192.0.2.1", 1), is_closed=False)

    def current(self, _peer: PeerId) -> SimpleNamespace:
        return SimpleNamespace(connection=self, features={Feature.AVAILABILITY})

    def open_stream(self) -> Stream:
        self.streams += 1
        if self.is_down:
            raise ConnectionLost("down")
        return cast(Stream, Answer(self.lines, ends=self.answers_end))

    def offended(self, detail: str) -> None:
        self.offences.append(detail)


def make(count: int, chunk_count: int = 4, seed: int = 1) -> tuple[PartialSources, Links, PeerDb]:
    """So many peers that download the content."""
    peers, links = PeerDb(), Links()
    for number in range(count):
        peers.connected(peer_id(number), instance_id(number), "", None, now=0.0)
        peers.library_replaced(peer_id(number), "d", [], [summary()])
    made = PartialSources(
        content_id(1),
        chunk_count,
        peers,
        cast(PeerLinks, links),
        lambda _, chunks: links.news.append(chunks),
        lambda: None,
        Random(seed),
    )
    return made, links, peers


async def settled(sources: PartialSources) -> None:
    """All answers are read."""
    await until(lambda: not sources._tasks._tasks)


async def telling(sources: PartialSources, number: int = 0) -> Followed:
    """One that has told what it holds, and may tell more."""
    await until(lambda: (followed := sources.followed(peer_id(number))) and followed.held)
    followed = sources.followed(peer_id(number))
    assert followed is not None
    return followed
