"""Event streams for good: readers that stall for long, and readers that come and go.

The promise (issue 5): a subscriber that stops reading under ten thousand events costs bounded
memory and no delay to another, and gets every event or RESUME_TOKEN_EXPIRED; one that reconnects
at random misses nothing and is told nothing twice.
"""

import asyncio
import gc
import tracemalloc
from collections.abc import AsyncIterator
from random import Random
from typing import TYPE_CHECKING

import grpc
import psutil
import pytest

from lanspread.peer.v1 import events_pb2
from lanspread.peer.v1 import peer_service_pb2 as pb
from lanspread.peer.v1.peer_service_pb2_grpc import PeerServiceStub
from lanspread_client import Client, SyncClient
from lanspread_peer.control.server import ControlServer
from lanspread_peer.model.events import (
    Warned,
)
from lanspread_peer.model.limits import MAX_EVENT_RING_BYTES, MIB
from support.control import AUTH, TOKEN, Events, info_of, open_channel, read, read_snapshot
from support.cut_proxy import CutProxy, cut_proxy
from support.front_end import Happenings, State, assert_is_known
from support.long_form import long_form
from support.memory_sidecar import INSTANCE, MemorySidecar

if TYPE_CHECKING:
    # Its stub file alone knows it.
    from lanspread.peer.v1.peer_service_pb2_grpc import PeerServiceAsyncStub

EVENTS = 10_000
# As large as the update of a title that many peers hold, so that they do not all fit the ring.
REALISTIC_BYTES = 4000
SEEDS = long_form(short=3, long=100)
ROUNDS = 300

pytestmark = pytest.mark.parametrize("server", ["127.0.0.1:0"], indirect=True, ids=["tcp"])


def watch(stub: "PeerServiceAsyncStub", resume_token: str = "") -> Events:
    return stub.WatchEvents(pb.WatchEventsRequest(resume_token=resume_token), metadata=AUTH)


async def read_numbers(events: Events) -> tuple[list[int], grpc.aio.AioRpcError | None]:
    """The numbers that a stream still brings once it is read on, and how it ended."""
    numbers: list[int] = []
    try:
        while (message := await asyncio.wait_for(events.read(), 30)) is not grpc.aio.EOF:
            assert isinstance(message, events_pb2.WatchEventsResponse)
            if message.sequence:
                numbers.append(message.sequence)
    except grpc.aio.AioRpcError as error:
        return numbers, error
    return numbers, None


async def test_readers_that_stall_cost_nothing_and_delay_nobody(
    server: ControlServer, stub: "PeerServiceAsyncStub", sidecar: MemorySidecar
) -> None:
    stalled: list[Events] = []
    channels = [open_channel(server.address) for _ in range(4)]
    for channel in channels:
        # On connections of their own, so that none has the other's flow control.
        stalled.append(watch(PeerServiceStub(channel)))
        await read_snapshot(stalled[-1])
    lively = watch(stub)
    await read_snapshot(lively)
    gc.collect()
    resident = psutil.Process().memory_info().rss
    tracemalloc.start()
    try:
        for number in range(1, EVENTS + 1):
            sidecar.events.emit(Warned("W", f"{number:05}" + "x" * REALISTIC_BYTES))
            # In lockstep: the next one is not told before this one was read. A reader that had to
            # wait for a stalled one would wait for ever.
            message = await read(lively)
            assert (message.sequence, message.warning.message[:5]) == (number, f"{number:05}")
        gc.collect()
        grown, _ = tracemalloc.get_traced_memory()
        resident = psutil.Process().memory_info().rss - resident
    finally:
        tracemalloc.stop()
    assert sidecar.events.size_bytes <= MAX_EVENT_RING_BYTES
    # 41 MB of events, kept up to the ring once and not per reader.
    assert grown < MAX_EVENT_RING_BYTES + 4 * MIB
    # What gRPC holds by itself, too, for both ends.
    assert resident < MAX_EVENT_RING_BYTES + 64 * MIB
    print(f"{grown / MIB:.1f} MiB of Python's, {resident / MIB:.1f} MiB in all")
    for events in stalled:
        numbers, error = await read_numbers(events)
        # What was under way comes whole and in order; then it is told that the rest is lost.
        assert numbers == list(range(1, len(numbers) + 1))
        assert error is not None
        assert (error.code(), info_of(error).reason) == (
            grpc.StatusCode.OUT_OF_RANGE,
            "RESUME_TOKEN_EXPIRED",
        )
    lively.cancel()
    for channel in channels:
        await channel.close()


