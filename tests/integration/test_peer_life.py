"""How peers find, keep and lose each other, and what the front end is told of it."""

import asyncio
from collections import Counter

import pytest

from lanspread_peer.core import liveness
from lanspread_peer.core.liveness import PING_AFTER_IDLE_S, PING_TIMEOUT_S
from lanspread_peer.model import errors
from lanspread_peer.model.events import (
    GamesUpdated,
    PeerConnected,
    PeerCountUpdated,
    PeerDiscovered,
    PeerLost,
    Warned,
)
from lanspread_peer.model.ids import InstanceId
from lanspread_peer.model.peer import Address, PeerState, Sighting
from lanspread_peer.runtime import neighbourhood, ping_service
from lanspread_peer.runtime.sidecar import Sidecar
from lanspread_peer.transport import quic_endpoint
from lanspread_peer.transport.base import Stream
from lanspread_peer.wire import messages
from lanspread_peer.wire.codec import encode
from lanspread_peer.wire.messages import Message
from support.hostile_peer import HostilePeer, saying, silent, slowed
from support.party import AOE2, Party, address_of, make_game, until
from support.ports import free_port
from support.quic_party import LOOPBACK, ask


def states(sidecar: Sidecar) -> dict[str, PeerState]:
    return {peer.name: peer.state for peer in sidecar.peers()}


async def wait_state(sidecar: Sidecar, name: str, state: PeerState) -> None:
    # Who left without a word is found out later.
    within_s = PING_AFTER_IDLE_S + 2 * PING_TIMEOUT_S - 1.0
    await until(lambda: states(sidecar).get(name) is state, within_s)


async def test_both_ends_tell_that_they_found_each_other(party: Party) -> None:
    first = await party.start("first")
    second = await party.start("second", peers=(first,))
    for here, there in ((first, second), (second, first)):
        events = party.events(here)
        discovered = await events.wait_for(PeerDiscovered)
        connected = await events.wait_for(PeerConnected)
        await events.wait_for(PeerCountUpdated, lambda event: event.count == 1)
        there_id = there.status().peer_id
        assert discovered.peer.id == connected.peer.id == there_id
        assert connected.peer.name == there.status().name
        assert events.all.index(discovered) < events.all.index(connected)
        (known,) = here.peers()
        assert (known.id, known.state) == (there_id, PeerState.CONNECTED)
        assert str(known.address) == address_of(there)
        assert here.status().peer_count == 1


async def test_a_peer_that_says_goodbye_is_lost_at_once(party: Party) -> None:
    first = await party.start("first")
    second = await party.start("second", {AOE2: make_game(1)}, peers=(first,))
    await party.events(first).wait_for(GamesUpdated)
    second_id = second.status().peer_id
    await party.end(second)
    lost = await party.events(first).wait_for(PeerLost, within=6.0)
    assert (lost.peer_id, lost.name) == (second_id, "second")
    await party.events(first).wait_for(PeerCountUpdated, lambda event: event.count == 0)
    assert first.status().peer_count == 0
    assert states(first) == {"second": PeerState.LOST}
    removed = await party.events(first).wait_for(GamesUpdated, lambda event: event.removed != ())
    assert removed.removed == (AOE2,)


async def test_a_peer_that_restarts_on_its_port_is_linked_again(party: Party) -> None:
    port = free_port()
    first = await party.start("first", port=port)
    second = await party.start("second", peers=(first,))
    await wait_state(second, "first", PeerState.CONNECTED)
    before = first.status()
    await party.end(first)
    await wait_state(second, "first", PeerState.LOST)
    again = (await party.start("first", port=port)).status()
    assert again.peer_id == before.peer_id
    assert again.instance_id != before.instance_id
    await wait_state(second, "first", PeerState.CONNECTED)
    assert len(second.peers()) == 1
    assert party.events(second).of(Warned) == []


