"""A peer that is removed is forgotten: not dialled, not listed, until it comes back by itself."""

import pytest

from lanspread_peer.model import errors
from lanspread_peer.model.events import (
    PeerConnected,
    PeerDiscovered,
    PeerLost,
    PeerRemoved,
    PeerUpdated,
)
from lanspread_peer.model.peer import PeerState
from support.party import AOE2, Party, address_of, connection_count, make_game, title, until
from support.values import peer_id


async def test_a_removed_peer_is_not_listed_and_its_connection_ends(party: Party) -> None:
    peer = await party.hostile({AOE2: make_game(1)})
    sidecar = await party.downloader(peer)
    await sidecar.remove_peer(peer.peer_id)
    assert await peer.accepted[0].wait_closed() == "removed"
    assert (sidecar.peers(), connection_count(sidecar)) == ([], 0)
    await until(lambda: title(sidecar) is None)
    events = party.events(sidecar)
    removed = await events.wait_for(PeerRemoved)
    assert removed.peer_id == peer.peer_id
    told = [type(event) for event in events.all if isinstance(event, PeerLost | PeerRemoved)]
    assert told == [PeerLost, PeerRemoved]


async def test_it_is_dialled_no_more_where_a_person_typed_its_address(party: Party) -> None:
    peer = await party.hostile()
    sidecar = await party.start("alice")
    await sidecar.add_peer(address_of(peer))
    await sidecar.remove_peer(peer.peer_id)
    assert sidecar._neighbourhood._pinned._pinned == {}
    assert sidecar._neighbourhood._pinned._tasks._tasks == set()
    assert sidecar._neighbourhood.links._links == {}
    assert len(peer.accepted) == 1


async def test_it_comes_back_when_it_calls_and_when_it_is_added_again(party: Party) -> None:
    peer = await party.hostile()
    sidecar = await party.start("alice")
    await sidecar.add_peer(address_of(peer))
    await sidecar.remove_peer(peer.peer_id)
    connection = await peer.connect(address_of(sidecar))
    await peer.say_hello(connection)
    await until(lambda: [each.state for each in sidecar.peers()] == [PeerState.CONNECTED])
    await sidecar.remove_peer(peer.peer_id)
    await sidecar.add_peer(address_of(peer))
    events = party.events(sidecar)
    await until(lambda: len(events.of(PeerConnected)) == 3)
    assert len(events.of(PeerDiscovered)) == 3


async def test_a_peer_that_was_never_seen_cannot_be_removed(party: Party) -> None:
    sidecar = await party.start("alice")
    with pytest.raises(errors.PeerNotFound):
        await sidecar.remove_peer(peer_id(1))
    assert party.events(sidecar).of(PeerRemoved) == []


async def test_a_blocked_peer_that_is_removed_stays_blocked_and_listed(party: Party) -> None:
    peer = await party.hostile()
    sidecar = await party.start("alice")
    await sidecar.add_peer(address_of(peer))
    await sidecar.block_peer(peer.peer_id)
    await sidecar.remove_peer(peer.peer_id)
    [shown] = sidecar.peers()
    assert (shown.id, shown.blocked, shown.address) == (peer.peer_id, True, None)
    events = party.events(sidecar)
    await until(lambda: len(events.of(PeerUpdated)) == 2)
    assert events.of(PeerUpdated)[-1].peer == shown
    await sidecar.unblock_peer(peer.peer_id)
    assert sidecar.peers() == []
    await events.wait_for(PeerRemoved)