async def test_a_reader_that_stalls_within_the_ring_gets_every_event(
    stub: "PeerServiceAsyncStub", sidecar: MemorySidecar, server: ControlServer
) -> None:
    stalled = watch(stub)
    await read_snapshot(stalled)
    for number in range(EVENTS):
        sidecar.events.emit(Warned("W", str(number)))
    # Ending takes the streams first, and a reader that reads on gets all that was told.
    reading = asyncio.ensure_future(read_numbers(stalled))
    await server.stop(30)
    numbers, error = await reading
    assert (numbers, error) == (list(range(1, EVENTS + 1)), None)


@pytest.mark.scales
@pytest.mark.parametrize("seed", range(SEEDS))
async def test_a_reader_that_reconnects_at_random_misses_nothing(
    stub: "PeerServiceAsyncStub", sidecar: MemorySidecar, seed: int
) -> None:
    print(f"seed {seed}")
    rng = Random(seed)
    party, state = Happenings(sidecar, rng), State()
    for _ in range(20):
        await party.happen()
    before = sidecar.events.latest
    events = watch(stub)
    reconnections = 0
    for _ in range(ROUNDS):
        for _ in range(rng.randrange(4)):
            await party.happen()
        for _ in range(rng.randrange(6)):
            if state.tokens and state.tokens[-1] == f"{INSTANCE}:{sidecar.events.latest}":
                # There is nothing more to read but what may be skipped.
                break
            state.take(await read(events))
        if state.tokens and rng.random() < 0.2:
            events.cancel()
            events = watch(stub, state.tokens[-1])
            reconnections += 1
    while not state.tokens or state.tokens[-1] != f"{INSTANCE}:{sidecar.events.latest}":
        state.take(await read(events))
    events.cancel()
    assert reconnections > 20
    # The numbers since the snapshot have no gap and no repeat.
    first = sidecar.events.latest - len(state.numbers) + 1
    assert state.numbers == list(range(first, sidecar.events.latest + 1))
    assert first >= before + 1
    assert_is_known(state, sidecar)


@pytest.fixture
async def proxy(server: ControlServer) -> AsyncIterator[CutProxy]:
    async with cut_proxy(server.address) as proxy:
        yield proxy


@pytest.mark.scales
@pytest.mark.parametrize("seed", range(SEEDS))
async def test_the_clients_resume_by_themselves_over_a_line_that_is_cut(
    proxy: CutProxy, sidecar: MemorySidecar, seed: int
) -> None:
    print(f"seed {seed}")
    rng = Random(seed)
    party, state = Happenings(sidecar, rng), State()
    async with Client(proxy.address, TOKEN) as client:
        events = client.events()
        while not state.tokens:
            state.take(await asyncio.wait_for(anext(events), 30))
        for _ in range(30):
            for _ in range(rng.randrange(1, 5)):
                await party.happen()
            if rng.random() < 0.3:
                proxy.cut()
            while state.tokens[-1] != f"{INSTANCE}:{sidecar.events.latest}":
                state.take(await asyncio.wait_for(anext(events), 30))
        await events.aclose()
    assert state.numbers == list(range(1, sidecar.events.latest + 1))
    assert_is_known(state, sidecar)


async def test_the_blocking_client_resumes_by_itself_over_a_line_that_is_cut(
    proxy: CutProxy, sidecar: MemorySidecar
) -> None:
    rng = Random(1)
    party, state = Happenings(sidecar, rng), State()
    loop = asyncio.get_running_loop()

    async def go_on() -> int:
        if rng.random() < 0.3:
            proxy.cut()
        await party.happen()
        sidecar.events.emit(Warned("GO", "on"))
        return sidecar.events.latest

    def follow() -> int:
        last = 0
        with SyncClient(proxy.address, TOKEN) as client:
            rounds, stream = 0, client.events()
            for message in stream:
                state.take(message)
                if message.HasField("snapshot_complete") or message.sequence == last:
                    if rounds == 30:
                        stream.close()
                        break
                    rounds += 1
                    last = asyncio.run_coroutine_threadsafe(go_on(), loop).result(30)
        return last

    last = await asyncio.wait_for(asyncio.to_thread(follow), 60)
    assert state.numbers == list(range(1, last + 1))
    assert_is_known(state, sidecar)


async def test_who_told_the_sidecar_to_end_is_not_told_that_it_is_gone(proxy: CutProxy) -> None:
    async with Client(proxy.address, TOKEN) as client:
        events = client.events()
        while not (await asyncio.wait_for(anext(events), 30)).HasField("snapshot_complete"):
            pass
        await client.shutdown()
        # As when the process is gone before the end of the stream is read.
        await proxy.close()
        assert [each async for each in events] == []
