"""The ways to a peer by TLS are tried in turn, and none for longer than it takes."""

import asyncio
from collections.abc import AsyncIterator
from typing import cast

import pytest

from lanspread_peer.model.errors import ConnectionLost, Stalled
from lanspread_peer.model.events import Event, Warned
from lanspread_peer.model.ids import InstanceId, PeerId
from lanspread_peer.model.limits import MAX_BULK_ROUTES
from lanspread_peer.model.peer import Address
from lanspread_peer.runtime import bulk_routes
from lanspread_peer.runtime.bulk_routes import BulkRoutes, Way
from lanspread_peer.runtime.dial_back import DialBacks
from lanspread_peer.runtime.link import Proven
from lanspread_peer.transport.base import Connection
from lanspread_peer.transport.credentials import Credentials
from lanspread_peer.transport.tls_client import TlsClient, TlsPeer
from lanspread_peer.wire.messages import Feature
from support.quic_pair import make_key
from support.tls_party import own_hello
from support.values import instance_id, peer_id

PEER = peer_id(1)
LOST = ConnectionLost("nobody there")
INSTANCE = InstanceId(instance_id(1))


class _Link:
    address = Address("192.0.2.1", 5000)


class Surroundings:
    """What the routes look at, to be changed by a test."""

    def __init__(self, client: TlsClient) -> None:
        self.features = frozenset({str(Feature.DIAL_BACK)})
        self.bulk_port = 26789
        self.now = 100.0
        self.gone: set[PeerId] = set()
        self.events: list[Event] = []
        self.routes = BulkRoutes(client, DialBacks(self._said), self._said, self.events.append)

    def _said(self, peer: PeerId) -> Proven | None:
        if peer in self.gone:
            return None
        connection = cast(Connection, _Link())
        return Proven(connection, False, INSTANCE, "x", "", None, self.features, self.bulk_port)

    async def way(self) -> Way | None:
        return await self.routes.way_to(PEER)

    async def fail(self) -> Way:
        """The way to ask now brings nothing."""
        way = await self.way()
        assert way is not None
        self.routes.unreachable(PEER, way, LOST)
        return way


@pytest.fixture
async def around(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Surroundings]:
    client = TlsClient(Credentials(make_key()), own_hello(make_key()))
    around = Surroundings(client)
    monkeypatch.setattr(bulk_routes, "monotonic_s", lambda: around.now)
    yield around
    await client.close()


async def test_one_way_after_the_other_and_then_a_rest_that_is_told_once(
    around: Surroundings,
) -> None:
    direct, back = await around.fail(), await around.fail()
    assert back is not direct
    assert await around.way() is None
    # Requests that were out meanwhile see it late.
    around.routes.unreachable(PEER, direct, LOST)
    around.routes.unreachable(PEER, back, LOST)
    [warned] = around.events
    assert isinstance(warned, Warned)
    assert warned.code == "BULK_UNREACHABLE"
    around.now += 60.0
    around.routes.unreachable(PEER, back, LOST)
    assert await around.fail() is direct
    assert await around.fail() is back
    assert len(around.events) == 2


async def test_a_late_failure_of_the_first_way_leaves_the_second_its_turn(
    around: Surroundings,
) -> None:
    direct = await around.fail()
    around.routes.unreachable(PEER, direct, LOST)
    assert await around.way() not in (direct, None)
    assert around.events == []


async def test_who_cannot_dial_back_is_not_asked_to(around: Surroundings) -> None:
    around.features = frozenset()
    await around.fail()
    assert await around.way() is None


async def test_another_port_is_tried_at_once_and_none_is_no_way(around: Surroundings) -> None:
    await around.fail()
    await around.fail()
    assert await around.way() is None
    around.bulk_port += 1
    assert await around.way() is not None
    around.bulk_port = 0
    assert await around.way() is None


def is_closed(way: Way | None) -> bool:
    """Whether nothing is asked this way any more."""
    assert way is not None
    return way.peer._is_closed


async def test_the_routes_asked_last_are_kept_and_the_others_closed(
    around: Surroundings,
) -> None:
    others = [peer_id(2 + number) for number in range(MAX_BULK_ROUTES - 1)]
    kept = await around.way()
    oldest = await around.routes.way_to(others[0])
    for other in others[1:]:
        await around.routes.way_to(other)
    assert await around.way() is kept
    await around.routes.way_to(peer_id(1000))
    assert await around.way() is kept
    assert not is_closed(kept)
    assert is_closed(oldest)
    assert len(around.routes._routes) == MAX_BULK_ROUTES


async def test_of_peers_that_are_gone_nothing_is_kept(around: Surroundings) -> None:
    way = await around.way()
    around.gone.add(PEER)
    assert await around.routes.way_to(peer_id(2))
    assert is_closed(way)
    assert set(around.routes._routes) == {peer_id(2)}


async def test_a_peer_is_made_once_for_each_way(
    around: Surroundings, monkeypatch: pytest.MonkeyPatch
) -> None:
    way = await around.way()
    monkeypatch.setattr(TlsClient, "peer_by", None)
    assert await around.way() is way


async def test_a_way_that_brings_nothing_is_given_up() -> None:
    way = Way(cast(TlsPeer, None), within_s=0.01)
    with pytest.raises(Stalled):
        async with way.in_time():
            await asyncio.Event().wait()


async def test_bytes_for_one_request_give_the_others_their_time() -> None:
    way = Way(cast(TlsPeer, None), within_s=60.0)
    came = asyncio.Event()

    async def wait() -> None:
        async with way.in_time():
            await came.wait()

    waiting = [asyncio.ensure_future(wait()) for _ in range(2)]
    await asyncio.sleep(0)
    way.reached()
    assert [limit.when() for limit in way._limits] == [None, None]
    came.set()
    await asyncio.gather(*waiting)
