"""The peer database keeps its index, its bounds, and what was proved."""

import pytest

from lanspread_peer.core.peer_db import FORGET_AFTER_S, PeerDb
from lanspread_peer.model.ids import game_key
from lanspread_peer.model.limits import (
    MAX_ADDRESSES_PER_PEER,
    MAX_KNOWN_GAME_LINES,
    MAX_KNOWN_PEERS,
    MAX_LIBRARY_GAMES,
)
from lanspread_peer.model.peer import PeerState, Sighting
from support.values import address, content_id, instance_id, peer_id, summary

AOE2 = game_key("aoe2")


def sighting(*numbers: int) -> Sighting:
    return Sighting(tuple(address(number) for number in numbers), "test")


@pytest.fixture
def peers() -> PeerDb:
    """Peers 1 and 2, connected."""
    db = PeerDb()
    for number in (1, 2):
        db.sighted(peer_id(number), sighting(number), now=0.0)
        db.connected(peer_id(number), instance_id(number), f"p{number}", address(number), now=0.0)
    return db


def test_a_sighting_is_new_once() -> None:
    db = PeerDb()
    assert db.sighted(peer_id(1), sighting(1), now=0.0)
    assert not db.sighted(peer_id(1), sighting(2), now=1.0)
    assert db.addresses(peer_id(1)) == (address(2), address(1))


def test_a_peer_that_nobody_can_dial_is_connected_without_an_address(peers: PeerDb) -> None:
    peers.connected(peer_id(3), instance_id(3), "p3", None, now=0.0)
    assert peers.is_connected(peer_id(3))
    assert peers.addresses(peer_id(3)) == ()
    assert set(peers.connected_addresses()) == {peer_id(1), peer_id(2)}


def test_the_library_of_a_connected_peer_is_indexed_by_game(peers: PeerDb) -> None:
    changed = peers.library_replaced(peer_id(1), "d1", [summary(), summary("doom", content=2)])
    assert changed == {AOE2, game_key("doom")}
    assert peers.sources(AOE2, content_id(1)) == {peer_id(1)}
    assert peers.game_keys() == changed
    assert peers.library_digest(peer_id(1)) == "d1"


def test_the_same_library_again_changes_nothing(peers: PeerDb) -> None:
    peers.library_replaced(peer_id(1), "d1", [summary()])
    assert peers.library_replaced(peer_id(1), "d2", [summary()]) == frozenset()


def test_game_ids_that_differ_in_case_are_one_game(peers: PeerDb) -> None:
    peers.library_replaced(peer_id(1), "d1", [summary("AoE2")])
    peers.library_replaced(peer_id(2), "d2", [summary("aoe2")])
    assert peers.sources(AOE2, content_id(1)) == {peer_id(1), peer_id(2)}


def test_a_delta_adds_changes_and_removes(peers: PeerDb) -> None:
    peers.library_replaced(peer_id(1), "d1", [summary(), summary("doom", content=2)])
    changed = peers.library_changed(
        peer_id(1), "d2", [summary("quake", content=3)], [game_key("DOOM")]
    )
    assert changed == {game_key("doom"), game_key("quake")}
    assert peers.game_keys() == {AOE2, game_key("quake")}


def test_every_game_that_a_delta_removes_is_gone(peers: PeerDb) -> None:
    peers.library_replaced(peer_id(1), "d1", [summary(name) for name in ("a", "b", "c", "d")])
    removed = map(game_key, ["b", "D"])
    assert peers.library_changed(peer_id(1), "d2", [], removed) == {game_key("b"), game_key("d")}
    assert peers.game_keys() == {game_key("a"), game_key("c")}


def test_a_library_that_an_answer_contradicts_is_asked_for_again(peers: PeerDb) -> None:
    peers.library_replaced(peer_id(1), "d1", [summary()])
    peers.game_answered(peer_id(1), AOE2, summary())
    assert peers.library_digest(peer_id(1)) == "d1"
    peers.game_answered(peer_id(1), AOE2, None)
    assert peers.library_digest(peer_id(1)) == ""


