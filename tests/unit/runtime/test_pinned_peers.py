"""Typed addresses are dialled again and again, but not too often, and not to reach the blocked."""

import asyncio
from random import Random
from typing import cast

import pytest

from lanspread_peer.core import dial_policy
from lanspread_peer.model import errors
from lanspread_peer.model.events import Event
from lanspread_peer.model.ids import PeerId
from lanspread_peer.runtime.peer_links import PeerLinks
from lanspread_peer.runtime.pinned_peers import PinnedPeers
from support.values import peer_id

ADDRESS = "192.0.2.7:26789"


class BriefLinks:
    """Every dial is answered, or the peer there is blocked; every link ends at once."""

    def __init__(self, *, blocked: bool) -> None:
        self.blocked = blocked
        self.dials = 0
        self.looks = 0

    def is_blocked(self, peer: PeerId | None) -> bool:
        self.looks += 1
        return self.blocked and peer is not None

    async def dial(self, _addresses: object) -> PeerId:
        self.dials += 1
        if self.blocked:
            raise errors.PeerUnreachable("the peer there is blocked", peer_id=peer_id(1))
        return peer_id(1)

    async def wait_lost(self, _peer: PeerId) -> None:
        return


def pinned(links: BriefLinks) -> PinnedPeers:
    events: list[Event] = []
    return PinnedPeers(cast("PeerLinks", links), events.append, Random(1))


async def until_looked(links: BriefLinks, times: int) -> None:
    async with asyncio.timeout(20):
        while links.looks < times:  # noqa: ASYNC110 - a fake has no event of its own
            await asyncio.sleep(0)


async def test_a_blocked_peer_is_not_dialled_at_its_typed_address(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(dial_policy, "MAX_DELAY_S", 0.001)
    links = BriefLinks(blocked=True)
    peers = pinned(links)
    peers.pin([ADDRESS])
    await until_looked(links, 10)
    assert links.dials == 1, "to learn who is there"
    links.blocked = False
    await until_looked(links, 20)
    assert links.dials > 1
    await peers.close()


async def test_who_greets_and_hangs_up_is_dialled_slower_each_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    delays: list[float] = []
    real_sleep = asyncio.sleep

    async def note(seconds: float) -> None:
        delays.append(seconds)
        await real_sleep(0)

    links = BriefLinks(blocked=False)
    peers = pinned(links)
    monkeypatch.setattr(asyncio, "sleep", note)
    peers.pin([ADDRESS])
    async with asyncio.timeout(20):
        while links.dials < 10:
            await real_sleep(0)
    await peers.close()
    assert min(delays[6:]) >= 0.5 * dial_policy.MAX_DELAY_S
