"""One connection between two peers, whoever dialled; and one live instance to a peer id."""

import asyncio
import shutil
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from lanspread_peer.model.download import DownloadState
from lanspread_peer.model.events import PeerConnected, PeerLost, Warned
from lanspread_peer.model.ids import InstanceId
from lanspread_peer.model.peer import PeerState
from lanspread_peer.runtime import peer_links
from lanspread_peer.runtime.sidecar import Sidecar
from lanspread_peer.transport.base import Stream
from lanspread_peer.transport.certificate import make_certificate, peer_id_of_certificate
from lanspread_peer.wire import messages
from lanspread_peer.wire.codec import decode_answer, encode
from lanspread_peer.wire.messages import Message
from support.hostile_peer import HostilePeer, honest, silent
from support.party import (
    AOE2,
    Party,
    address_of,
    connection_count,
    download,
    make_game,
    start_download,
    until,
    wait_done,
    wait_sources,
)
from support.ports import free_port
from support.quic_pair import make_key
from support.quic_party import LOOPBACK, ask

AGAIN = InstanceId("cd" * 16)


@pytest.fixture(autouse=True)
def spares_end_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peer_links, "_SPARE_CHECK_S", 0.1)


def key_where(is_right: Callable[[str], bool]) -> ec.EllipticCurvePrivateKey:
    """A key whose peer id is as wanted."""
    while True:
        key = make_key()
        if is_right(peer_id_of_certificate(make_certificate(key))):
            return key


def told(party: Party, sidecar: Sidecar) -> tuple[int, int]:
    events = party.events(sidecar)
    return len(events.of(PeerConnected)), len(events.of(PeerLost))


async def test_two_that_dial_each_other_keep_one_connection(party: Party) -> None:
    first = await party.start("first")
    second = await party.start("second", peers=(first,))
    third = await party.start("third", peers=(first, second))
    await first.add_peer(address_of(second))
    await first.add_peer(address_of(third))
    everyone = (first, second, third)
    await until(lambda: all(each.status().peer_count == 2 for each in everyone))
    await until(lambda: all(connection_count(each) == 2 for each in everyone))
    assert [told(party, each) for each in everyone] == [(2, 0)] * 3


@pytest.mark.parametrize("is_lower", [True, False])
async def test_of_two_connections_the_one_by_the_lower_id_stays(
    party: Party, is_lower: bool
) -> None:
    sidecar = await party.start("sidecar")
    own = sidecar.status().peer_id
    peer = await party.hostile(key=key_where(lambda peer: (peer < own) is is_lower))
    theirs = await peer.dial(address_of(sidecar))
    await until(lambda: sidecar.status().peer_count == 1)
    # As if it had begun to dial just before it was called.
    links = sidecar._neighbourhood.links
    dialled = await sidecar._neighbourhood._transport.dial(peer.address, peer.peer_id)
    await links._greet(links._links[peer.peer_id], dialled)
    await until(lambda: peer.accepted)
    [ours] = peer.accepted
    gone, kept = (ours, theirs) if is_lower else (theirs, ours)
    assert await gone.wait_closed() == "another connection is used"
    assert not kept.is_closed
    await until(lambda: connection_count(sidecar) == 1)
    assert told(party, sidecar) == (1, 0)


async def test_a_connection_on_which_requests_run_is_not_ended_under_them(party: Party) -> None:
    game = make_game(4)
    sidecar = await party.start("sidecar")
    own = sidecar.status().peer_id
    peer = await party.hostile({AOE2: game}, key_where(lambda peer: peer < own))
    peer.slow_down(0.4)
    await sidecar.add_peer(str(peer.address))
    await wait_sources(sidecar, 1)
    download_id = await start_download(sidecar)
    await until(lambda: peer.asked(messages.GetGameFileChunk))
    # From now on this one counts, as the lower id dialled it.
    await peer.dial(address_of(sidecar))
    done = await wait_done(sidecar, download_id)
    assert done.state is DownloadState.FINISHED
    assert done.wasted_bytes == 0
    await until(lambda: connection_count(sidecar) == 1)
    assert told(party, sidecar) == (1, 0)


async def test_a_peer_that_nobody_can_dial_is_a_source_by_its_own_call(party: Party) -> None:
    sidecar = await party.start("sidecar")
    peer = await party.hostile({AOE2: make_game(2)})
    peer.listen_port = 0
    await peer.dial(address_of(sidecar))
    await wait_sources(sidecar, 1)
    assert (await download(sidecar)).state is DownloadState.FINISHED
    [known] = sidecar.peers()
    assert (known.state, known.address) == (PeerState.CONNECTED, None)
    assert peer.accepted == []


