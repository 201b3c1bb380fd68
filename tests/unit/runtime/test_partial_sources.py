"""Whom one download follows: downloaders of the same content, as many as the limit."""

from types import SimpleNamespace
from typing import cast

import pytest

from lanspread_peer.core.peer_db import PeerDb
from lanspread_peer.model.errors import ConnectionLost
from lanspread_peer.model.ids import PeerId
from lanspread_peer.model.limits import MAX_FOLLOWED_PEERS, MAX_RETRY_COUNT
from lanspread_peer.runtime.partial_sources import PartialSources
from lanspread_peer.runtime.peer_links import PeerLinks
from lanspread_peer.transport.base import Stream
from lanspread_peer.wire.availability import encode_held
from lanspread_peer.wire.messages import Feature
from support.party import until
from support.values import content_id, instance_id, peer_id, summary

NOBODY = frozenset[PeerId]()


class Answer:
    """A stream that tells of one chunk and then of nothing."""

    def __init__(self) -> None:
        self.pieces = [encode_held(1, 4)]

    async def send(self, data: bytes, *, end: bool = False) -> None:
        """The request."""

    async def receive(self) -> bytes:
        return self.pieces.pop() if self.pieces else b""

    def reset(self, code: int) -> None:
        """The end."""


class Links:
    """A connection to everybody, counted."""

    def __init__(self) -> None:
        self.streams = 0
        self.is_down = False

    def current(self, _peer: PeerId) -> SimpleNamespace:
        return SimpleNamespace(connection=self, features={Feature.AVAILABILITY})

    def open_stream(self) -> Stream:
        self.streams += 1
        if self.is_down:
            raise ConnectionLost("down")
        return cast(Stream, Answer())


def make(count: int) -> tuple[PartialSources, Links, PeerDb]:
    """So many peers that download the content."""
    peers, links = PeerDb(), Links()
    for number in range(count):
        peers.connected(peer_id(number), instance_id(number), "", None, now=0.0)
        peers.library_replaced(peer_id(number), "d", [], [summary()])
    made = PartialSources(
        content_id(1), 4, peers, cast(PeerLinks, links), lambda _peer, _chunks: None, lambda: None
    )
    return made, links, peers


async def settled(sources: PartialSources) -> None:
    """All answers are read."""
    await until(lambda: not sources._tasks._tasks)


async def test_so_many_are_followed_and_no_more() -> None:
    sources, links, _ = make(MAX_FOLLOWED_PEERS + 1)
    sources.update(NOBODY, now=0.0)
    await settled(sources)
    assert links.streams == MAX_FOLLOWED_PEERS
    held = sources.update(NOBODY, now=0.0)
    assert len(held) == MAX_FOLLOWED_PEERS
    assert set(held.values()) == {1}


async def test_who_has_all_is_not_followed() -> None:
    sources, links, _ = make(2)
    assert sources.update(frozenset({peer_id(0), peer_id(1)}), now=0.0) == {}
    assert links.streams == 0
    await sources.close()


async def test_who_refuses_what_it_told_of_is_dropped_after_so_many_times() -> None:
    sources, links, _ = make(1)
    sources.update(NOBODY, now=0.0)
    await settled(sources)
    for _ in range(MAX_RETRY_COUNT):
        assert sources.update(NOBODY, now=0.0)
        sources.refused(peer_id(0))
    sources.refused(peer_id(0))
    assert sources.update(NOBODY, now=1e9) == {}
    assert links.streams == 1


async def test_an_answer_that_ended_is_asked_for_again_and_what_it_told_holds_until_then() -> None:
    sources, links, peers = make(1)
    sources.update(NOBODY, now=0.0)
    await settled(sources)
    assert sources.update(NOBODY, now=0.0) == {peer_id(0): 1}
    assert sources.update(NOBODY, now=1e9) == {}
    await settled(sources)
    assert links.streams == 2
    assert sources.update(NOBODY, now=0.0) == {peer_id(0): 1}
    peers.lost(peer_id(0), now=0.0)
    assert sources.update(NOBODY, now=0.0) == {}


@pytest.mark.parametrize("is_down", [True, False])
async def test_what_was_told_counts_no_more_when_the_connection_broke(is_down: bool) -> None:
    sources, links, _ = make(1)
    links.is_down = is_down
    sources.update(NOBODY, now=0.0)
    await settled(sources)
    assert bool(sources.update(NOBODY, now=0.0)) is not is_down
