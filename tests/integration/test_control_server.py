"""The control API through a real gRPC server and client, over a Unix socket and loopback TCP."""

import asyncio
import stat
from collections.abc import Awaitable
from pathlib import Path
from typing import TYPE_CHECKING

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.rpc.error_details_pb2 import BadRequest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from grpc_status import rpc_status
from structlog.testing import capture_logs

from lanspread.peer.v1 import peer_service_pb2 as pb
from lanspread.peer.v1 import types_pb2
from lanspread.peer.v1.peer_service_pb2_grpc import PeerServiceStub
from lanspread_peer.control.server import SERVICE, ControlServer
from lanspread_peer.model.errors import CannotBind
from lanspread_peer.model.limits import MAX_CONTROL_MESSAGE_BYTES, MAX_HEALTH_WATCHERS
from lanspread_peer.model.live_settings import ChosenSettings
from support.control import (
    AUTH,
    TOKEN,
    info_of,
    open_channel,
)
from support.memory_sidecar import CONTENT_ID, MemorySidecar, manifest_of, staging, title

if TYPE_CHECKING:
    # Its stub file alone knows it.
    from lanspread.peer.v1.peer_service_pb2_grpc import PeerServiceAsyncStub

UNAUTHENTICATED = grpc.StatusCode.UNAUTHENTICATED