async def test_a_hundred_connections_of_one_peer_leave_two_at_most(party: Party) -> None:
    sidecar = await party.start("sidecar")
    peer = await party.hostile()
    for _ in range(20):
        await peer.dial(address_of(sidecar))
    await until(lambda: connection_count(sidecar) <= 2)
    assert told(party, sidecar) == (1, 0)


async def test_a_used_connection_that_died_gives_way_to_the_one_that_answers(
    party: Party,
) -> None:
    """The peer dialled anew because it had given up the connection that we still use."""
    sidecar = await party.start("sidecar")
    own = sidecar.status().peer_id
    peer = await party.hostile(key=key_where(lambda peer: peer > own))
    await sidecar.add_peer(str(peer.address))
    [old] = peer.accepted
    peer.answers[messages.Ping] = silent
    new = await peer.dial(address_of(sidecar))
    await old.wait_closed()
    peer.answers.clear()
    await asyncio.sleep(0.3)
    assert not new.is_closed
    assert told(party, sidecar) == (1, 0)


async def test_a_peer_that_started_again_replaces_its_dead_connection(party: Party) -> None:
    sidecar = await party.start("sidecar")
    dead = await party.hostile()
    await dead.dial(address_of(sidecar))
    await until(lambda: sidecar.status().peer_count == 1)
    for kind in (messages.Ping, messages.GetPeers):
        dead.answers[kind] = silent
    again = await party.hostile({AOE2: make_game(1)}, dead.key)
    again.instance = AGAIN
    await again.dial(address_of(sidecar))
    await wait_sources(sidecar, 1)
    assert told(party, sidecar) == (2, 1)
    assert party.events(sidecar).of(Warned) == []
    assert connection_count(sidecar) == 1


async def test_two_live_instances_of_one_peer_are_told_of_once_and_the_first_stays(
    party: Party,
) -> None:
    sidecar = await party.start("sidecar")
    first = await party.hostile()
    connection = await first.dial(address_of(sidecar))
    clone = await party.hostile(key=first.key)
    clone.instance = AGAIN
    for _ in range(2):
        attempt = await clone.connect(address_of(sidecar))
        answer = await clone.say_hello(attempt)
        assert isinstance(answer, messages.Refused)
        assert "another instance" in answer.detail
        await attempt.wait_closed()
    warned = await party.events(sidecar).wait_for(Warned)
    assert warned.code == "PEER_CLONED"
    assert all(part in warned.message for part in (first.peer_id, first.instance, AGAIN))
    assert len(party.events(sidecar).of(Warned)) == 1
    assert told(party, sidecar) == (1, 0)
    assert isinstance(decode_answer(await ask(connection, encode(messages.Ping()))), messages.Pong)


async def test_a_copy_of_our_own_state_folder_is_told_of_at_both(party: Party) -> None:
    first = await party.start("first")
    shutil.copytree(party.root / "first" / "state", party.root / "second" / "state")
    second = await party.start("second", peers=(first,))
    assert first.status().peer_id == second.status().peer_id
    for sidecar, other in ((first, second), (second, first)):
        warned = await party.events(sidecar).wait_for(Warned)
        assert warned.code == "OWN_ID_CLONED"
        assert other.instance_id in warned.message
        assert sidecar.peers() == []
    await asyncio.sleep(1.5)
    assert [len(party.events(each).of(Warned)) for each in (first, second)] == [1, 1]


async def test_ends_that_both_leave_and_return_find_each_other_again(party: Party) -> None:
    port = free_port()
    first = await party.start("first", port=port)
    second = await party.start("second", peers=(f"{LOOPBACK}:{port}",))
    await until(lambda: second.status().peer_count == 1)
    for times in (1, 2):
        await party.end(first)
        await party.events(second).wait_for(PeerLost)
        first = await party.start("first", port=port, peers=(second,))
        await until(lambda sidecar=first: sidecar.status().peer_count == 1)  # type: ignore[misc]
        await until(lambda times=times: told(party, second) == (times + 1, times))  # type: ignore[misc]
    await until(lambda: connection_count(second) == 1)


async def test_a_slow_greeting_does_not_hold_up_a_peer_that_calls(party: Party) -> None:
    sidecar = await party.start("sidecar")
    peer = await party.hostile()
    may_answer = asyncio.Event()

    async def slow(peer: HostilePeer, stream: Stream, request: Message) -> None:
        await may_answer.wait()
        await honest(peer, stream, request)

    peer.answers[messages.Challenge] = slow
    adding = asyncio.ensure_future(sidecar.add_peer(str(peer.address)))
    await until(lambda: peer.asked(messages.Challenge))
    await peer.dial(address_of(sidecar))
    await until(lambda: sidecar.status().peer_count == 1)
    may_answer.set()
    await adding
