"""The event stream through a real gRPC server and client, with readers that stall or vanish."""

import asyncio
import tracemalloc
from typing import TYPE_CHECKING

import grpc
import pytest
from structlog.testing import capture_logs

from lanspread.peer.v1 import peer_service_pb2 as pb
from lanspread.peer.v1.peer_service_pb2_grpc import PeerServiceStub
from lanspread_peer.control.server import ControlServer
from lanspread_peer.model.download import DownloadState
from lanspread_peer.model.events import PeerCountUpdated, Warned
from lanspread_peer.model.limits import MIB
from support.control import (
    AUTH,
    Events,
    info_of,
    open_channel,
    read,
    read_snapshot,
)
from support.memory_sidecar import INSTANCE, MemorySidecar, peer, title

if TYPE_CHECKING:
    # Its stub file alone knows it.
    from lanspread.peer.v1.peer_service_pb2_grpc import PeerServiceAsyncStub


async def read_to_the_end(events: Events) -> None:
    while await asyncio.wait_for(events.read(), 20) is not grpc.aio.EOF:
        pass


async def test_a_stream_is_a_snapshot_and_then_every_event(
    stub: "PeerServiceAsyncStub", sidecar: MemorySidecar
) -> None:
    sidecar.library = [title("aoe2"), title("quake")]
    sidecar.known_peers = [peer(1, "one")]
    events = stub.WatchEvents(pb.WatchEventsRequest(), metadata=AUTH)
    *items, complete = await read_snapshot(events)
    assert [item.snapshot_item.WhichOneof("item") for item in items] == ["game", "game", "peer"]
    assert not any(item.resume_token or item.sequence for item in items)
    assert complete.snapshot_complete.instance_id == INSTANCE
    await stub.DownloadGameFiles(
        pb.DownloadGameFilesRequest(game_id="aoe2"), metadata=AUTH, timeout=5
    )
    began = await read(events)
    assert began.download_game_files_begin.download.game_id == "aoe2"
    assert began.sequence == 1
    sidecar.events.emit(PeerCountUpdated(4))
    count = await read(events)
    assert (count.peer_count_updated.count, count.sequence) == (4, 0)
    sidecar.end(DownloadState.FINISHED)
    finished = await read(events)
    assert finished.WhichOneof("event") == "download_game_files_finished"
    assert finished.sequence == 2
    events.cancel()


async def test_a_resumed_stream_goes_on_without_a_snapshot(
    stub: "PeerServiceAsyncStub", sidecar: MemorySidecar
) -> None:
    sidecar.library = [title("aoe2")]
    events = stub.WatchEvents(pb.WatchEventsRequest(), metadata=AUTH)
    complete = (await read_snapshot(events))[-1]
    events.cancel()
    for number in range(3):
        sidecar.events.emit(Warned("W", str(number)))
    resumed = stub.WatchEvents(
        pb.WatchEventsRequest(resume_token=complete.resume_token), metadata=AUTH
    )
    assert [(await read(resumed)).warning.message for _ in range(3)] == ["0", "1", "2"]
    resumed.cancel()


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        (f"{'f' * 32}:0", "RESUME_TOKEN_EXPIRED"),
        (f"{INSTANCE}:99", "RESUME_TOKEN_EXPIRED"),
        ("nonsense", "INVALID_FIELD"),
    ],
)
async def test_a_token_that_cannot_go_on_is_told_at_once(
    stub: "PeerServiceAsyncStub", token: str, reason: str
) -> None:
    events = stub.WatchEvents(pb.WatchEventsRequest(resume_token=token), metadata=AUTH, timeout=20)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await events.read()
    assert info_of(caught.value).reason == reason
    expired = reason == "RESUME_TOKEN_EXPIRED"
    assert (caught.value.code() is grpc.StatusCode.OUT_OF_RANGE) is expired


