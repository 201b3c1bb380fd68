"""Verifying, removing and forgetting, by both faces of the Python library."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from lanspread.peer.v1 import types_pb2
from lanspread_client import Client, LanspreadError, SyncClient
from lanspread_peer.control.server import ControlServer
from lanspread_peer.model.verification import Finding, FindingKind, VerificationState
from support.control import TOKEN
from support.memory_sidecar import MemorySidecar, peer, peer_id, title

FINDINGS = [Finding(f"data/{number}", FindingKind.MISSING) for number in range(5)]
STATES = [
    types_pb2.VERIFICATION_STATE_RUNNING,
    types_pb2.VERIFICATION_STATE_RUNNING,
    types_pb2.VERIFICATION_STATE_FINISHED,
]


@pytest.fixture
def sidecar() -> MemorySidecar:
    sidecar = MemorySidecar()
    sidecar.library = [title("aoe2"), title("doom")]
    sidecar.known_peers = [peer(1)]
    sidecar.verifications.found = FINDINGS
    return sidecar


@pytest.fixture
async def server(sidecar: MemorySidecar) -> AsyncIterator[ControlServer]:
    running = await ControlServer.start(sidecar, "127.0.0.1:0", TOKEN)
    yield running
    await running.stop(0)


@pytest.fixture
async def client(server: ControlServer) -> AsyncIterator[Client]:
    async with Client(server.address, TOKEN) as client:
        yield client


async def test_each_call_has_a_method(client: Client, sidecar: MemorySidecar) -> None:
    started = await client.verify_game("aoe2", reseal=True, request_id="mine")
    [request] = sidecar.verifications.requests
    assert (request.game_id, request.reseal, request.request_id) == ("aoe2", True, "mine")
    found = [each.path async for each in client.list_findings(started.id, page_size=2)]
    assert found == [each.path for each in FINDINGS]
    cancelled = await client.cancel_verification(started.id)
    assert cancelled.state == types_pb2.VERIFICATION_STATE_CANCELLED
    again = await client.verify_game("aoe2")
    assert sidecar.verifications.requests[1].request_id
    assert [each async for each in client.list_verifications(page_size=1)] == [again, cancelled]
    assert (await client.remove_game("aoe2", remove_installed=True)).removed_bytes == 1000
    assert sidecar.removed_installed
    await client.remove_peer(peer_id(1))
    assert sidecar.known_peers == []


async def test_each_call_has_a_blocking_method(
    server: ControlServer, sidecar: MemorySidecar
) -> None:
    def use() -> None:
        with SyncClient(server.address, TOKEN) as client:
            started = client.verify_game("aoe2")
            found = [each.path for each in client.list_findings(started.id, page_size=2)]
            assert found == [each.path for each in FINDINGS]
            cancelled = client.cancel_verification(started.id)
            assert list(client.list_verifications()) == [cancelled]
            assert client.remove_game("aoe2").left_file_count == 0
            client.remove_peer(peer_id(1))
            with pytest.raises(LanspreadError) as caught:
                client.remove_peer(peer_id(1))
            assert caught.value.reason == "PEER_NOT_FOUND"

    await asyncio.to_thread(use)
    assert [each.id for each in sidecar.library] == ["doom"]


def move_on(sidecar: MemorySidecar, step: int) -> None:
    if step == 1:
        sidecar.verifications.progress(500)
    elif step == 2:
        sidecar.verifications.end(VerificationState.FINISHED, changed_files=1)


async def test_a_verification_is_followed_to_its_end(
    client: Client, sidecar: MemorySidecar
) -> None:
    other, mine = await client.verify_game("doom"), await client.verify_game("aoe2")
    seen: list[types_pb2.Verification] = []
    async for found in client.follow_verification(mine.id):
        seen.append(found)
        move_on(sidecar, len(seen))
    assert [each.state for each in seen] == STATES
    assert {each.id for each in seen} == {mine.id} != {other.id}
    assert (seen[1].done_bytes, seen[2].changed_file_count) == (500, 1)
    with pytest.raises(LanspreadError) as caught:
        await anext(client.follow_verification("none"))
    assert caught.value.reason == "VERIFICATION_NOT_FOUND"


async def test_a_verification_is_followed_without_asyncio_too(
    server: ControlServer, sidecar: MemorySidecar
) -> None:
    loop = asyncio.get_running_loop()

    def use() -> list[int]:
        states: list[int] = []
        with SyncClient(server.address, TOKEN) as client:
            for found in client.follow_verification(client.verify_game("aoe2").id):
                states.append(found.state)
                loop.call_soon_threadsafe(move_on, sidecar, len(states))
        return states

    assert await asyncio.wait_for(asyncio.to_thread(use), 20) == STATES
