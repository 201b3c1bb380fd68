"""Manifests from hostile sources: the right one comes, soon, and memory is bounded meanwhile."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from itertools import count

import pytest

from lanspread_peer.core.liars import Liars
from lanspread_peer.model import errors
from lanspread_peer.model.ids import ContentId, PeerId
from lanspread_peer.model.limits import KIB, MAX_LIES_PER_PEER
from lanspread_peer.runtime import manifests
from lanspread_peer.runtime.manifests import Manifests
from lanspread_peer.transport.base import Connection, Stream
from lanspread_peer.wire.manifest_codec import content_id_of
from lanspread_peer.wire.messages import GetManifest, Message
from lanspread_peer.wire.stream_codes import StreamCode
from support.hostile_peer import (
    Answer,
    HostilePeer,
    Offer,
    dripping_any,
    endless,
    honest,
    resetting,
    saying,
    silent,
)
from support.party import AOE2, make_game

GAME = make_game(1)
OFFER = Offer(AOE2, GAME, "20240229")
LIE = saying(b"{}\n")


class InOrder:
    """No chance: sources are asked in the order in which they are named."""

    def __init__(self) -> None:
        self._count = count()

    def random(self) -> float:
        return next(self._count) / 1000

    def uniform(self, _a: float, _b: float, /) -> float:
        return next(self._count) / 1000


class Crowd:
    """Hostile peers and real connections to them."""

    def __init__(self) -> None:
        self.peers: list[HostilePeer] = []
        self.connections: dict[PeerId, Connection] = {}
        self.liars = Liars()
        self.manifests = Manifests(self.connections.get, self.liars, InOrder())
        self._dialler = HostilePeer.open()

    async def add(self, answer: Answer = honest) -> HostilePeer:
        peer = HostilePeer.open()
        self.peers.append(peer)
        peer.offer(AOE2, GAME)
        peer.answers[GetManifest] = answer
        self.connections[peer.peer_id] = await self._dialler.connect(peer.address)
        return peer

    async def get(
        self, content_id: ContentId = OFFER.content_id, peers: Iterable[HostilePeer] = ()
    ) -> int:
        """Fetch the manifest from all; the seconds that took."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        asked = [peer.peer_id for peer in peers or self.peers]
        manifest = await self.manifests.get(content_id, asked)
        assert manifest == OFFER.manifest
        return int(loop.time() - began)

    def asked(self) -> list[int]:
        return [len(peer.asked(GetManifest)) for peer in self.peers]

    async def close(self) -> None:
        for peer in [*self.peers, self._dialler]:
            await peer.close()


@pytest.fixture
async def crowd() -> AsyncIterator[Crowd]:
    before = asyncio.all_tasks()
    made = Crowd()
    yield made
    await made.close()
    assert asyncio.all_tasks() - before - {asyncio.current_task()} == set()


