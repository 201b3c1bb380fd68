"""The calls that verify and remove games, and forget peers, through a real control server."""

from collections.abc import Awaitable
from typing import TYPE_CHECKING

import grpc
import pytest

from lanspread.peer.v1 import peer_service_pb2 as pb
from lanspread.peer.v1 import types_pb2
from lanspread_peer.model.ids import GameId
from lanspread_peer.model.limits import MAX_ID_CHARACTERS
from lanspread_peer.model.verification import (
    Finding,
    FindingKind,
    VerificationRequest,
    VerificationState,
)
from support.control import AUTH, info_of
from support.memory_sidecar import MemorySidecar, peer, peer_id, title

if TYPE_CHECKING:
    # Its stub file alone knows it.
    from lanspread.peer.v1.peer_service_pb2_grpc import PeerServiceAsyncStub


@pytest.fixture
def sidecar() -> MemorySidecar:
    sidecar = MemorySidecar()
    sidecar.library = [title("aoe2")]
    sidecar.known_peers = [peer(1)]
    return sidecar


async def verify(stub: "PeerServiceAsyncStub", **values: object) -> types_pb2.Verification:
    request = pb.VerifyGameRequest(game_id="aoe2", **values)  # type: ignore[arg-type]
    return (await stub.VerifyGame(request, metadata=AUTH, timeout=20)).verification


async def failure(call: Awaitable[object]) -> tuple[grpc.StatusCode, str, dict[str, str]]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    info = info_of(caught.value)
    return caught.value.code(), info.reason, dict(info.metadata)


async def test_a_verification_is_started_listed_and_cancelled(
    stub: "PeerServiceAsyncStub", sidecar: MemorySidecar
) -> None:
    started = await verify(stub, reseal=True, request_id="mine")
    assert sidecar.verifications.requests == [VerificationRequest(GameId("aoe2"), True, "mine")]
    assert (started.game_id, started.state) == ("aoe2", types_pb2.VERIFICATION_STATE_RUNNING)
    cancelled = await stub.CancelVerification(
        pb.CancelVerificationRequest(verification_id=started.id), metadata=AUTH, timeout=5
    )
    assert cancelled.verification.state == types_pb2.VERIFICATION_STATE_CANCELLED
    listed = await stub.ListVerifications(pb.ListVerificationsRequest(), metadata=AUTH, timeout=20)
    assert list(listed.verifications) == [cancelled.verification]


async def test_verifications_come_in_pages_newest_first(
    stub: "PeerServiceAsyncStub", sidecar: MemorySidecar
) -> None:
    started = [(await verify(stub)).id for _ in range(5)]
    sidecar.verifications.end(VerificationState.FINISHED)
    seen: list[str] = []
    request = pb.ListVerificationsRequest(page_size=2)
    for _ in range(3):
        page = await stub.ListVerifications(request, metadata=AUTH, timeout=20)
        seen += [each.id for each in page.verifications]
        request.page_token = page.next_page_token
    assert (seen, request.page_token) == (started[::-1], "")


async def test_findings_come_in_pages_by_path(
    stub: "PeerServiceAsyncStub", sidecar: MemorySidecar
) -> None:
    started = await verify(stub)
    paths = [f"data/{number:02}\u00e4" for number in range(25)]
    sidecar.verifications.found = [Finding(path, FindingKind.CHANGED) for path in paths]
    seen: list[str] = []
    request = pb.ListFindingsRequest(verification_id=started.id, page_size=10)
    for _ in range(3):
        page = await stub.ListFindings(request, metadata=AUTH, timeout=20)
        assert {each.kind for each in page.findings} == {types_pb2.FINDING_KIND_CHANGED}
        seen += [each.path for each in page.findings]
        request.page_token = page.next_page_token
    assert (seen, request.page_token) == (paths, "")


async def test_a_page_token_of_another_verification_is_refused(
    stub: "PeerServiceAsyncStub", sidecar: MemorySidecar
) -> None:
    first, second = await verify(stub), await verify(stub)
    sidecar.verifications.found = [Finding(name, FindingKind.EXTRA) for name in "abc"]
    request = pb.ListFindingsRequest(verification_id=first.id, page_size=1)
    page = await stub.ListFindings(request, metadata=AUTH, timeout=20)
    request = pb.ListFindingsRequest(verification_id=second.id, page_token=page.next_page_token)
    code, reason, metadata = await failure(stub.ListFindings(request, metadata=AUTH, timeout=20))
    assert (code, reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")
    assert metadata["field"] == "page_token"


async def test_a_game_is_removed_with_what_is_installed_when_that_is_asked_for(
    stub: "PeerServiceAsyncStub", sidecar: MemorySidecar
) -> None:
    removed = await stub.RemoveGame(
        pb.RemoveGameRequest(game_id="aoe2", remove_installed=True), metadata=AUTH, timeout=5
    )
    assert (removed.removed_bytes, removed.left_file_count) == (1000, 0)
    assert (sidecar.library, sidecar.removed_installed) == ([], True)
    again = stub.RemoveGame(pb.RemoveGameRequest(game_id="aoe2"), metadata=AUTH, timeout=20)
    assert await failure(again) == (
        grpc.StatusCode.NOT_FOUND,
        "GAME_NOT_FOUND",
        {"game_id": "aoe2"},
    )


async def test_a_peer_is_removed_once(stub: "PeerServiceAsyncStub", sidecar: MemorySidecar) -> None:
    request = pb.RemovePeerRequest(peer_id=peer_id(1))
    await stub.RemovePeer(request, metadata=AUTH, timeout=20)
    assert sidecar.known_peers == []
    assert await failure(stub.RemovePeer(request, metadata=AUTH, timeout=20)) == (
        grpc.StatusCode.NOT_FOUND,
        "PEER_NOT_FOUND",
        {"peer_id": peer_id(1)},
    )


async def test_fields_that_are_wrong_are_named(stub: "PeerServiceAsyncStub") -> None:
    long = "x" * (MAX_ID_CHARACTERS + 1)
    calls: list[tuple[Awaitable[object], str]] = [
        (stub.VerifyGame(pb.VerifyGameRequest(game_id="../x"), metadata=AUTH), "game_id"),
        (
            stub.VerifyGame(pb.VerifyGameRequest(game_id="aoe2", request_id=long), metadata=AUTH),
            "request_id",
        ),
        (
            stub.CancelVerification(pb.CancelVerificationRequest(), metadata=AUTH),
            "verification_id",
        ),
        (
            stub.ListFindings(pb.ListFindingsRequest(verification_id=long), metadata=AUTH),
            "verification_id",
        ),
        (
            stub.ListVerifications(pb.ListVerificationsRequest(page_size=-1), metadata=AUTH),
            "page_size",
        ),
        (stub.RemoveGame(pb.RemoveGameRequest(), metadata=AUTH), "game_id"),
        (stub.RemovePeer(pb.RemovePeerRequest(peer_id="me"), metadata=AUTH), "peer_id"),
    ]
    for call, field in calls:
        code, reason, metadata = await failure(call)
        assert (code, reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")
        assert metadata["field"] == field
