"""Whom one download follows: downloaders of the same content, as many as the limit."""

import itertools
from random import Random
from typing import cast

import pytest

from lanspread_peer.core.assignment import Received
from lanspread_peer.core.download import Download
from lanspread_peer.core.liars import Liars
from lanspread_peer.core.peer_db import PeerDb
from lanspread_peer.core.planner import Planner
from lanspread_peer.model.limits import (
    MAX_FOLLOWED_PEERS,
    MAX_LIES_PER_PEER,
    MAX_RETRY_COUNT,
)
from lanspread_peer.runtime.carrier import Carrier, Target
from lanspread_peer.runtime.counters import RunningCounters
from lanspread_peer.runtime.fetch_requests import FetchRequests, Network
from lanspread_peer.runtime.fetch_sources import FetchSources
from lanspread_peer.runtime.partial_sources import Followed, PartialSources
from lanspread_peer.runtime.peer_links import PeerLinks
from lanspread_peer.runtime.tasks import TaskSet
from support.manifests import game_manifest
from support.partial_sources import NOBODY, Links, make, settled, telling
from support.values import content_id, peer_id, summary


async def test_so_many_are_followed_and_no_more() -> None:
    sources, links, _ = make(MAX_FOLLOWED_PEERS + 1)
    sources.update(NOBODY, now=0.0)
    await settled(sources)
    assert links.streams == MAX_FOLLOWED_PEERS
    held = sources.update(NOBODY, now=0.0)
    assert len(held) == MAX_FOLLOWED_PEERS
    assert set(held.values()) == {1}


def followed(sources: PartialSources, count: int) -> set[int]:
    """The numbers of those that are followed."""
    return {number for number in range(count) if sources.followed(peer_id(number))}


async def test_whom_it_follows_is_chance() -> None:
    count = 2 * MAX_FOLLOWED_PEERS
    chosen = set[int]()
    for seed in range(20):
        sources, _, _ = make(count, seed=seed)
        sources.update(NOBODY, now=0.0)
        chosen |= followed(sources, count)
        await sources.close()
    assert chosen == set(range(count))


async def test_who_gave_nothing_for_long_makes_room_for_one_that_waits() -> None:
    count = MAX_FOLLOWED_PEERS + 2
    sources, links, _ = make(count)
    links.answers_end = False
    sources.update(NOBODY, now=0.0)
    first = followed(sources, count)
    [useful, *useless] = first
    for now in (10.0, 29.0):
        sources.gave(peer_id(useful), now=now)
        sources.update(NOBODY, now=now)
        assert followed(sources, count) == first
    sources.update(NOBODY, now=30.0)
    then = followed(sources, count)
    assert set(range(count)) - first < then
    assert len(then & set(useless)) == MAX_FOLLOWED_PEERS - 3
    assert useful in then
    await sources.close()


async def test_nobody_makes_room_while_nobody_waits() -> None:
    sources, links, _ = make(MAX_FOLLOWED_PEERS)
    links.answers_end = False
    sources.update(NOBODY, now=0.0)
    first = [sources.followed(peer_id(number)) for number in range(MAX_FOLLOWED_PEERS)]
    assert all(first)
    sources.update(NOBODY, now=1e6)
    assert [sources.followed(peer_id(number)) for number in range(MAX_FOLLOWED_PEERS)] == first
    await sources.close()


def with_planner(
    partial: PartialSources, links: Links, peers: PeerDb
) -> tuple[FetchSources, Planner, Liars]:
    """All sources of a download, and who decides on them."""
    planner, liars = Planner([(0, 1)], Random(1)), Liars()
    key = summary().key
    sources = FetchSources(
        key, content_id(1), planner, peers, cast(PeerLinks, links), liars, partial
    )
    return sources, planner, liars


async def test_liars_are_not_followed() -> None:
    partial, links, peers = make(3)
    links.answers_end = False
    sources, planner, liars = with_planner(partial, links, peers)
    sources.update(now=0.0)
    for number in range(3):
        await telling(partial, number)
    assert len(sources.update(now=0.0)[1]) == 3
    planner.lied(peer_id(0), now=0.0)
    for _ in range(MAX_LIES_PER_PEER):
        liars.lied(peer_id(1), "host")
    gone, _ = sources.update(now=1.0)
    assert set(gone) == {peer_id(0), peer_id(1)}
    assert followed(partial, 3) == {2}
    assert links.streams == 3
    await sources.close()