@pytest.mark.parametrize(
    "metadata",
    [
        (),
        (("authorization", "Bearer wrong"),),
        (("authorization", TOKEN),),
        (("authorization", f"Bearer {TOKEN}"), ("authorization", "Bearer wrong")),
        (("authorization", "Bearer wrong"), ("authorization", f"Bearer {TOKEN}")),
        (("authorization", f"Basic {TOKEN}"),),
    ],
)
async def test_a_call_without_the_token_reaches_no_handler(
    stub: "PeerServiceAsyncStub", sidecar: MemorySidecar, metadata: tuple[tuple[str, str], ...]
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.Shutdown(pb.ShutdownRequest(), metadata=metadata, timeout=20)
    assert caught.value.code() is UNAUTHENTICATED
    assert info_of(caught.value).reason == "UNAUTHENTICATED"
    assert not sidecar.asked_for_shutdown
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.WatchEvents(pb.WatchEventsRequest(), metadata=metadata, timeout=20).read()
    assert caught.value.code() is UNAUTHENTICATED


async def test_unknown_methods_look_the_same_to_strangers(channel: grpc.aio.Channel) -> None:
    call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(
        "/lanspread.peer.v1.PeerService/NoSuchCall"
    )
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call(b"", timeout=20)
    assert caught.value.code() is UNAUTHENTICATED
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call(b"", metadata=AUTH, timeout=20)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_health_needs_no_token_and_tells_when_it_serves(
    server: ControlServer, channel: grpc.aio.Channel
) -> None:
    health = health_pb2_grpc.HealthStub(channel)
    for service in ("", SERVICE):
        request = health_pb2.HealthCheckRequest(service=service)
        answer = await health.Check(request, timeout=20)
        assert answer.status == health_pb2.HealthCheckResponse.NOT_SERVING
    watch = health.Watch(health_pb2.HealthCheckRequest(service=SERVICE), timeout=20)
    assert (await watch.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
    server.set_serving()
    assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
    answer = await health.Check(health_pb2.HealthCheckRequest(), timeout=20)
    assert answer.status == health_pb2.HealthCheckResponse.SERVING
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await health.Check(health_pb2.HealthCheckRequest(service="other"), timeout=20)
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    await server.stop(0.5)
    assert (await watch.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
    assert await watch.read() is grpc.aio.EOF


async def test_health_watchers_are_limited(channel: grpc.aio.Channel) -> None:
    health = health_pb2_grpc.HealthStub(channel)
    watches = [health.Watch(health_pb2.HealthCheckRequest()) for _ in range(MAX_HEALTH_WATCHERS)]
    for watch in watches:
        await watch.read()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await health.Watch(health_pb2.HealthCheckRequest(), timeout=20).read()
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    watches[0].cancel()
    async with asyncio.timeout(20):
        while True:
            try:
                await health.Watch(health_pb2.HealthCheckRequest(), timeout=20).read()
            except grpc.aio.AioRpcError:
                continue
            break


async def test_reflection_lists_the_service_to_those_who_know_the_token(
    channel: grpc.aio.Channel,
) -> None:
    reflection = reflection_pb2_grpc.ServerReflectionStub(channel)
    # No request is sent: the refusal does not wait for one.
    assert await reflection.ServerReflectionInfo(timeout=20).code() is UNAUTHENTICATED
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    answer = await reflection.ServerReflectionInfo(
        iter([request]), metadata=AUTH, timeout=20
    ).read()
    names = {each.name for each in answer.list_services_response.service}
    assert {SERVICE, "grpc.health.v1.Health"} <= names


async def test_pages_hold_every_title_once_and_stay_small(
    stub: "PeerServiceAsyncStub", sidecar: MemorySidecar
) -> None:
    sidecar.library = [title(f"game{number:04}", "x" * 2000) for number in range(1500)]
    seen: list[str] = []
    token = ""
    while True:
        page = await stub.ListGames(
            pb.ListGamesRequest(page_size=5000, page_token=token), metadata=AUTH, timeout=5
        )
        assert page.ByteSize() <= MAX_CONTROL_MESSAGE_BYTES
        seen += [game.id for game in page.games]
        token = page.next_page_token
        if not token:
            break
    assert seen == [f"game{number:04}" for number in range(1500)]


async def test_pages_of_files_stay_with_the_variant_they_began_with(
    stub: "PeerServiceAsyncStub", sidecar: MemorySidecar
) -> None:
    sidecar.library = [title("aoe2")]
    sidecar.manifest = manifest_of([f"{number:03}.dat" for number in range(5)])
    request = pb.ListGameFilesRequest(game_id="aoe2", content_id="cd" * 32, page_size=4)
    first = await stub.ListGameFiles(request, metadata=AUTH, timeout=20)
    assert [file.path for file in first.files] == [f"{number:03}.dat" for number in range(4)]
    second = await stub.ListGameFiles(
        pb.ListGameFilesRequest(game_id="aoe2", page_token=first.next_page_token),
        metadata=AUTH,
        timeout=20,
    )
    assert [file.path for file in second.files] == ["004.dat", "version.ini"]
    assert second.content_id == "cd" * 32
    assert not second.next_page_token


async def test_wrong_fields_come_with_their_name_and_reason(
    stub: "PeerServiceAsyncStub", sidecar: MemorySidecar
) -> None:
    sidecar.library = [title("aoe2")]
    calls: dict[str, Awaitable[object]] = {
        "page_size": stub.ListPeers(pb.ListPeersRequest(page_size=-1), metadata=AUTH),
        "page_token": stub.ListGames(pb.ListGamesRequest(page_token="?"), metadata=AUTH),
        "game_id": stub.GetGame(pb.GetGameRequest(game_id="../etc"), metadata=AUTH),
        "content_id": stub.ListGameFiles(
            pb.ListGameFilesRequest(game_id="aoe2", content_id="xyz"), metadata=AUTH
        ),
        "download_id": stub.GetDownload(pb.GetDownloadRequest(), metadata=AUTH),
        "request_id": stub.DownloadGameFiles(
            pb.DownloadGameFilesRequest(game_id="aoe2", request_id="r" * 129), metadata=AUTH
        ),
        "address": stub.AddPeer(pb.AddPeerRequest(address="nonsense"), metadata=AUTH),
        "name": stub.DeleteStaging(pb.DeleteStagingRequest(), metadata=AUTH),
        "peer_id": stub.BlockPeer(pb.BlockPeerRequest(peer_id="../etc"), metadata=AUTH),
        "game_dir": stub.SetGameDir(pb.SetGameDirRequest(), metadata=AUTH),
        "update_mask": stub.UpdateSettings(
            pb.UpdateSettingsRequest(update_mask=FieldMask(paths=["*"])), metadata=AUTH
        ),
        # One that is right does not change beside one that is wrong.
        "upload_bytes_per_second": stub.UpdateSettings(
            pb.UpdateSettingsRequest(
                settings=types_pb2.Settings(upload_bytes_per_second=0, upload_slots=3)
            ),
            metadata=AUTH,
        ),
    }
    for field, call in calls.items():
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT, field
        info = info_of(caught.value)
        assert (info.reason, info.domain) == ("INVALID_FIELD", "lanspread.peer")
        assert info.metadata["field"] == field
        bad_request = BadRequest()
        assert rpc_status.from_call(caught.value).details[1].Unpack(bad_request)
        assert bad_request.field_violations[0].field == field
    assert sidecar.chosen == ChosenSettings()


async def test_errors_of_the_sidecar_come_with_their_reason_and_values(
    stub: "PeerServiceAsyncStub", sidecar: MemorySidecar
) -> None:
    sidecar.library = [title("aoe2")]
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.GetGame(pb.GetGameRequest(game_id="quake"), metadata=AUTH, timeout=20)
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    assert info_of(caught.value).reason == "GAME_NOT_FOUND"
    assert info_of(caught.value).metadata["game_id"] == "quake"
    empty = pb.DownloadGameFilesRequest(game_id="aoe2", selection=pb.FileSelection())
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.DownloadGameFiles(empty, metadata=AUTH, timeout=20)
    assert info_of(caught.value).reason == "EMPTY_SELECTION"


async def test_a_request_over_the_limit_is_refused(stub: "PeerServiceAsyncStub") -> None:
    request = pb.AddPeerRequest(address="x" * (MAX_CONTROL_MESSAGE_BYTES + 1))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.AddPeer(request, metadata=AUTH, timeout=20)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_the_socket_is_private_and_goes_with_the_server(sidecar: MemorySidecar) -> None:
    server = await ControlServer.start(sidecar, "", TOKEN)
    path = Path(server.address.removeprefix("unix:"))
    assert stat.S_ISSOCK(path.lstat().st_mode)  # noqa: ASYNC240 - a look at a local file
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert len(bytes(path)) <= 104
    await server.stop(0)
    assert not path.parent.exists()
    await server.stop(0)


async def test_a_port_that_is_taken_is_an_error(sidecar: MemorySidecar) -> None:
    first = await ControlServer.start(sidecar, "127.0.0.1:0", TOKEN)
    with pytest.raises(CannotBind):
        await ControlServer.start(sidecar, first.address, TOKEN)
    await first.stop(0)


async def test_a_socket_that_is_listened_on_is_not_taken_away(
    sidecar: MemorySidecar, tmp_path: Path
) -> None:
    listen = f"unix:{tmp_path / 's'}"
    first = await ControlServer.start(sidecar, listen, TOKEN)
    with pytest.raises(CannotBind):
        await ControlServer.start(sidecar, listen, TOKEN)
    async with open_channel(listen) as channel:
        await PeerServiceStub(channel).GetStatus(pb.GetStatusRequest(), metadata=AUTH, timeout=20)
    await first.stop(0)
    assert not (tmp_path / "s").exists()


async def test_all_other_calls_answer(stub: "PeerServiceAsyncStub", sidecar: MemorySidecar) -> None:
    sidecar.library = [title("aoe2")]
    await stub.SetGameDir(pb.SetGameDirRequest(game_dir="/games"), metadata=AUTH, timeout=20)
    assert sidecar.game_dir == "/games"
    game = await stub.GetGame(pb.GetGameRequest(game_id="aoe2"), metadata=AUTH, timeout=20)
    assert (game.game.id, game.totals.file_count, game.description.name) == ("aoe2", 3, "Age")
    started = await stub.DownloadGameFiles(
        pb.DownloadGameFilesRequest(
            game_id="aoe2", content_id=CONTENT_ID, selection=pb.FileSelection(paths=["a.dat"])
        ),
        metadata=AUTH,
        timeout=20,
    )
    assert sidecar.requests[0].paths == ("a.dat",)
    assert sidecar.requests[0].content_id == CONTENT_ID
    paused = await stub.PauseDownload(
        pb.PauseDownloadRequest(download_id=started.download.id), metadata=AUTH, timeout=5
    )
    assert paused.download.state == types_pb2.DOWNLOAD_STATE_PAUSED
    resumed = await stub.ResumeDownload(
        pb.ResumeDownloadRequest(download_id=started.download.id), metadata=AUTH, timeout=5
    )
    assert resumed.download.state == types_pb2.DOWNLOAD_STATE_RUNNING
    cancelled = await stub.CancelDownload(
        pb.CancelDownloadRequest(download_id=started.download.id), metadata=AUTH, timeout=5
    )
    got = await stub.GetDownload(
        pb.GetDownloadRequest(download_id=started.download.id), metadata=AUTH, timeout=5
    )
    assert got.download == cancelled.download
    downloads = await stub.ListDownloads(pb.ListDownloadsRequest(), metadata=AUTH, timeout=20)
    assert list(downloads.downloads) == [got.download]
    sidecar.left_behind = [staging("d8"), staging("d9", fault="torn")]
    left = await stub.ListStagings(pb.ListStagingsRequest(), metadata=AUTH, timeout=20)
    assert [(each.name, each.game_id, each.fault) for each in left.stagings] == [
        ("d8", "aoe2", ""),
        ("d9", "", "torn"),
    ]
    await stub.DeleteStaging(pb.DeleteStagingRequest(name="d9"), metadata=AUTH, timeout=20)
    assert [each.name for each in sidecar.left_behind] == ["d8"]
    added = await stub.AddPeer(
        pb.AddPeerRequest(address="127.0.0.1:1234"), metadata=AUTH, timeout=5
    )
    peers = await stub.ListPeers(pb.ListPeersRequest(), metadata=AUTH, timeout=20)
    assert list(peers.peers) == [added.peer]
    blocked = await stub.BlockPeer(
        pb.BlockPeerRequest(peer_id=added.peer.id), metadata=AUTH, timeout=5
    )
    assert blocked.peer.blocked
    unblocked = await stub.UnblockPeer(
        pb.UnblockPeerRequest(peer_id=added.peer.id), metadata=AUTH, timeout=5
    )
    assert unblocked.peer == added.peer
    updated = await stub.UpdateSettings(
        pb.UpdateSettingsRequest(settings=types_pb2.Settings(upload_slots=3)),
        metadata=AUTH,
        timeout=20,
    )
    settings = await stub.GetSettings(pb.GetSettingsRequest(), metadata=AUTH, timeout=20)
    assert settings.settings == updated.settings
    assert (settings.settings.upload_slots, settings.settings.name) == (3, "me")
    status = await stub.GetStatus(pb.GetStatusRequest(), metadata=AUTH, timeout=20)
    assert (status.status.peer_count, status.status.counters.received_bytes) == (1, 7)
    await stub.Shutdown(pb.ShutdownRequest(), metadata=AUTH, timeout=20)
    assert sidecar.asked_for_shutdown


@pytest.mark.parametrize("server", [""], indirect=True, ids=["unix"])
async def test_a_bug_is_logged_once_and_told_without_its_text(
    stub: "PeerServiceAsyncStub", sidecar: MemorySidecar, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(_address: str) -> None:
        raise RuntimeError("secret path")

    monkeypatch.setattr(sidecar, "add_peer", broken)
    with capture_logs() as logs, pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.AddPeer(pb.AddPeerRequest(address="a:1"), metadata=AUTH, timeout=20)
    assert caught.value.code() is grpc.StatusCode.INTERNAL
    assert info_of(caught.value).reason == "INTERNAL"
    assert "secret" not in str(caught.value)
    assert [(log["event"], log["method"]) for log in logs] == [("call failed", "AddPeer")]


@pytest.mark.parametrize("server", [""], indirect=True, ids=["unix"])
async def test_work_that_is_cancelled_inside_leaves_no_client_hanging(
    stub: "PeerServiceAsyncStub", sidecar: MemorySidecar, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def cancelled(_address: str) -> None:
        raise asyncio.CancelledError

    monkeypatch.setattr(sidecar, "add_peer", cancelled)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.AddPeer(pb.AddPeerRequest(address="a:1"), metadata=AUTH, timeout=20)
    assert caught.value.code() is grpc.StatusCode.ABORTED
    assert info_of(caught.value).reason == "ENDING"
