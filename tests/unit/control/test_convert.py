from dataclasses import asdict, replace
from typing import get_args

import pytest

from lanspread.peer.v1 import events_pb2, types_pb2
from lanspread_peer.control.convert import to_download, to_game, to_peer, to_status
from lanspread_peer.control.convert_events import to_event, to_response, to_snapshot_item
from lanspread_peer.control.convert_verifications import to_finding, to_verification
from lanspread_peer.model.download import DownloadState, DownloadStatus, SourceShare
from lanspread_peer.model.events import (
    DownloadBegan,
    DownloadCancelled,
    DownloadFailedEvent,
    DownloadFinished,
    DownloadPaused,
    DownloadProgressed,
    DownloadResumed,
    DownloadWaiting,
    Event,
    GameDirChanged,
    GameRemoved,
    GamesUpdated,
    GotGameFiles,
    NoPeersHaveGame,
    PeerConnected,
    PeerCountUpdated,
    PeerDiscovered,
    PeerLost,
    PeerRemoved,
    PeerUpdated,
    ScanFinished,
    ScanProgressed,
    SettingsChanged,
    VerifyBegan,
    VerifyEnded,
    VerifyProgressed,
    Warned,
)
from lanspread_peer.model.game import Description, LocalGame, LocalState, Title
from lanspread_peer.model.ids import GameId
from lanspread_peer.model.live_settings import LiveSettings
from lanspread_peer.model.manifest import Totals
from lanspread_peer.model.peer import PeerState, PeerStatus
from lanspread_peer.model.verification import (
    Finding,
    FindingKind,
    VerificationState,
    VerificationStatus,
)
from lanspread_peer.model.version import Version
from lanspread_peer.runtime.event_hub import Delivery
from support.memory_sidecar import (
    CONTENT_ID,
    INSTANCE,
    MemorySidecar,
    download_status,
    peer,
    peer_id,
    title,
    verification_status,
)

GAME = GameId("aoe2")
DOWNLOAD = download_status(1)
VERIFICATION = verification_status(1)
EVENTS: list[tuple[Event, str]] = [
    (GamesUpdated((title("aoe2"),), (GameId("old"),)), "games_updated"),
    (GotGameFiles(GAME, title("aoe2").variants, Totals(1, 2, 3)), "got_game_files"),
    (NoPeersHaveGame(GAME), "no_peers_have_game"),
    (DownloadBegan(DOWNLOAD), "download_game_files_begin"),
    (DownloadProgressed(DOWNLOAD), "download_game_files_progress"),
    (DownloadWaiting(DOWNLOAD), "download_game_files_waiting"),
    (DownloadResumed(DOWNLOAD), "download_game_files_resumed"),
    (DownloadPaused(DOWNLOAD), "download_game_files_paused"),
    (DownloadFinished(DOWNLOAD), "download_game_files_finished"),
    (DownloadFailedEvent(DOWNLOAD), "download_game_files_failed"),
    (DownloadCancelled(DOWNLOAD), "download_game_files_cancelled"),
    (PeerDiscovered(peer(1, "one")), "peer_discovered"),
    (PeerConnected(peer(1, "one")), "peer_connected"),
    (PeerLost(peer_id(1), "one", "timed out"), "peer_lost"),
    (PeerUpdated(peer(1, "one")), "peer_updated"),
    (PeerRemoved(peer_id(1)), "peer_removed"),
    (VerifyBegan(VERIFICATION), "verify_game_begin"),
    (VerifyProgressed(VERIFICATION), "verify_game_progress"),
    (VerifyEnded(VERIFICATION), "verify_game_ended"),
    (GameRemoved(GAME, 10, 1), "game_removed"),
    (PeerCountUpdated(3), "peer_count_updated"),
    (ScanProgressed(GAME, 5, 10, 0.5), "scan_progress"),
    (ScanFinished(4, 10), "scan_finished"),
    (GameDirChanged("/games"), "game_dir_changed"),
    (SettingsChanged(LiveSettings(1, 2, 3, 4.0, "me")), "settings_changed"),
    (Warned("UNSAFE_GAME", "colliding names"), "warning"),
]


def local(**fields: object) -> LocalGame:
    game = LocalGame(GAME, LocalState.DOWNLOADED, Version("20240101"), installed=True)
    return replace(game, **fields)  # type: ignore[arg-type]  # fields are named by the caller


def test_every_event_of_the_model_has_its_own_message() -> None:
    union = {member for part in get_args(Event) for member in (get_args(part) or (part,))}
    assert {type(event) for event, _ in EVENTS} == union
    of_stream = {"snapshot_item", "snapshot_complete", "heartbeat"}
    oneof = events_pb2.WatchEventsResponse.DESCRIPTOR.oneofs_by_name["event"]
    assert {name for _, name in EVENTS} | of_stream == {field.name for field in oneof.fields}


@pytest.mark.parametrize(("event", "name"), EVENTS, ids=[name for _, name in EVENTS])
def test_an_event_becomes_its_message_with_all_it_holds(event: Event, name: str) -> None:
    message = to_event(event)
    assert message.WhichOneof("event") == name
    content = getattr(message, name)
    expected = {field.name for field in content.DESCRIPTOR.fields}
    assert {field.name for field, _ in content.ListFields()} == expected