@pytest.mark.parametrize("server", [""], indirect=True, ids=["unix"])
async def test_a_reader_that_stalls_costs_little_and_delays_nobody(
    stub: "PeerServiceAsyncStub", sidecar: MemorySidecar
) -> None:
    stalled = stub.WatchEvents(pb.WatchEventsRequest(), metadata=AUTH)
    await read_snapshot(stalled)
    lively = stub.WatchEvents(pb.WatchEventsRequest(), metadata=AUTH)
    await read_snapshot(lively)
    tracemalloc.start()
    try:
        for number in range(10_000):
            sidecar.events.emit(Warned("W", f"{number:05}" + "x" * 4000))
            if number % 20 == 19:
                for expected in range(number - 19, number + 1):
                    message = await read(lively)
                    assert message.warning.message.startswith(f"{expected:05}")
        grown, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # The 40 MB of events are kept up to the ring's 16 MiB, and once, not per stream.
    assert sidecar.events.size_bytes <= 16 * MIB
    assert grown < 20 * MIB
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await read_to_the_end(stalled)
    assert info_of(caught.value).reason == "RESUME_TOKEN_EXPIRED"
    lively.cancel()


async def test_a_client_that_goes_away_leaves_no_task_behind(
    stub: "PeerServiceAsyncStub", sidecar: MemorySidecar
) -> None:
    await stub.GetStatus(pb.GetStatusRequest(), metadata=AUTH, timeout=20)
    before = asyncio.all_tasks()
    streams = [stub.WatchEvents(pb.WatchEventsRequest(), metadata=AUTH) for _ in range(5)]
    for stream in streams:
        await read_snapshot(stream)
    # The server has one task per method that waits for the next call; all others are calls.
    new = asyncio.all_tasks() - before
    of_streams = {task for task in new if "_request" not in repr(task)}
    assert len(of_streams) >= len(streams)
    for stream in streams:
        stream.cancel()
    _, running = await asyncio.wait(of_streams, timeout=20)
    assert not running


async def test_stopping_ends_streams_first_and_at_once(
    server: ControlServer, stub: "PeerServiceAsyncStub", sidecar: MemorySidecar
) -> None:
    events = stub.WatchEvents(pb.WatchEventsRequest(), metadata=AUTH)
    await read_snapshot(events)
    sidecar.events.emit(Warned("W", "last words"))
    async with asyncio.timeout(20):
        await server.stop(60)
    assert (await read(events)).warning.message == "last words"
    assert await events.read() is grpc.aio.EOF
    assert await events.code() is grpc.StatusCode.OK


async def test_stopping_does_not_wait_for_a_reader_that_stalls(
    server: ControlServer, stub: "PeerServiceAsyncStub", sidecar: MemorySidecar
) -> None:
    events = stub.WatchEvents(pb.WatchEventsRequest(), metadata=AUTH)
    await read_snapshot(events)
    for _ in range(1000):
        sidecar.events.emit(Warned("W", "x" * 4000))
    async with asyncio.timeout(20):
        await server.stop(0.2)
    events.cancel()


async def test_clients_that_vanish_are_no_news_for_the_log(
    server: ControlServer, sidecar: MemorySidecar
) -> None:
    with capture_logs() as logs:
        for wait_for_stall in (False, True):
            async with open_channel(server.address) as channel:
                events = PeerServiceStub(channel).WatchEvents(
                    pb.WatchEventsRequest(), metadata=AUTH
                )
                await read_snapshot(events)
                for _ in range(1000 * wait_for_stall):
                    sidecar.events.emit(Warned("W", "x" * 4000))
                await read_status(channel)
            sidecar.events.emit(Warned("W", "after"))
        async with open_channel(server.address) as channel:
            await read_status(channel)
    assert logs == []


async def read_status(channel: grpc.aio.Channel) -> pb.GetStatusResponse:
    return await PeerServiceStub(channel).GetStatus(
        pb.GetStatusRequest(), metadata=AUTH, timeout=20
    )