async def test_a_changed_id_at_a_typed_address_is_a_warning(party: Party) -> None:
    port = free_port()
    first = await party.start("first", port=port)
    second = await party.start("second", peers=(first,))
    await wait_state(second, "first", PeerState.CONNECTED)
    old_id = first.status().peer_id
    await party.end(first)
    await wait_state(second, "first", PeerState.LOST)
    other = await party.start("impostor", port=port)
    warned = await party.events(second).wait_for(Warned)
    assert warned.code == "PEER_ID_CHANGED"
    assert old_id in warned.message
    assert other.status().peer_id in warned.message
    await wait_state(second, "impostor", PeerState.CONNECTED)


async def test_a_peer_that_calls_itself_another_is_not_linked(party: Party) -> None:
    honest = await party.start("honest")
    hostile = await party.hostile()
    ack = hostile.hello_ack()
    as_honest = messages.HelloAck(honest.status().peer_id, ack.instance, "honest", 1, 1, 1)
    hostile.answers[messages.Hello] = saying(as_honest)
    sidecar = await party.start("sidecar", peers=(hostile,))
    await until(lambda: len(hostile.asked(messages.Hello)) >= 2)
    assert sidecar.status().peer_count == 0
    assert party.events(sidecar).of(PeerConnected) == []


async def test_its_own_address_does_not_make_a_sidecar_its_own_peer(party: Party) -> None:
    port = free_port()
    sidecar = await party.start("narcissus", port=port, peers=(f"{LOOPBACK}:{port}",))
    with pytest.raises(errors.PeerUnreachable):
        await sidecar.add_peer(f"{LOOPBACK}:{port}")
    assert sidecar.peers() == []
    assert party.events(sidecar).of(Warned) == []