def test_a_delivery_keeps_its_number_time_and_token() -> None:
    message = to_response(Delivery(7, 1_700_000_000.25, "token", Warned("W", "text")))
    assert (message.sequence, message.resume_token) == (7, "token")
    assert message.time.ToMilliseconds() == 1_700_000_000_250
    assert to_response(Delivery(0, 1.0, "token", None)).WhichOneof("event") == "heartbeat"


def test_snapshot_items_tell_what_they_are() -> None:
    items: list[Title | PeerStatus | DownloadStatus | VerificationStatus]
    items = [title("aoe2"), peer(1), DOWNLOAD, VERIFICATION]
    kinds = [to_snapshot_item(item, 1.0).snapshot_item.WhichOneof("item") for item in items]
    assert kinds == ["game", "peer", "download", "verification"]


def test_every_state_has_its_own_value() -> None:
    downloads = [to_download(replace(DOWNLOAD, state=state)).state for state in DownloadState]
    names = [types_pb2.DownloadState.Name(state) for state in downloads]
    assert names == [f"DOWNLOAD_STATE_{state.name}" for state in DownloadState]
    peers = [to_peer(replace(peer(1), state=state)).state for state in PeerState]
    assert [types_pb2.PeerState.Name(state) for state in peers] == [
        f"PEER_STATE_{state.name}" for state in PeerState
    ]
    verifications = [
        to_verification(replace(VERIFICATION, state=state)).state for state in VerificationState
    ]
    assert [types_pb2.VerificationState.Name(state) for state in verifications] == [
        f"VERIFICATION_STATE_{state.name}" for state in VerificationState
    ]
    kinds = [to_finding(Finding("a", kind)).kind for kind in FindingKind]
    assert [types_pb2.FindingKind.Name(kind) for kind in kinds] == [
        f"FINDING_KIND_{kind.name}" for kind in FindingKind
    ]
    locals_ = [to_game(replace(title("aoe2"), local=local(state=state))) for state in LocalState]
    assert [types_pb2.LocalState.Name(game.local.state) for game in locals_] == [
        f"LOCAL_STATE_{state.name}" for state in LocalState
    ]


def test_a_download_says_all_it_knows() -> None:
    share = SourceShare(peer_id(1), "one", 10, 5.5, active=True)
    failed = replace(
        DOWNLOAD,
        state=DownloadState.FAILED,
        sources=(share,),
        error_code="NO_SOURCE",
        error_message="gone",
        done_bytes=9,
        reused_bytes=3,
        fetched_bytes=6,
        wasted_bytes=1,
    )
    message = to_download(failed)
    assert {field.name for field, _ in message.ListFields()} == {
        field.name for field in types_pb2.Download.DESCRIPTOR.fields
    }
    assert (message.error.reason, message.error.message) == ("NO_SOURCE", "gone")
    assert message.sources[0].bytes_per_second == 5
    unknown = to_download(replace(DOWNLOAD, eta_s=None))
    assert not unknown.HasField("eta_seconds")
    assert not unknown.HasField("error")


def test_a_verification_says_all_it_knows() -> None:
    failed = replace(
        VERIFICATION,
        state=VerificationState.FAILED,
        done_bytes=9,
        eta_s=1.0,
        missing_files=1,
        changed_files=2,
        extra_files=3,
        error_code="GAME_DIR_GONE",
        error_message="gone",
    )
    message = to_verification(failed)
    assert {field.name for field, _ in message.ListFields()} == {
        field.name for field in types_pb2.Verification.DESCRIPTOR.fields
    }
    assert (message.error.reason, message.error.message) == ("GAME_DIR_GONE", "gone")
    assert not to_verification(VERIFICATION).HasField("error")


@pytest.mark.parametrize(
    ("version_here", "is_newer"), [("20240101", True), ("20240229", False), ("20250101", False)]
)
def test_an_update_is_a_newer_version_on_the_network(version_here: str, is_newer: bool) -> None:
    game = replace(title("aoe2"), local=local(version=Version(version_here)))
    assert to_game(game).update_available is is_newer
    assert to_game(title("aoe2")).update_available is False


def test_a_doubtful_version_is_no_update() -> None:
    game = title("aoe2")
    doubtful = replace(game.variants[0], doubt="from the future")
    assert not to_game(replace(game, local=local(), variants=(doubtful,))).update_available


def test_a_local_game_says_what_it_has() -> None:
    full = local(
        content_id=CONTENT_ID,
        totals=Totals(10, 2, 1),
        description=Description("Age"),
        fault="none",
        sealed=True,
        missing_files=2,
        missing_bytes=3,
    )
    message = to_game(replace(title("aoe2"), local=full)).local
    assert {field.name for field, _ in message.ListFields()} == {
        field.name for field in types_pb2.LocalGame.DESCRIPTOR.fields
    }
    assert (message.missing_file_count, message.missing_bytes) == (2, 3)
    assert not to_game(replace(title("aoe2"), local=local())).local.HasField("description")


def test_a_name_that_is_no_unicode_spoils_nothing_else() -> None:
    assert to_peer(peer(1, "odd\udcff")).name == "odd?"


def test_the_status_says_all_it_knows() -> None:
    status = replace(MemorySidecar().status(), peer_count=1, game_count=2, indexing=True)
    message = to_status(status)
    assert {field.name for field, _ in message.ListFields()} == {
        field.name for field in types_pb2.Status.DESCRIPTOR.fields
    }
    assert (message.instance_id, list(message.addresses)) == (INSTANCE, ["127.0.0.1:26789"])
    counters = {field.name: value for field, value in message.counters.ListFields()}
    assert counters == asdict(status.counters)
