"""A client whose deadline passes, or that gives up: what it asked for ends, and no task is left."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import grpc
import pytest

from lanspread.peer.v1 import peer_service_pb2 as pb
from lanspread.peer.v1.peer_service_pb2_grpc import PeerServiceStub
from lanspread_peer.control.server import ControlServer
from lanspread_peer.runtime.sidecar import Sidecar
from lanspread_peer.transport.base import Stream
from lanspread_peer.wire import messages
from support.control import AUTH, TOKEN, open_channel
from support.hostile_peer import HostilePeer
from support.party import AOE2, Party, make_game, title, until

if TYPE_CHECKING:
    # Its stub file alone knows it.
    from lanspread.peer.v1.peer_service_pb2_grpc import PeerServiceAsyncStub

# Longer than a call takes to reach the peer, and shorter than the sidecar itself would wait.
DEADLINE_S = 2.0


@dataclass
class Desk:
    """A front end's connection to a sidecar whose one peer does not answer any more."""

    sidecar: Sidecar
    peer: HostilePeer
    stub: "PeerServiceAsyncStub"
    tasks: set[asyncio.Task[Any]]

    async def require_quiet(self) -> None:
        """Waits until no task is left that was not there before the call."""
        await until(lambda: not working() - self.tasks)


def working() -> set[asyncio.Task[Any]]:
    # The server has one task per method that waits for the next call; the last one is the test's.
    others = asyncio.all_tasks() - {asyncio.current_task()}
    return {task for task in others if "_request" not in repr(task)}


async def wait_for_nothing(_peer: HostilePeer, stream: Stream, _request: messages.Message) -> None:
    """Take the request and say nothing, until nobody waits for an answer any more."""
    await stream.wait_cut()


@pytest.fixture
async def desk(party: Party) -> AsyncIterator[Desk]:
    peer = await party.hostile({AOE2: make_game(1)})
    sidecar = await party.downloader(peer)
    server = await ControlServer.start(sidecar, "127.0.0.1:0", TOKEN)
    try:
        async with open_channel(server.address) as channel:
            stub: PeerServiceAsyncStub = PeerServiceStub(channel)
            await stub.GetStatus(pb.GetStatusRequest(), metadata=AUTH, timeout=30)
            for kind in (messages.GetGame, messages.GetManifest):
                peer.answers[kind] = wait_for_nothing
            await until(lambda: not sidecar.status().indexing)
            yield Desk(sidecar, peer, stub, working())
    finally:
        await server.stop(0)


Call = Callable[["PeerServiceAsyncStub", float | None], Any]


def get_game(stub: "PeerServiceAsyncStub", timeout: float | None) -> Any:
    return stub.GetGame(pb.GetGameRequest(game_id=AOE2), metadata=AUTH, timeout=timeout)


def list_files(stub: "PeerServiceAsyncStub", timeout: float | None) -> Any:
    request = pb.ListGameFilesRequest(game_id=AOE2)
    return stub.ListGameFiles(request, metadata=AUTH, timeout=timeout)


def download(stub: "PeerServiceAsyncStub", timeout: float | None) -> Any:
    request = pb.DownloadGameFilesRequest(game_id=AOE2)
    return stub.DownloadGameFiles(request, metadata=AUTH, timeout=timeout)


CALLS = pytest.mark.parametrize(
    ("call", "asked"),
    [
        (get_game, messages.GetGame),
        (list_files, messages.GetManifest),
        (download, messages.GetManifest),
    ],
    ids=["GetGame", "ListGameFiles", "DownloadGameFiles"],
)


@CALLS
async def test_a_deadline_ends_what_the_call_waited_for(
    desk: Desk, call: Call, asked: type[messages.Message]
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call(desk.stub, DEADLINE_S)
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert desk.peer.asked(asked)
    await desk.require_quiet()
    assert desk.sidecar.downloads() == []


@CALLS
async def test_a_client_that_gives_up_ends_it_too(
    desk: Desk, call: Call, asked: type[messages.Message]
) -> None:
    running = call(desk.stub, None)
    await until(lambda: desk.peer.asked(asked))
    assert working() - desk.tasks
    running.cancel()
    await desk.require_quiet()
    assert desk.sidecar.downloads() == []
    shown = title(desk.sidecar)
    assert shown is not None
    assert len(shown.variants) == 1


async def test_a_dial_that_nobody_waits_for_ends(desk: Desk) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as nobody:
        nobody.bind(("127.0.0.1", 0))
        nobody.setblocking(False)
        address = f"127.0.0.1:{nobody.getsockname()[1]}"
        running = desk.stub.AddPeer(pb.AddPeerRequest(address=address), metadata=AUTH)
        async with asyncio.timeout(30):
            await asyncio.get_running_loop().sock_recv(nobody, 2048)
        running.cancel()
        await desk.require_quiet()
    assert address not in desk.sidecar._neighbourhood._pinned._pinned
