"""Floods of made-up peers cost little, and a connection without a link is refused."""

import asyncio

import pytest

from lanspread_peer.core.peer_db import FORGET_AFTER_S
from lanspread_peer.model import errors
from lanspread_peer.model.events import Warned
from lanspread_peer.model.limits import MAX_KNOWN_PEERS
from lanspread_peer.model.peer import Sighting
from lanspread_peer.runtime import clones
from lanspread_peer.runtime.clock import monotonic_s
from lanspread_peer.transport.base import Connection
from lanspread_peer.wire import messages
from support.link_party import OWN_ID, HandmadeConnection, LinkParty, hello_of
from support.values import address, instance_id, peer_id


def hinted(number: int) -> Sighting:
    return Sighting((address(number),), "peer", peer_id(number), told_by=peer_id(1))


def announced(number: int) -> Sighting:
    return Sighting((address(number),), "mdns", peer_id(number), instance_id(number))


async def test_a_flood_of_hints_makes_no_more_links_than_peers_are_known() -> None:
    party = LinkParty()
    seen = peer_id(2)
    party.links.sighted(seen, announced(2))
    for number in range(100, 100 + MAX_KNOWN_PEERS + 200):
        party.links.sighted(peer_id(number), hinted(number))
    await party.settle()
    assert len(party.links._links) == MAX_KNOWN_PEERS
    queued = party.links._dialler._queue._waiting.values()
    assert sum(map(len, queued)) < MAX_KNOWN_PEERS, "the dials of those that are gone do not wait"
    # A link, its dial and two waits for each.
    assert len(asyncio.all_tasks()) <= 4 * MAX_KNOWN_PEERS
    assert seen in party.links._links
    await party.links.close()


async def test_the_link_of_a_peer_that_is_forgotten_ends() -> None:
    party = LinkParty()
    party.links.sighted(peer_id(2), announced(2))
    await party.settle()
    assert party.transport.running == [address(2)]
    party.peers.forget_stale(now=monotonic_s() + FORGET_AFTER_S + 1)
    await party.settle()
    assert party.links._links == {}
    assert party.transport.running == []
    await party.links.close()


async def test_a_hint_about_a_peer_that_is_dialled_already_starts_nothing_again() -> None:
    party = LinkParty()
    party.links.sighted(peer_id(2), announced(2))
    link = party.links._links[peer_id(2)]
    link.policy.failed()
    party.links.sighted(peer_id(2), hinted(2))
    assert link.policy.failures == 1
    party.links.sighted(peer_id(2), announced(2))
    assert link.policy.failures == 0
    await party.links.close()


async def test_one_clone_is_visited_at_a_time_and_the_next_when_it_is_seen_again() -> None:
    party = LinkParty()
    for number in (1, 2, 3):
        party.links.sighted(OWN_ID, announced(number))
    await party.settle()
    assert party.transport.dialled == [address(1)]
    await party.links._clones._tasks.close()
    party.links.sighted(OWN_ID, announced(1))
    party.links.sighted(OWN_ID, announced(2))
    await party.settle()
    assert party.transport.dialled == [address(1), address(2)]
    await party.links.close()


async def test_a_peer_that_makes_up_instances_is_warned_of_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def is_answering(_connection: Connection) -> bool:
        return True

    monkeypatch.setattr(clones, "is_answering", is_answering)
    party = LinkParty()
    first = HandmadeConnection(2)
    await party.links.accepted(peer_id(2), first, hello_of(2, 1), announced(2))
    for instance in range(2, 9):
        with pytest.raises(errors.Refused):
            await party.links.accepted(peer_id(2), first, hello_of(2, instance), announced(2))
    warned = [event for event in party.events if isinstance(event, Warned)]
    assert [event.code for event in warned] == ["PEER_CLONED"]
    await party.links.close()


async def test_a_connection_whose_link_ended_while_a_clone_was_asked_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked, ended = asyncio.Event(), asyncio.Event()

    async def is_answering(_connection: Connection) -> bool:
        asked.set()
        await ended.wait()
        return False

    monkeypatch.setattr(clones, "is_answering", is_answering)
    party = LinkParty()
    old, new = HandmadeConnection(2), HandmadeConnection(2)
    await party.links.accepted(peer_id(2), old, hello_of(2, 1), announced(2))
    late = asyncio.ensure_future(
        party.links.accepted(peer_id(2), new, hello_of(2, 2), announced(2))
    )
    await asked.wait()
    party.links.forgotten(peer_id(2))
    ended.set()
    with pytest.raises(errors.Refused):
        await late
    await party.links.close()


async def test_who_is_left_out_while_it_is_greeted_is_not_linked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked, left_out = asyncio.Event(), asyncio.Event()

    async def greet(_connection: Connection) -> messages.HelloAck:
        asked.set()
        await left_out.wait()
        return messages.HelloAck(peer_id(2), instance_id(2), "p", 1, 1, 1, "")

    party = LinkParty()
    monkeypatch.setattr(party.links.greeter, "greet", greet)
    dialled = party.transport.answers[address(2)] = HandmadeConnection(2)
    party.links.sighted(peer_id(2), announced(2))
    await asked.wait()
    assert party.links.reached == {peer_id(2)}
    party.left_out.add(peer_id(2))
    left_out.set()
    assert await asyncio.wait_for(dialled.wait_closed(), 10) == "greeting failed"
    await party.settle()
    assert party.links.live == {}
    assert party.links.reached == frozenset()
    await party.links.close()
