"""A blocked peer is neither dialled nor answered, and no source, also after a restart."""

import asyncio

import pytest

from lanspread_peer.model import errors
from lanspread_peer.model.download import DownloadState
from lanspread_peer.model.events import PeerConnected, PeerDiscovered, PeerLost
from lanspread_peer.model.peer import PeerState
from lanspread_peer.runtime.sidecar import Sidecar
from lanspread_peer.wire import messages
from support.hostile_peer import HostilePeer, silent
from support.party import (
    AOE2,
    Party,
    address_of,
    connection_count,
    make_game,
    start_download,
    title,
    until,
    wait_bytes,
    wait_done,
)


async def linked(party: Party) -> tuple[Sidecar, HostilePeer]:
    """A sidecar, and a peer with a game that it is connected to."""
    peer = await party.hostile({AOE2: make_game(2)})
    return await party.downloader(peer), peer


async def test_a_blocked_peers_connection_ends_at_once_and_it_is_no_source(party: Party) -> None:
    sidecar, peer = await linked(party)
    blocked = await sidecar.block_peer(peer.peer_id)
    assert (blocked.blocked, blocked.state) == (True, PeerState.LOST)
    assert await peer.accepted[0].wait_closed() == "blocked"
    assert (sidecar.status().peer_count, connection_count(sidecar)) == (0, 0)
    await until(lambda: title(sidecar) is None)
    assert [(each.id, each.blocked) for each in sidecar.peers()] == [(peer.peer_id, True)]
    await until(lambda: len(party.events(sidecar).of(PeerLost)) == 1)


async def test_a_peer_that_never_ends_its_greeting_is_blocked_at_once(party: Party) -> None:
    peer = await party.hostile()
    peer.answers[messages.Challenge] = silent
    sidecar = await party.start("sidecar", peers=(peer,))
    await until(lambda: peer.asked(messages.Challenge) != [])
    await sidecar.block_peer(peer.peer_id)
    assert await peer.accepted[0].wait_closed() == "blocked"


async def test_a_blocked_peer_is_not_answered(party: Party) -> None:
    sidecar, peer = await linked(party)
    await sidecar.block_peer(peer.peer_id)
    connection = await peer.connect(address_of(sidecar))
    answer = await peer.say_hello(connection)
    assert isinstance(answer, messages.Refused)
    assert "blocked" in answer.detail
    assert "blocked" in await connection.wait_closed()
    assert len(party.events(sidecar).of(PeerConnected)) == 1


async def test_a_blocked_peer_is_not_greeted_even_where_a_person_typed_its_address(
    party: Party,
) -> None:
    sidecar, peer = await linked(party)
    await sidecar.block_peer(peer.peer_id)
    greeted = len(peer.asked(messages.Challenge))
    with pytest.raises(errors.PeerUnreachable, match="blocked"):
        await sidecar.add_peer(str(peer.address))
    # A hint by another peer does not count either.
    friend = await party.start("friend", peers=(peer,))
    await sidecar.add_peer(address_of(friend))
    await until(lambda: friend.status().peer_count == 2)
    await asyncio.sleep(0.3)
    assert len(peer.asked(messages.Challenge)) == greeted + 1, "the friend alone greeted it"
    assert sidecar.status().peer_count == 1


async def test_a_download_goes_on_without_the_blocked_source(party: Party) -> None:
    game = make_game(8)
    bad, good = await party.hostile({AOE2: game}), await party.hostile({AOE2: game})
    for source in (bad, good):
        source.slow_down(0.1)
    sidecar = await party.downloader(bad, good)
    download_id = await start_download(sidecar)
    await wait_bytes(sidecar, download_id)
    await sidecar.block_peer(bad.peer_id)
    asked = len(bad.asked(messages.GetGameFileChunk))
    assert (await wait_done(sidecar, download_id)).state is DownloadState.FINISHED
    assert len(bad.asked(messages.GetGameFileChunk)) == asked


async def test_a_block_lasts_over_a_restart_until_it_is_undone(party: Party) -> None:
    sidecar, peer = await linked(party)
    await sidecar.block_peer(peer.peer_id)
    await party.end(sidecar)
    again = await party.start("downloader")
    [known] = again.peers()
    assert (known.id, known.blocked, known.address) == (peer.peer_id, True, None)
    with pytest.raises(errors.PeerUnreachable, match="blocked"):
        await again.add_peer(str(peer.address))
    connection = await peer.connect(address_of(again))
    assert isinstance(await peer.say_hello(connection), messages.Refused)
    assert party.events(again).of(PeerDiscovered) == []
    unblocked = await again.unblock_peer(peer.peer_id)
    assert not unblocked.blocked
    await again.add_peer(str(peer.address))
    assert again.status().peer_count == 1


async def test_a_peer_that_is_unblocked_is_dialled_where_it_was(party: Party) -> None:
    sidecar, peer = await linked(party)
    await sidecar.block_peer(peer.peer_id)
    await sidecar.unblock_peer(peer.peer_id)
    await until(lambda: sidecar.status().peer_count == 1)


async def test_our_own_id_cannot_be_blocked(party: Party) -> None:
    sidecar = await party.start("sidecar")
    with pytest.raises(errors.InvalidField):
        await sidecar.block_peer(sidecar.status().peer_id)
