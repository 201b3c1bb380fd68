"""Calls have places: strangers take none of the front end's, and no call keeps one for nothing."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from lanspread.peer.v1 import peer_service_pb2 as pb
from lanspread.peer.v1.peer_service_pb2_grpc import PeerServiceStub
from lanspread_peer.control import places
from lanspread_peer.control.healthcheck import is_serving
from lanspread_peer.control.server import SERVICE, ControlServer
from lanspread_peer.model.limits import MAX_CONTROL_CALLS, MAX_TOKENLESS_CALLS
from lanspread_peer.storage import runtime_file
from lanspread_peer.storage.runtime_file import RuntimeFile
from support.control import AUTH, TOKEN, info_of

if TYPE_CHECKING:
    # Its stub file alone knows it.
    from lanspread.peer.v1.peer_service_pb2_grpc import PeerServiceAsyncStub

CHECK = "/grpc.health.v1.Health/Check"
WATCH = "/grpc.health.v1.Health/Watch"
GET_STATUS = f"/{SERVICE}/GetStatus"
WRONG = (("authorization", f"Bearer {TOKEN[:-1]}"),)


@pytest.fixture
async def stranger(server: ControlServer) -> AsyncIterator[grpc.aio.Channel]:
    """A connection of somebody else."""
    apart = [("grpc.enable_http_proxy", 0), ("grpc.use_local_subchannel_pool", 1)]
    async with grpc.aio.insecure_channel(server.address, options=apart) as channel:
        yield channel


def silent_call(channel: grpc.aio.Channel, method: str, *metadata: tuple[str, str]) -> Any:
    """A call that is open, and whose request never comes."""
    anything: Any = channel.stream_stream(method)
    return anything(metadata=metadata)


async def reason_of(call: Any) -> str:
    async with asyncio.timeout(30):
        code = await call.code()
    if code is grpc.StatusCode.CANCELLED:
        return "CANCELLED"
    told = (await call.initial_metadata(), await call.trailing_metadata(), await call.details())
    reason: str = info_of(grpc.aio.AioRpcError(code, *told)).reason
    return reason


@pytest.mark.parametrize("method", [CHECK, WATCH])
async def test_silent_strangers_do_not_lock_the_front_end_out(
    stub: "PeerServiceAsyncStub",
    channel: grpc.aio.Channel,
    stranger: grpc.aio.Channel,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
) -> None:
    monkeypatch.setattr(places, "CONTROL_REQUEST_TIMEOUT_S", 1000.0)
    calls = [silent_call(stranger, method) for _ in range(MAX_CONTROL_CALLS)]
    ended = asyncio.as_completed([reason_of(call) for call in calls])
    refused = [await next(ended) for _ in range(MAX_CONTROL_CALLS - MAX_TOKENLESS_CALLS)]
    assert set(refused) == {"TOO_MANY_CALLS"}
    assert sum(not call.done() for call in calls) == MAX_TOKENLESS_CALLS
    await stub.GetStatus(pb.GetStatusRequest(), metadata=AUTH, timeout=20)
    health = health_pb2_grpc.HealthStub(channel)
    await health.Check(health_pb2.HealthCheckRequest(), metadata=AUTH, timeout=20)
    for call in calls:
        call.cancel()
    assert {await waiting for waiting in ended} == {"CANCELLED"}


async def test_the_health_check_of_the_command_line_has_a_place(
    server: ControlServer,
    stranger: grpc.aio.Channel,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setattr(places, "CONTROL_REQUEST_TIMEOUT_S", 1000.0)
    server.set_serving()
    running = RuntimeFile(
        address=server.address, token=TOKEN, pid=1, instance_id="a", version="1", started_at=1.0
    )
    runtime_file.write(tmp_path, running)
    calls = [silent_call(stranger, CHECK) for _ in range(MAX_TOKENLESS_CALLS + 1)]
    # Whichever came last finds no place.
    ended = asyncio.as_completed([reason_of(call) for call in calls])
    assert await next(ended) == "TOO_MANY_CALLS"
    assert await asyncio.to_thread(is_serving, tmp_path)
    for call in calls:
        call.cancel()
    assert {await waiting for waiting in ended} == {"CANCELLED"}


@pytest.mark.parametrize(
    ("method", "metadata", "reason"),
    [
        (CHECK, (), "NO_REQUEST"),
        (WATCH, (), "NO_REQUEST"),
        (GET_STATUS, AUTH, "NO_REQUEST"),
        (f"/{SERVICE}/WatchEvents", AUTH, "NO_REQUEST"),
        (GET_STATUS, WRONG, "UNAUTHENTICATED"),
    ],
)
async def test_a_call_whose_request_does_not_come_ends(
    channel: grpc.aio.Channel,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    metadata: tuple[tuple[str, str], ...],
    reason: str,
) -> None:
    monkeypatch.setattr(places, "CONTROL_REQUEST_TIMEOUT_S", 0.1)
    for _ in range(2):
        assert await reason_of(silent_call(channel, method, *metadata)) == reason


async def test_a_call_that_ends_without_a_request_is_told_so(channel: grpc.aio.Channel) -> None:
    call = silent_call(channel, GET_STATUS, *AUTH)
    await call.done_writing()
    assert await reason_of(call) == "NO_REQUEST"


async def test_calls_with_the_token_are_limited_and_give_their_places_back(
    stub: "PeerServiceAsyncStub", stranger: grpc.aio.Channel
) -> None:
    streams = [
        stub.WatchEvents(pb.WatchEventsRequest(), metadata=AUTH) for _ in range(MAX_CONTROL_CALLS)
    ]
    for stream in streams:
        await asyncio.wait_for(stream.read(), 30)
    # A connection has room for no more calls, so another one asks.
    other: PeerServiceAsyncStub = PeerServiceStub(stranger)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await other.GetStatus(pb.GetStatusRequest(), metadata=AUTH, timeout=20)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert info_of(caught.value).reason == "TOO_MANY_CALLS"
    health = health_pb2_grpc.HealthStub(stranger)
    await health.Check(health_pb2.HealthCheckRequest(), timeout=20)
    streams[0].cancel()
    async with asyncio.timeout(20):
        while True:
            try:
                await other.GetStatus(pb.GetStatusRequest(), metadata=AUTH, timeout=20)
            except grpc.aio.AioRpcError:
                continue
            break
