"""What the tests of whole sidecars share, and those of the control server."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import grpc
import pytest

from lanspread.peer.v1.peer_service_pb2_grpc import PeerServiceStub
from lanspread_peer.control.server import ControlServer
from lanspread_peer.runtime import bulk_routes
from support.control import TOKEN, open_channel
from support.memory_sidecar import MemorySidecar
from support.party import Party
from support.player import Player, open_player

if TYPE_CHECKING:
    # Its stub file alone knows it.
    from lanspread.peer.v1.peer_service_pb2_grpc import PeerServiceAsyncStub


@pytest.fixture
def player(tmp_path: Path) -> Iterator[Player]:
    with open_player(tmp_path) as player:
        yield player


@pytest.fixture
async def party(tmp_path: Path) -> AsyncIterator[Party]:
    """Sidecars for one test, all closed at the end; fails when a task is left behind."""
    before = asyncio.all_tasks()
    made = Party(tmp_path)
    try:
        yield made
    finally:
        await made.close()
    assert asyncio.all_tasks() - before - {asyncio.current_task()} == set()


@pytest.fixture
def slow_ways_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is reached late, as on a busy machine, is reached by TLS all the same."""
    monkeypatch.setattr(bulk_routes, "_REACHED_WITHIN_S", 60.0)
    monkeypatch.setattr(bulk_routes, "_DIALLED_BACK_WITHIN_S", 60.0)


@pytest.fixture
def sidecar() -> MemorySidecar:
    """What the control server of a test drives."""
    return MemorySidecar()


@pytest.fixture(params=["", "127.0.0.1:0"], ids=["unix", "tcp"])
async def server(
    request: pytest.FixtureRequest, sidecar: MemorySidecar
) -> AsyncIterator[ControlServer]:
    """A real control server, once on each kind of address."""
    running = await ControlServer.start(sidecar, request.param, TOKEN)
    yield running
    await running.stop(0)


@pytest.fixture
async def channel(server: ControlServer) -> AsyncIterator[grpc.aio.Channel]:
    """A channel to that server."""
    async with open_channel(server.address) as channel:
        yield channel


@pytest.fixture
def stub(channel: grpc.aio.Channel) -> "PeerServiceAsyncStub":
    """The service, as a client of grpcio sees it."""
    return PeerServiceStub(channel)
