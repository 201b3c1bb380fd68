"""Peers that download a content are known apart from those that have it."""

import pytest

from lanspread_peer.core.peer_db import PeerDb
from lanspread_peer.model.ids import GameKey
from lanspread_peer.model.limits import MAX_DOWNLOADING_GAMES
from support.values import content_id, instance_id, peer_id, summary

A, B = peer_id(1), peer_id(2)
AOE2 = GameKey("aoe2")


@pytest.fixture
def peers() -> PeerDb:
    """Two connected peers."""
    db = PeerDb()
    for number in (1, 2):
        db.connected(peer_id(number), instance_id(number), "", None, now=0.0)
    return db


def test_a_part_is_never_counted_for_the_whole(peers: PeerDb) -> None:
    assert peers.library_replaced(A, "d", [], [summary()]) == {AOE2}
    assert peers.partial_sources(content_id(1)) == {A}
    assert peers.sources(AOE2, content_id(1)) == frozenset()
    assert peers.holders(AOE2) == {}
    assert peers.game_keys() == frozenset()
    status = peers.status(A)
    assert status is not None
    assert status.games == 0


def test_only_news_is_told(peers: PeerDb) -> None:
    peers.library_replaced(A, "d", [], [summary(), summary("doom", content=2)])
    assert peers.library_changed(A, "e", [], [], [summary()]) == {"doom"}
    assert peers.library_changed(A, "f", [], [], [summary()]) == frozenset()
    assert peers.partial_sources(content_id(2)) == frozenset()
    assert peers.library_changed(A, "g", [summary()], []) == {AOE2}
    assert peers.partial_sources(content_id(1)) == frozenset()
    assert peers.sources(AOE2, content_id(1)) == {A}


def test_a_lost_peer_downloads_nothing(peers: PeerDb) -> None:
    for peer in (A, B):
        peers.library_replaced(peer, "d", [], [summary()])
    assert peers.lost(A, now=1.0) == {AOE2}
    assert peers.partial_sources(content_id(1)) == {B}


def test_a_peer_that_is_not_connected_downloads_nothing(peers: PeerDb) -> None:
    peers.lost(A, now=1.0)
    assert peers.library_replaced(A, "d", [], [summary()]) == frozenset()
    assert peers.partial_sources(content_id(1)) == frozenset()


def test_a_peer_downloads_no_more_than_the_limit(peers: PeerDb) -> None:
    games = [summary(f"g{number}", content=number) for number in range(MAX_DOWNLOADING_GAMES + 1)]
    peers.library_replaced(A, "d", [], games)
    assert peers.partial_sources(content_id(MAX_DOWNLOADING_GAMES - 1)) == {A}
    assert peers.partial_sources(content_id(MAX_DOWNLOADING_GAMES)) == frozenset()