@pytest.mark.parametrize("is_new", [True, False])
async def test_who_gave_a_chunk_that_was_missing_is_of_use(is_new: bool) -> None:
    partial, links, peers = make(1)
    links.answers_end = False
    sources, planner, liars = with_planner(partial, links, peers)
    sources.update(now=0.0)
    one = await telling(partial)
    network = Network(peers, cast(PeerLinks, links), cast(Carrier, None), RunningCounters(), liars)
    download = Download(total_bytes=1, patience_s=30.0, now=0.0)
    download.start(on_disk=0, now=0.0)
    requests = FetchRequests(
        cast(Target, None),
        planner,
        sources,
        network,
        download,
        TaskSet(),
        lambda _: None,
        lambda _: None,
    )
    chunk = game_manifest({"version.ini": b"1"}).chunk(0)
    requests.came(peer_id(0), chunk, Received(is_new, ()))
    assert (one.useful_at > 0.0) is is_new
    await sources.close()


async def test_strangers_that_give_nothing_do_not_keep_the_only_holder_out() -> None:
    count = 4 * MAX_FOLLOWED_PEERS
    sources, links, _ = make(count)
    links.answers_end = False
    seen = set[int]()
    for turn in range(100):
        sources.update(NOBODY, now=turn * 30.0)
        seen |= followed(sources, count)
    assert seen == set(range(count))
    await sources.close()


async def test_who_has_all_is_not_followed() -> None:
    sources, links, _ = make(2)
    assert sources.update(frozenset({peer_id(0), peer_id(1)}), now=0.0) == {}
    assert links.streams == 0
    await sources.close()


def refuse(sources: PartialSources, followed: Followed, *, now: float) -> None:
    """As often as makes it rest."""
    for _ in range(MAX_RETRY_COUNT):
        sources.refused(followed, now=now)


async def test_who_refuses_what_it_goes_on_telling_of_rests_longer_and_longer() -> None:
    sources, links, _ = make(1)
    links.answers_end = False
    asked_at = []
    for now in range(1000):
        sources.update(NOBODY, now=now)
        if sources.followed(peer_id(0)) is None:
            continue
        asked_at.append(now)
        followed = await telling(sources)
        for _ in range(MAX_RETRY_COUNT - 1):
            sources.refused(followed, now=now)
        assert sources.update(NOBODY, now=now) == {peer_id(0): 1}
        refuse(sources, followed, now=now)
        assert sources.update(NOBODY, now=now) == {}
        sources.refused(followed, now=now)
    rests = [after - before for before, after in itertools.pairwise(asked_at)]
    assert rests[:7] == [2, 4, 8, 16, 32, 64, 128]
    assert set(rests[7:]) == {128}
    await sources.close()


async def test_who_paused_with_many_requests_out_is_a_source_again_at_once() -> None:
    sources, links, peers = make(1)
    links.answers_end = False
    for number in range(3):
        sources.update(NOBODY, now=number)
        refuse(sources, await telling(sources), now=number)
        peers.library_replaced(peer_id(0), f"paused {number}", [], [])
        assert sources.update(NOBODY, now=number) == {}
        peers.library_replaced(peer_id(0), f"goes on {number}", [], [summary()])
    sources.update(NOBODY, now=3.0)
    await telling(sources)
    assert sources.update(NOBODY, now=3.0) == {peer_id(0): 1}
    await sources.close()


async def test_what_is_refused_after_the_answer_ended_is_no_lie() -> None:
    sources, links, _ = make(1)
    sources.update(NOBODY, now=0.0)
    await settled(sources)
    ended = await telling(sources)
    refuse(sources, ended, now=0.0)
    # It holds nothing more, until it is asked again as ever.
    assert sources.update(NOBODY, now=0.0) == {}
    assert links.streams == 1
    links.answers_end = False
    sources.update(NOBODY, now=1e9)
    await telling(sources)
    refuse(sources, ended, now=1e9)
    assert sources.update(NOBODY, now=1e9) == {peer_id(0): 1}
    await sources.close()


async def test_when_all_begins_anew_no_refusal_counts() -> None:
    sources, links, _ = make(2)
    links.answers_end = False
    sources.update(NOBODY, now=0.0)
    one, two = await telling(sources, 0), await telling(sources, 1)
    refuse(sources, one, now=0.0)
    sources.refused(two, now=0.0)
    sources.begin_anew()
    sources.update(NOBODY, now=0.0)
    await telling(sources, 0)
    for _ in range(MAX_RETRY_COUNT - 1):
        sources.refused(two, now=0.0)
    assert sources.update(NOBODY, now=0.0) == {peer_id(0): 1, peer_id(1): 1}
    await sources.close()


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