def test_a_lost_peer_holds_nothing(peers: PeerDb) -> None:
    peers.library_replaced(peer_id(1), "d1", [summary()])
    assert peers.lost(peer_id(1), now=5.0) == {AOE2}
    assert peers.game_keys() == frozenset()
    assert peers.library_digest(peer_id(1)) == ""
    assert peers.connected_count == 1


def test_a_peer_that_is_not_connected_has_no_library() -> None:
    db = PeerDb()
    db.sighted(peer_id(1), sighting(1), now=0.0)
    assert db.library_replaced(peer_id(1), "d", [summary()]) == frozenset()
    assert db.game_answered(peer_id(1), AOE2, summary()) == frozenset()
    assert db.game_keys() == frozenset()


def test_an_answer_about_one_game_changes_that_game_only(peers: PeerDb) -> None:
    peers.library_replaced(peer_id(1), "d1", [summary(), summary("doom", content=2)])
    assert peers.game_answered(peer_id(1), AOE2, summary(content=9)) == {AOE2}
    assert peers.sources(AOE2, content_id(9)) == {peer_id(1)}
    assert peers.game_answered(peer_id(1), AOE2, None) == {AOE2}
    assert peers.game_keys() == {game_key("doom")}


def test_a_library_is_cut_at_its_limit(peers: PeerDb) -> None:
    games = [summary(f"game{number}") for number in range(MAX_LIBRARY_GAMES + 1)]
    peers.library_replaced(peer_id(1), "d1", games)
    assert len(peers.game_keys()) == MAX_LIBRARY_GAMES
    assert peers.game_answered(peer_id(1), AOE2, summary()) == frozenset()


def test_addresses_are_bounded_and_the_proved_one_stays(peers: PeerDb) -> None:
    for number in range(100, 100 + 2 * MAX_ADDRESSES_PER_PEER):
        peers.sighted(peer_id(1), sighting(number), now=1.0)
    known = peers.addresses(peer_id(1))
    assert len(known) == MAX_ADDRESSES_PER_PEER
    assert known[0] == address(1)


def test_a_full_database_forgets_the_oldest_that_is_gone_and_no_connected_one(
    peers: PeerDb,
) -> None:
    for number in range(3, MAX_KNOWN_PEERS + 1):
        assert peers.sighted(peer_id(number), sighting(number), now=float(number))
    assert peers.sighted(peer_id(5000), sighting(1), now=9999.0)
    assert len(peers.statuses()) == MAX_KNOWN_PEERS
    assert peers.status(peer_id(3)) is None
    assert peers.is_connected(peer_id(1))


def test_a_database_full_of_connected_peers_takes_no_more() -> None:
    db = PeerDb()
    for number in range(MAX_KNOWN_PEERS):
        db.connected(peer_id(number), instance_id(number), "p", address(number), now=0.0)
    assert not db.sighted(peer_id(5000), sighting(1), now=1.0)
    assert db.status(peer_id(5000)) is None


def test_peers_that_are_gone_long_are_forgotten(peers: PeerDb) -> None:
    peers.lost(peer_id(1), now=10.0)
    peers.forget_stale(now=10.0 + FORGET_AFTER_S)
    assert peers.status(peer_id(1)) is not None
    peers.forget_stale(now=10.1 + FORGET_AFTER_S)
    assert peers.status(peer_id(1)) is None
    assert peers.is_connected(peer_id(2))


def test_a_status_shows_liveness_speed_and_size(peers: PeerDb) -> None:
    peers.library_replaced(peer_id(1), "d1", [summary(), summary("doom")])
    peers.answered(peer_id(1), rtt_s=0.002, now=1.0)
    peers.served(peer_id(1), 500)
    peers.suspected(peer_id(1), is_suspect=True)
    status = peers.status(peer_id(1))
    assert status is not None
    assert (status.state, status.rtt_s, status.games) == (PeerState.SUSPECT, 0.002, 2)
    assert (status.library_bytes, status.served_bytes) == (2000, 500)
    assert (status.name, status.address, status.transport) == ("p1", address(1), "quic")
    peers.suspected(peer_id(1), is_suspect=False)
    peers.lost(peer_id(1), now=2.0)
    status = peers.status(peer_id(1))
    assert status is not None
    assert (status.state, status.rtt_s, status.transport) == (PeerState.LOST, None, "")