async def test_sources_that_let_us_wait_hold_nobody_up(
    crowd: Crowd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(manifests, "_NEXT_SOURCE_AFTER_S", 0.05)
    monkeypatch.setattr(manifests, "_SLICES_S", (0.2, 0.4, 60.0))
    for answer in [silent, dripping_any, resetting(StreamCode.BUSY)] * 3:
        await crowd.add(answer)
    asked_before: list[list[int]] = []

    async def noted(peer: HostilePeer, stream: Stream, request: Message) -> None:
        asked_before.append(crowd.asked())
        await honest(peer, stream, request)

    await crowd.add(noted)
    assert await crowd.get() <= 20
    # It has its turn before anybody has a second one.
    assert asked_before[0] == [1] * 10


async def test_one_that_needs_longer_than_its_first_slice_is_asked_again(
    crowd: Crowd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(manifests, "_SLICES_S", (1.0, 1.0, 60.0))

    async def slow(peer: HostilePeer, stream: Stream, request: Message) -> None:
        if len(peer.asked(GetManifest)) < 3:
            await asyncio.Event().wait()
        await honest(peer, stream, request)

    await crowd.add(slow)
    await crowd.add(resetting(StreamCode.NOT_FOUND))
    await crowd.get()
    assert crowd.asked() == [3, 1]


async def test_a_lone_source_has_all_the_time_at_once(
    crowd: Crowd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(manifests, "_SLICES_S", (0.01, 60.0))

    async def slow(peer: HostilePeer, stream: Stream, request: Message) -> None:
        await asyncio.sleep(0.2)
        await honest(peer, stream, request)

    await crowd.add(slow)
    await crowd.get()
    assert crowd.asked() == [1]


async def test_who_sends_another_manifest_is_remembered_and_asked_last_then_never(
    crowd: Crowd,
) -> None:
    liar, truthful = await crowd.add(LIE), await crowd.add()
    for lies in range(1, MAX_LIES_PER_PEER + 1):
        with pytest.raises(errors.ContentNotFound):
            await crowd.get(peers=[liar])
        assert len(liar.asked(GetManifest)) == lies
    with pytest.raises(errors.ContentNotFound):
        await crowd.get(peers=[liar])
    await crowd.get()
    assert crowd.asked() == [MAX_LIES_PER_PEER, 1]
    assert not crowd.liars.waits(truthful.peer_id, "")


async def test_after_one_lie_the_others_are_asked_first(crowd: Crowd) -> None:
    liar, truthful = await crowd.add(LIE), await crowd.add()
    with pytest.raises(errors.ContentNotFound):
        await crowd.get(peers=[liar])
    await crowd.get(peers=[liar, truthful])
    assert crowd.asked() == [1, 1]


async def test_one_that_never_ends_is_cut_at_the_limit_and_is_a_liar(
    crowd: Crowd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(manifests, "MAX_MANIFEST_BYTES", 300 * KIB)
    await crowd.add(endless)
    await crowd.add()
    await crowd.get()
    assert crowd.liars.waits(crowd.peers[0].peer_id, "")


async def test_a_manifest_at_the_limit_is_taken_and_one_byte_more_is_not(
    crowd: Crowd, monkeypatch: pytest.MonkeyPatch
) -> None:
    await crowd.add()
    monkeypatch.setattr(manifests, "MAX_MANIFEST_BYTES", len(OFFER.manifest_bytes) - 1)
    with pytest.raises(errors.ContentNotFound):
        await crowd.get()
    monkeypatch.setattr(manifests, "MAX_MANIFEST_BYTES", len(OFFER.manifest_bytes))
    await crowd.get()


async def test_the_right_manifest_that_makes_no_sense_is_asked_of_one_source_only(
    crowd: Crowd,
) -> None:
    nonsense = b'{"entries":1,"lanspread_manifest":1}\n{"path":"../evil"}\n'
    content_id = content_id_of(nonsense)
    for _ in range(3):
        await crowd.add(saying(nonsense))
    for _ in range(2):
        with pytest.raises(errors.ContentNotFound):
            await crowd.get(content_id)
    assert crowd.asked() == [1, 0, 0]
    assert not any(crowd.liars.waits(peer.peer_id, "") for peer in crowd.peers)


class Gauge:
    """Counts the long answers that are being sent at once."""

    def __init__(self) -> None:
        self.now = 0
        self.most = 0

    async def answer(self, _peer: HostilePeer, stream: Stream, _request: Message) -> None:
        sent = 0
        is_long = False
        try:
            while True:
                await stream.send(bytes(16 * KIB))
                sent += 16 * KIB
                if sent > 600 * KIB and not is_long:
                    # More than what is asked for and still on its way: somebody takes it.
                    is_long = True
                    self.now += 1
                    self.most = max(self.most, self.now)
        finally:
            self.now -= is_long


async def test_long_manifests_come_one_after_the_other(
    crowd: Crowd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(manifests, "MANIFEST_TURN_BYTES", 64 * KIB)
    monkeypatch.setattr(manifests, "MAX_MANIFEST_BYTES", 2048 * KIB)
    monkeypatch.setattr(manifests, "_NEXT_SOURCE_AFTER_S", 0.0)
    gauge = Gauge()
    for _ in range(6):
        await crowd.add(gauge.answer)
    await crowd.add()
    contents = [ContentId(f"{number:064x}") for number in range(6)]
    gets = (crowd.manifests.get(each, crowd.connections) for each in contents)
    await asyncio.gather(*gets, return_exceptions=True)
    assert gauge.most == 1
    await crowd.get()


async def test_a_long_manifest_gets_its_turn_behind_those_that_never_end(
    crowd: Crowd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(manifests, "MANIFEST_TURN_BYTES", 16)
    monkeypatch.setattr(manifests, "_SLICES_S", (0.5, 1.5, 60.0))
    monkeypatch.setattr(manifests, "_NEXT_SOURCE_AFTER_S", 0.02)

    async def holds_the_turn(_peer: HostilePeer, stream: Stream, _request: Message) -> None:
        await stream.send(bytes(100 * KIB))
        await asyncio.Event().wait()

    for _ in range(5):
        await crowd.add(holds_the_turn)
    await crowd.add()
    assert await crowd.get() <= 20
