"""Both faces of the Python library against a real control server."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import grpc
import pytest

from lanspread.peer.v1 import events_pb2, types_pb2
from lanspread_client import Client, LanspreadError, SyncClient, connection
from lanspread_peer.control import server as control_server
from lanspread_peer.control.server import ControlServer
from lanspread_peer.model.download import DownloadState
from lanspread_peer.model.events import Warned
from lanspread_peer.model.limits import KIB
from lanspread_peer.model.live_settings import ChosenSettings
from support.control import TOKEN
from support.cut_proxy import cut_proxy
from support.memory_sidecar import INSTANCE, MemorySidecar, manifest_of, staging, title


@pytest.fixture
def sidecar() -> MemorySidecar:
    sidecar = MemorySidecar()
    sidecar.library = [title(f"game{number}") for number in range(5)]
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


def write_runtime_file(state_dir: Path, address: str) -> None:
    content = {
        "address": address,
        "token": TOKEN,
        "pid": 1,
        "instance_id": INSTANCE,
        "version": "0.1.0",
        "api": ["lanspread.peer.v1"],
    }
    path = state_dir / "runtime.json"
    path.touch(0o600)
    path.write_text(json.dumps(content))


async def next_of(
    events: AsyncIterator[events_pb2.WatchEventsResponse],
) -> events_pb2.WatchEventsResponse:
    return await asyncio.wait_for(anext(events), 10)


async def pass_snapshot(events: AsyncIterator[events_pb2.WatchEventsResponse]) -> int:
    items = 0
    while (message := await next_of(events)).HasField("snapshot_item"):
        items += 1
    assert message.HasField("snapshot_complete")
    return items


async def test_every_call_has_a_method(client: Client, sidecar: MemorySidecar) -> None:
    await client.set_game_dir("/games")
    assert sidecar.game_dir == "/games"
    assert [game.id async for game in client.list_games(page_size=2)] == [
        f"game{number}" for number in range(5)
    ]
    assert (await client.get_game("game1")).description.name == "Age"
    sidecar.manifest = manifest_of(["a", "b", "c"])
    files = [file.path async for file in client.list_game_files("game1", page_size=1)]
    assert files == ["a", "b", "c", "version.ini"]
    started = await client.download_game_files("game1", paths=["a"], request_id="r1")
    assert (sidecar.requests[0].paths, sidecar.requests[0].request_id) == (("a",), "r1")
    paused = await client.pause_download(started.id)
    assert paused.state == types_pb2.DOWNLOAD_STATE_PAUSED
    resumed = await client.resume_download(started.id)
    assert resumed.state == types_pb2.DOWNLOAD_STATE_RUNNING
    cancelled = await client.cancel_download(started.id)
    assert cancelled.state == types_pb2.DOWNLOAD_STATE_CANCELLED
    assert await client.get_download(started.id) == cancelled
    assert [each async for each in client.list_downloads()] == [cancelled]
    sidecar.left_behind = [staging(f"d{number}") for number in range(3)]
    stagings = [each.name async for each in client.list_stagings(page_size=2)]
    assert stagings == ["d0", "d1", "d2"]
    await client.delete_staging("d1")
    assert [each.name async for each in client.list_stagings()] == ["d0", "d2"]
    added = await client.add_peer("127.0.0.1:1234")
    assert [each async for each in client.list_peers()] == [added]
    assert (await client.block_peer(added.id)).blocked
    assert not (await client.unblock_peer(added.id)).blocked
    await client.update_settings(upload_bytes_per_second=10**6, upload_slots=3)
    changed = await client.update_settings(upload_bytes_per_second=None, name="a")
    assert changed == await client.get_settings()
    assert sidecar.chosen == ChosenSettings(upload_slots=3, name="a")
    with pytest.raises(LanspreadError, match="out of range"):
        await client.update_settings(upload_slots=2**31)
    assert (await client.get_status()).instance_id == INSTANCE
    await client.shutdown()
    assert sidecar.asked_for_shutdown


async def test_every_call_has_a_blocking_method(
    server: ControlServer, sidecar: MemorySidecar
) -> None:
    def use() -> None:
        with SyncClient(server.address, TOKEN) as client:
            client.set_game_dir("/games")
            games = [game.id for game in client.list_games(page_size=2)]
            assert games == [f"game{number}" for number in range(5)]
            assert client.get_game("game1").description.name == "Age"
            assert len(list(client.list_game_files("game1", page_size=1))) == 3
            started = client.download_game_files("game1", paths=["a"], request_id="r1")
            assert client.pause_download(started.id).state == types_pb2.DOWNLOAD_STATE_PAUSED
            assert client.resume_download(started.id).state == types_pb2.DOWNLOAD_STATE_RUNNING
            cancelled = client.cancel_download(started.id)
            assert client.get_download(started.id) == cancelled
            assert list(client.list_downloads()) == [cancelled]
            sidecar.left_behind = [staging(f"d{number}") for number in range(3)]
            assert [each.name for each in client.list_stagings(page_size=2)] == ["d0", "d1", "d2"]
            client.delete_staging("d1")
            assert [each.name for each in client.list_stagings()] == ["d0", "d2"]
            added = client.add_peer("127.0.0.1:1234")
            assert list(client.list_peers()) == [added]
            assert client.block_peer(added.id).blocked
            assert not client.unblock_peer(added.id).blocked
            changed = client.update_settings(upload_slots=3, name="a")
            assert changed == client.get_settings()
            assert client.get_status().instance_id == INSTANCE
            client.shutdown()

    await asyncio.to_thread(use)
    assert sidecar.asked_for_shutdown


async def test_errors_carry_reason_values_and_code(client: Client) -> None:
    with pytest.raises(LanspreadError) as caught:
        await client.get_game("unknown")
    error = caught.value
    assert (error.reason, error.message) == ("GAME_NOT_FOUND", "nobody has unknown")
    assert error.metadata == {"game_id": "unknown"}
    assert error.code is grpc.StatusCode.NOT_FOUND


async def test_a_wrong_token_and_a_sidecar_that_is_gone_are_told_apart(
    server: ControlServer,
) -> None:
    async with Client(server.address, "wrong") as stranger:
        with pytest.raises(LanspreadError) as caught:
            await stranger.get_status()
        assert caught.value.reason == "UNAUTHENTICATED"
    await server.stop(0)
    async with Client(server.address, TOKEN) as late:
        with pytest.raises(LanspreadError) as caught:
            await late.get_status()
        assert caught.value.reason == "NO_ANSWER"


async def test_connect_finds_the_sidecar_by_its_state_folder(
    server: ControlServer, tmp_path: Path
) -> None:
    with pytest.raises(LanspreadError) as caught:
        Client.connect(tmp_path)
    assert caught.value.reason == "NOT_RUNNING"
    write_runtime_file(tmp_path, server.address)
    async with Client.connect(tmp_path) as client:
        assert (await client.get_status()).instance_id == INSTANCE


async def test_a_download_is_followed_to_its_end(client: Client, sidecar: MemorySidecar) -> None:
    seen = []
    async for download in client.download("game1"):
        seen.append(types_pb2.DownloadState.Name(download.state))
        if len(seen) == 1:
            sidecar.progress(500)
        elif len(seen) == 2:
            assert download.done_bytes == 500
            sidecar.end(DownloadState.FAILED, "NO_SOURCE")
        else:
            assert download.error.reason == "NO_SOURCE"
    assert seen == [
        "DOWNLOAD_STATE_RUNNING",
        "DOWNLOAD_STATE_RUNNING",
        "DOWNLOAD_STATE_FAILED",
    ]


async def test_a_download_that_ended_before_it_is_followed_is_told_once(
    server: ControlServer, client: Client, sidecar: MemorySidecar
) -> None:
    started = await client.download_game_files("game1")
    sidecar.end(DownloadState.FINISHED)
    states = [each.state async for each in client.follow_download(started.id)]
    assert states == [types_pb2.DOWNLOAD_STATE_FINISHED]

    def follow() -> list[int]:
        with SyncClient(server.address, TOKEN) as blocking:
            return [each.state for each in blocking.follow_download(started.id)]

    assert await asyncio.to_thread(follow) == [types_pb2.DOWNLOAD_STATE_FINISHED]


async def test_a_sidecar_that_ends_in_mid_download_is_an_error(
    server: ControlServer, client: Client
) -> None:
    downloads = client.download("game1")
    await asyncio.wait_for(anext(downloads), 20)
    await server.stop(0.5)
    with pytest.raises(LanspreadError) as caught:
        await asyncio.wait_for(anext(downloads), 20)
    assert caught.value.reason == "STREAM_ENDED"


async def test_a_cut_connection_is_resumed_and_nothing_is_missed(
    server: ControlServer, sidecar: MemorySidecar
) -> None:
    async with cut_proxy(server.address) as proxy, Client(proxy.address, TOKEN) as client:
        events = client.events()
        assert await pass_snapshot(events) == 5
        for number in range(3):
            proxy.cut()
            sidecar.events.emit(Warned("W", str(number)))
            assert (await next_of(events)).warning.message == str(number)
        await events.aclose()


async def test_a_blocking_stream_is_resumed_too(
    server: ControlServer, sidecar: MemorySidecar
) -> None:
    async with cut_proxy(server.address) as proxy:
        loop = asyncio.get_running_loop()

        def cut_and_tell(number: int) -> None:
            proxy.cut()
            sidecar.events.emit(Warned("W", str(number)))

        def follow() -> list[str]:
            seen: list[str] = []
            with SyncClient(proxy.address, TOKEN) as client:
                for message in client.events():
                    if message.HasField("warning"):
                        seen.append(message.warning.message)
                    elif not message.HasField("snapshot_complete"):
                        continue
                    if len(seen) == 3:
                        return seen
                    loop.call_soon_threadsafe(cut_and_tell, len(seen))
            return seen

        assert await asyncio.wait_for(asyncio.to_thread(follow), 20) == ["0", "1", "2"]


@pytest.fixture
def _quick_pings(monkeypatch: pytest.MonkeyPatch) -> None:
    quick = {
        "grpc.keepalive_time_ms": 1000,
        "grpc.keepalive_timeout_ms": 500,
        "grpc.http2.ping_timeout_ms": 500,
    }
    options = dict(connection._CHANNEL_OPTIONS)
    assert quick.keys() <= options.keys()
    monkeypatch.setattr(connection, "_CHANNEL_OPTIONS", tuple({**options, **quick}.items()))


@pytest.mark.usefixtures("_quick_pings")
async def test_a_line_that_died_without_a_word_is_resumed(
    server: ControlServer, sidecar: MemorySidecar
) -> None:
    async with cut_proxy(server.address) as proxy, Client(proxy.address, TOKEN) as client:
        events = client.events()
        await pass_snapshot(events)
        proxy.hang()
        sidecar.events.emit(Warned("W", "meanwhile"))
        message = await asyncio.wait_for(anext(events), 40)
        assert message.warning.message == "meanwhile"
        await events.aclose()


@pytest.mark.usefixtures("_quick_pings")
async def test_a_blocking_stream_on_a_dead_line_is_resumed_too(
    server: ControlServer, sidecar: MemorySidecar
) -> None:
    loop = asyncio.get_running_loop()

    def hang_and_tell() -> None:
        proxy.hang()
        sidecar.events.emit(Warned("W", "meanwhile"))

    def follow() -> str:
        with SyncClient(proxy.address, TOKEN) as client, closing(client.events()) as events:
            for message in events:
                if message.HasField("snapshot_complete"):
                    loop.call_soon_threadsafe(hang_and_tell)
                if message.HasField("warning"):
                    return message.warning.message
        return ""

    async with cut_proxy(server.address) as proxy:
        assert await asyncio.wait_for(asyncio.to_thread(follow), 40) == "meanwhile"


def test_the_sidecar_permits_as_many_pings_as_the_client_sends() -> None:
    ours, permitted = dict(connection._CHANNEL_OPTIONS), dict(control_server._OPTIONS)
    least = permitted["grpc.http2.min_ping_interval_without_data_ms"]
    assert ours["grpc.keepalive_time_ms"] > least
    assert ours["grpc.http2.max_pings_without_data"] == 0


def games_of_snapshot(messages: list[events_pb2.WatchEventsResponse]) -> list[str]:
    assert messages[-1].HasField("snapshot_complete")
    return [message.snapshot_item.game.id for message in messages[:-1]]


# Of more than the first bytes, and within what the client takes before it answers.
MANY = [title(f"game{number:04}") for number in range(300)]
FIRST_BYTES = 8 * KIB


async def test_of_a_snapshot_that_is_cut_nothing_is_seen(
    server: ControlServer, sidecar: MemorySidecar
) -> None:
    sidecar.library = MANY
    async with cut_proxy(server.address) as proxy, Client(proxy.address, TOKEN) as client:
        proxy.cut_after(FIRST_BYTES)
        events = client.events()
        seen = [await next_of(events)]
        while not seen[-1].HasField("snapshot_complete"):
            seen.append(await next_of(events))
        await events.aclose()
    assert proxy.connections == 2
    assert games_of_snapshot(seen) == [game.id for game in MANY]


async def test_a_blocking_stream_shows_nothing_of_a_cut_snapshot_either(
    server: ControlServer, sidecar: MemorySidecar
) -> None:
    sidecar.library = MANY

    def read() -> list[events_pb2.WatchEventsResponse]:
        seen = []
        with SyncClient(proxy.address, TOKEN) as client, closing(client.events()) as events:
            for message in events:
                seen.append(message)
                if message.HasField("snapshot_complete"):
                    break
        return seen

    async with cut_proxy(server.address) as proxy:
        proxy.cut_after(FIRST_BYTES)
        seen = await asyncio.wait_for(asyncio.to_thread(read), 20)
    assert proxy.connections == 2
    assert games_of_snapshot(seen) == [game.id for game in MANY]


async def test_a_stream_that_missed_events_begins_with_a_new_snapshot(
    client: Client, sidecar: MemorySidecar
) -> None:
    events = client.events(resume=f"{'f' * 32}:3")
    assert await pass_snapshot(events) == 5
    for _ in range(10_000):
        sidecar.events.emit(Warned("W", "x" * 4000))
    # What gRPC has under way comes first; then the ring is behind, and that is told.
    while not (message := await next_of(events)).HasField("snapshot_item"):
        assert message.HasField("warning")
    assert await pass_snapshot(events) == 4
    sidecar.events.emit(Warned("W", "after"))
    assert (await next_of(events)).warning.message == "after"
    await events.aclose()


async def test_a_stream_ends_when_its_launch_has_ended(
    server: ControlServer, tmp_path: Path
) -> None:
    async with cut_proxy(server.address) as proxy:
        write_runtime_file(tmp_path, proxy.address)
        async with Client.connect(tmp_path) as client:
            events = client.events()
            await pass_snapshot(events)
            (tmp_path / "runtime.json").unlink()
            proxy.cut()
            with pytest.raises(LanspreadError) as caught:
                await next_of(events)
            assert caught.value.reason == "NO_ANSWER"