def test_unknown_peers_are_ignored() -> None:
    db = PeerDb()
    stranger = peer_id(1)
    db.suspected(stranger, is_suspect=True)
    db.answered(stranger, rtt_s=1.0, now=0.0)
    db.served(stranger, 1)
    assert db.lost(stranger, now=0.0) == frozenset()
    assert db.library_changed(stranger, "d", [], []) == frozenset()
    assert db.addresses(stranger) == ()
    assert db.name(stranger) == ""
    assert not db.is_connected(stranger)


def test_connected_addresses_are_those_in_use(peers: PeerDb) -> None:
    peers.lost(peer_id(2), now=1.0)
    assert peers.connected_addresses() == {peer_id(1): address(1)}


def test_made_up_games_of_many_peers_are_bounded_and_hide_no_modest_library() -> None:
    db = PeerDb()
    crowd = MAX_KNOWN_GAME_LINES // MAX_LIBRARY_GAMES + 4
    for number in range(1, crowd + 2):
        db.sighted(peer_id(number), sighting(number), now=0.0)
        db.connected(peer_id(number), instance_id(number), "", address(number), now=0.0)
    share = MAX_KNOWN_GAME_LINES // (crowd + 1)
    db.library_replaced(peer_id(1), "honest", [summary(f"h{n}") for n in range(share)])
    for number in range(2, crowd + 2):
        games = [summary(f"g{number}-{n}") for n in range(MAX_LIBRARY_GAMES)]
        changed = db.library_replaced(peer_id(number), f"d{number}", games)
        held = sum(status.games for status in db.statuses())
        assert held <= MAX_KNOWN_GAME_LINES
        assert len(db.game_keys()) == held
    # Those that gave way for the last one changed too, and whoever shows them must hear of it.
    assert len(changed) > MAX_LIBRARY_GAMES
    honest = db.status(peer_id(1))
    assert honest is not None
    assert honest.games == share
    assert db.library_digest(peer_id(2)) == "d2"


def test_a_peer_that_leaves_makes_room() -> None:
    db = PeerDb()
    count = MAX_KNOWN_GAME_LINES // MAX_LIBRARY_GAMES
    for number in range(1, count + 2):
        db.sighted(peer_id(number), sighting(number), now=0.0)
        db.connected(peer_id(number), instance_id(number), "", address(number), now=0.0)
    for number in range(1, count + 1):
        games = [summary(f"g{number}-{n}") for n in range(MAX_LIBRARY_GAMES)]
        db.library_replaced(peer_id(number), "d", games)
    assert sum(status.games for status in db.statuses()) == MAX_KNOWN_GAME_LINES
    db.lost(peer_id(1), now=1.0)
    games = [summary(f"more-{n}") for n in range(MAX_LIBRARY_GAMES)]
    db.library_replaced(peer_id(count + 1), "d", games)
    assert sum(status.games for status in db.statuses()) == MAX_KNOWN_GAME_LINES


def test_a_refusal_is_shown_until_the_peer_is_connected(peers: PeerDb) -> None:
    peers.refused(peer_id(9), "NOT_A_MEMBER")
    assert peers.status(peer_id(9)) is None, "a stranger is not made known by that"
    peers.refused(peer_id(1), "NOT_A_MEMBER")
    peers.lost(peer_id(2), now=1.0)
    peers.refused(peer_id(2), "CERTIFICATE_EXPIRED")
    shown = {status.id: status.refusal for status in peers.statuses()}
    assert shown == {peer_id(1): "", peer_id(2): "CERTIFICATE_EXPIRED"}
    peers.connected(peer_id(2), instance_id(2), "p2", address(2), now=2.0)
    status = peers.status(peer_id(2))
    assert status is not None
    assert status.refusal == ""