async def test_addresses_that_come_and_go_are_noticed(
    party: Party, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(neighbourhood, "_UPKEEP_INTERVAL_S", 0.05)
    sidecar = await party.start("sidecar")
    plugged_in = Address("192.0.2.7", 26789)
    monkeypatch.setattr(neighbourhood, "listen_addresses", lambda *_: (plugged_in,))
    await until(lambda: sidecar.status().addresses == (plugged_in,))


class Announced:
    """What mDNS remembers of one peer, which announces nothing new."""

    def __init__(self, peer: HostilePeer) -> None:
        addresses = (Address(LOOPBACK, peer.listen_port),)
        self.known = (Sighting(addresses, "mdns", peer.peer_id, peer.instance),)

    async def close(self) -> None:
        return


async def test_a_peer_that_was_forgotten_is_found_again_while_it_is_announced(
    party: Party, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(neighbourhood, "_UPKEEP_INTERVAL_S", 0.05)
    hostile = await party.hostile()
    sidecar = await party.start("sidecar")
    monkeypatch.setattr(sidecar._neighbourhood, "_mdns", Announced(hostile))
    await wait_state(sidecar, "hostile", PeerState.CONNECTED)


async def test_adding_nobody_is_an_error(party: Party, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quic_endpoint, "HANDSHAKE_TIMEOUT_S", 0.3)
    monkeypatch.setattr(quic_endpoint, "_LONG_DATAGRAMS_S", 0.1)
    sidecar = await party.start("alone")
    with pytest.raises(errors.PeerUnreachable):
        await sidecar.add_peer(f"{LOOPBACK}:{free_port()}")
    for nonsense in ("", "nonsense", "host:port", "host:0", "1.2.3.4:99999", "::1:80"):
        with pytest.raises(errors.InvalidField):
            await sidecar.add_peer(nonsense)
    assert sidecar.peers() == []


async def test_one_known_peer_leads_to_the_others(party: Party) -> None:
    hub = await party.start("hub")
    first = await party.start("first", peers=(hub,))
    await wait_state(hub, "first", PeerState.CONNECTED)
    second = await party.start("second", peers=(hub,))
    await wait_state(second, "first", PeerState.CONNECTED)
    await wait_state(first, "second", PeerState.CONNECTED)


async def test_a_peer_that_answers_nothing_is_suspect_and_then_lost(
    party: Party, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(liveness, "PING_AFTER_IDLE_S", 0.3)
    hostile = await party.hostile({"aoe2": {"version.ini": b"20240229"}})
    sidecar = await party.downloader(hostile)
    hostile.answers[messages.Ping] = silent
    # Before, it had time to answer, however busy the machine is.
    monkeypatch.setattr(liveness, "PING_TIMEOUT_S", 0.3)
    monkeypatch.setattr(ping_service, "PING_TIMEOUT_S", 0.3)
    await wait_state(sidecar, "hostile", PeerState.SUSPECT)
    assert sidecar.status().peer_count == 1, "a suspect may still answer"
    await wait_state(sidecar, "hostile", PeerState.LOST)
    lost = await party.events(sidecar).wait_for(PeerLost)
    assert lost.peer_id == hostile.peer_id
    assert sidecar.titles() == []


async def test_a_peer_that_asks_lives_and_need_not_be_pinged(
    party: Party, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(liveness, "PING_AFTER_IDLE_S", 1.0)
    hostile = await party.hostile()
    sidecar = await party.start("sidecar", peers=(hostile,))
    await wait_state(sidecar, "hostile", PeerState.CONNECTED)
    until_s = asyncio.get_running_loop().time() + 2.5
    while asyncio.get_running_loop().time() < until_s:
        await ask(hostile.accepted[-1], encode(messages.GetPeers()))
    assert messages.Ping() not in hostile.asked(messages.Ping), "one with a digest is news"


async def test_a_suspect_that_answers_again_is_kept(
    party: Party, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(liveness, "PING_AFTER_IDLE_S", 0.3)
    monkeypatch.setattr(liveness, "PING_TIMEOUT_S", 2.0)
    monkeypatch.setattr(ping_service, "PING_TIMEOUT_S", 2.0)
    hostile = await party.hostile()
    sidecar = await party.start("sidecar", peers=(hostile,))
    await wait_state(sidecar, "hostile", PeerState.CONNECTED)

    async def silent_once(peer: HostilePeer, stream: Stream, request: Message) -> None:
        # Then slowly, or nobody could see that it was suspect.
        peer.answers[messages.Ping] = slowed(1.0)
        await silent(peer, stream, request)

    hostile.answers[messages.Ping] = silent_once
    await wait_state(sidecar, "hostile", PeerState.SUSPECT)
    await wait_state(sidecar, "hostile", PeerState.CONNECTED)
    assert party.events(sidecar).of(PeerLost) == []
    (known,) = sidecar.peers()
    assert known.rtt_s is not None


async def test_a_peer_that_hangs_up_after_each_greeting_is_not_dialled_in_a_loop(
    party: Party,
) -> None:
    hostile = await party.hostile()

    async def greet_and_leave(peer: HostilePeer, *_: object) -> None:
        peer.accepted[-1].close("bye")

    hostile.answers[messages.GetPeers] = greet_and_leave
    sidecar = await party.start("sidecar", peers=(hostile,))
    await until(lambda: hostile.asked(messages.GetPeers))
    await asyncio.sleep(1.0)
    assert len(hostile.accepted) <= 8
    assert len(party.events(sidecar).of(PeerConnected)) <= 3


async def test_a_crowd_links_everyone_to_everyone(party: Party) -> None:
    hub = await party.start("0")
    everyone = [hub, *[await party.start(str(n), peers=(hub,)) for n in range(1, 6)]]
    await until(lambda: all(sidecar.status().peer_count == 5 for sidecar in everyone))
    for sidecar in everyone:
        events = party.events(sidecar)
        assert Counter(e.peer.id for e in events.of(PeerConnected)).most_common(1)[0][1] == 1
        assert events.of(PeerLost) == []


async def test_two_launches_of_one_key_are_one_peer(party: Party) -> None:
    hostile = await party.hostile()
    sidecar = await party.start("sidecar", peers=(hostile,))
    await wait_state(sidecar, "hostile", PeerState.CONNECTED)
    hostile.instance = InstanceId("cd" * 16)
    for connection in hostile.accepted:
        connection.close("restart")
    await wait_state(sidecar, "hostile", PeerState.LOST)
    await wait_state(sidecar, "hostile", PeerState.CONNECTED)
    assert len(sidecar.peers()) == 1
