"""Whom strangers' words can hide: no peer that was seen, and no address that was proved."""

from lanspread_peer.core.peer_db import PeerDb
from lanspread_peer.model.ids import PeerId
from lanspread_peer.model.limits import (
    MAX_ADDRESSES_PER_PEER,
    MAX_HINTED_ADDRESSES_PER_PEER,
    MAX_KNOWN_PEERS,
)
from lanspread_peer.model.peer import Sighting
from support.values import address, instance_id, peer_id

PEER, TELLER = peer_id(1), peer_id(2)


def seen(*numbers: int, origin: str = "mdns") -> Sighting:
    return Sighting(tuple(address(number) for number in numbers), origin)


def hinted(*numbers: int) -> Sighting:
    return Sighting(tuple(address(number) for number in numbers), "peer", told_by=TELLER)


def test_hints_come_after_what_was_seen_and_only_a_few_are_kept() -> None:
    peers = PeerDb()
    peers.sighted(PEER, seen(1), now=0.0)
    for number in range(100, 100 + MAX_ADDRESSES_PER_PEER):
        peers.sighted(PEER, hinted(number), now=1.0)
    known = peers.addresses(PEER)
    assert known[0] == address(1)
    assert len(known) == 1 + MAX_HINTED_ADDRESSES_PER_PEER
    assert peers.hinted_addresses(PEER) == frozenset(known[1:])


def test_an_address_that_was_hinted_and_then_seen_counts_as_seen() -> None:
    peers = PeerDb()
    peers.sighted(PEER, hinted(1), now=0.0)
    peers.sighted(PEER, seen(1), now=0.0)
    peers.sighted(PEER, hinted(2), now=0.0)
    peers.sighted(PEER, hinted(1), now=0.0)
    assert peers.addresses(PEER) == (address(1), address(2))
    assert peers.hinted_addresses(PEER) == {address(2)}


def test_no_forged_record_displaces_the_address_that_a_person_typed() -> None:
    peers = PeerDb()
    peers.sighted(PEER, seen(1, origin="dialled"), now=0.0)
    for start in (100, 200, 300):
        forged = range(start, start + MAX_ADDRESSES_PER_PEER)
        peers.sighted(PEER, seen(*forged), now=1.0)
        peers.sighted(PEER, hinted(*forged), now=1.0)
    assert peers.addresses(PEER)[0] == address(1)


def test_no_forged_record_displaces_what_connections_proved_one_after_the_other() -> None:
    peers = PeerDb()
    for number in (1, 2):
        peers.connected(PEER, instance_id(1), "p", address(number), now=0.0)
    peers.sighted(PEER, seen(*range(100, 100 + MAX_ADDRESSES_PER_PEER)), now=1.0)
    assert peers.addresses(PEER)[:2] == (address(2), address(1))


def full_of_hints() -> PeerDb:
    peers = PeerDb()
    for number in range(100, 100 + MAX_KNOWN_PEERS):
        assert peers.sighted(peer_id(number), hinted(number), now=float(number))
    return peers


def test_hints_displace_only_the_oldest_hints() -> None:
    peers = PeerDb()
    forgotten: list[PeerId] = []
    peers.watch_forgotten(forgotten.append)
    assert peers.sighted(PEER, seen(1), now=0.0)
    for number in range(100, 100 + 2 * MAX_KNOWN_PEERS):
        assert peers.sighted(peer_id(number), hinted(number), now=1.0)
    assert peers.status(PEER) is not None
    assert len(peers.statuses()) == MAX_KNOWN_PEERS
    assert forgotten == [peer_id(100 + number) for number in range(MAX_KNOWN_PEERS + 1)]


def test_a_peer_is_forgotten_on_command_unless_it_is_connected() -> None:
    peers = PeerDb()
    forgotten: list[PeerId] = []
    peers.watch_forgotten(forgotten.append)
    peers.sighted(PEER, seen(1), now=0.0)
    peers.connected(PEER, instance_id(1), "one", address(1), now=0.0)
    peers.forget(PEER)
    assert peers.status(PEER) is not None
    peers.lost(PEER, now=1.0)
    for _ in range(2):
        peers.forget(PEER)
    assert (peers.status(PEER), forgotten) == (None, [PEER])


def test_who_is_seen_takes_the_place_of_a_hint() -> None:
    peers = full_of_hints()
    assert not peers.sighted(peer_id(100), seen(100), now=0.0), "it was hinted first, then seen"
    assert peers.sighted(PEER, seen(1), now=0.0)
    assert peers.status(peer_id(100)) is not None
    assert peers.status(peer_id(101)) is None


def test_no_hint_is_taken_when_all_that_are_known_were_seen() -> None:
    peers = PeerDb()
    for number in range(100, 100 + MAX_KNOWN_PEERS):
        peers.sighted(peer_id(number), seen(number), now=0.0)
        peers.sighted(peer_id(number), hinted(5000), now=0.0)
    assert not peers.sighted(PEER, hinted(1), now=9.0)
    assert peers.status(PEER) is None
    assert peers.sighted(PEER, seen(1), now=9.0), "but whoever is seen himself"
