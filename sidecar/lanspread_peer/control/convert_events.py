"""Events of the model as messages of the event stream."""

from typing import assert_never

from lanspread.peer.v1 import events_pb2
from lanspread_peer.control.convert import (
    encodable,
    to_download,
    to_game,
    to_peer,
    to_timestamp,
    to_totals,
    to_variant,
)
from lanspread_peer.control.convert_settings import to_settings
from lanspread_peer.control.convert_verifications import to_verification
from lanspread_peer.model.download import DownloadStatus
from lanspread_peer.model.events import (
    DownloadBegan,
    DownloadCancelled,
    DownloadEvent,
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
    PeerEvent,
    PeerLost,
    PeerRemoved,
    PeerUpdated,
    ScanFinished,
    ScanProgressed,
    SettingsChanged,
    VerifyBegan,
    VerifyEnded,
    VerifyEvent,
    VerifyProgressed,
    Warned,
)
from lanspread_peer.model.game import Title
from lanspread_peer.model.peer import PeerStatus
from lanspread_peer.model.verification import VerificationStatus
from lanspread_peer.runtime.event_hub import Delivery

_Response = events_pb2.WatchEventsResponse


def to_snapshot_item(
    value: Title | PeerStatus | DownloadStatus | VerificationStatus, unix_s: float
) -> events_pb2.WatchEventsResponse:
    """One part of the state, which has no number and no token."""
    match value:
        case Title():
            item = events_pb2.SnapshotItem(game=to_game(value))
        case PeerStatus():
            item = events_pb2.SnapshotItem(peer=to_peer(value))
        case DownloadStatus():
            item = events_pb2.SnapshotItem(download=to_download(value))
        case VerificationStatus():
            item = events_pb2.SnapshotItem(verification=to_verification(value))
        case _:
            assert_never(value)
    return _Response(time=to_timestamp(unix_s), snapshot_item=item)


def to_response(delivery: Delivery) -> events_pb2.WatchEventsResponse:
    """A delivery with its number, time and token."""
    if delivery.event is None:
        response = _Response(heartbeat=events_pb2.Heartbeat())
    else:
        response = to_event(delivery.event)
    response.sequence = delivery.sequence
    response.time.CopyFrom(to_timestamp(delivery.time_unix_s))
    response.resume_token = delivery.resume_token
    return response


def to_event(event: Event) -> events_pb2.WatchEventsResponse:
    """What happened, without number, time and token."""
    match event:
        case (
            PeerDiscovered()
            | PeerConnected()
            | PeerLost()
            | PeerUpdated()
            | PeerRemoved()
            | PeerCountUpdated()
        ):
            return _of_peers(event)
        case GamesUpdated() | GotGameFiles() | NoPeersHaveGame() | GameRemoved():
            return _of_games(event)
        case VerifyBegan() | VerifyProgressed() | VerifyEnded():
            return _of_verification(event)
        case ScanProgressed() | ScanFinished() | GameDirChanged() | SettingsChanged() | Warned():
            return _of_sidecar(event)
        case _:
            return _of_download(event)


def _of_download(event: DownloadEvent) -> events_pb2.WatchEventsResponse:
    download = to_download(event.download)
    match event:
        case DownloadBegan():
            message = events_pb2.DownloadGameFilesBegin(download=download)
            return _Response(download_game_files_begin=message)
        case DownloadProgressed():
            figures = events_pb2.DownloadGameFilesProgress(download=download)
            return _Response(download_game_files_progress=figures)
        case DownloadWaiting():
            waiting = events_pb2.DownloadGameFilesWaiting(download=download)
            return _Response(download_game_files_waiting=waiting)
        case DownloadResumed():
            resumed = events_pb2.DownloadGameFilesResumed(download=download)
            return _Response(download_game_files_resumed=resumed)
        case DownloadPaused():
            paused = events_pb2.DownloadGameFilesPaused(download=download)
            return _Response(download_game_files_paused=paused)
        case DownloadFinished():
            finished = events_pb2.DownloadGameFilesFinished(download=download)
            return _Response(download_game_files_finished=finished)
        case DownloadFailedEvent():
            failed = events_pb2.DownloadGameFilesFailed(download=download)
            return _Response(download_game_files_failed=failed)
        case DownloadCancelled():
            cancelled = events_pb2.DownloadGameFilesCancelled(download=download)
            return _Response(download_game_files_cancelled=cancelled)
        case _:
            assert_never(event)


def _of_verification(event: VerifyEvent) -> events_pb2.WatchEventsResponse:
    verification = to_verification(event.verification)
    match event:
        case VerifyBegan():
            began = events_pb2.VerifyGameBegin(verification=verification)
            return _Response(verify_game_begin=began)
        case VerifyProgressed():
            progress = events_pb2.VerifyGameProgress(verification=verification)
            return _Response(verify_game_progress=progress)
        case VerifyEnded():
            ended = events_pb2.VerifyGameEnded(verification=verification)
            return _Response(verify_game_ended=ended)
        case _:
            assert_never(event)


def _of_peers(event: PeerEvent) -> events_pb2.WatchEventsResponse:
    match event:
        case PeerDiscovered():
            discovered = events_pb2.PeerDiscovered(peer=to_peer(event.peer))
            return _Response(peer_discovered=discovered)
        case PeerConnected():
            connected = events_pb2.PeerConnected(peer=to_peer(event.peer))
            return _Response(peer_connected=connected)
        case PeerLost():
            lost = events_pb2.PeerLost(
                peer_id=event.peer_id, name=encodable(event.name), detail=encodable(event.detail)
            )
            return _Response(peer_lost=lost)
        case PeerUpdated():
            return _Response(peer_updated=events_pb2.PeerUpdated(peer=to_peer(event.peer)))
        case PeerRemoved():
            return _Response(peer_removed=events_pb2.PeerRemoved(peer_id=event.peer_id))
        case PeerCountUpdated():
            return _Response(peer_count_updated=events_pb2.PeerCountUpdated(count=event.count))
        case _:
            assert_never(event)


def _of_games(
    event: GamesUpdated | GotGameFiles | NoPeersHaveGame | GameRemoved,
) -> events_pb2.WatchEventsResponse:
    match event:
        case GamesUpdated():
            updated = events_pb2.GamesUpdated(
                games=map(to_game, event.titles), removed_game_ids=event.removed
            )
            return _Response(games_updated=updated)
        case GotGameFiles():
            got = events_pb2.GotGameFiles(
                game_id=event.game_id,
                variants=map(to_variant, event.variants),
                totals=to_totals(event.totals),
            )
            return _Response(got_game_files=got)
        case NoPeersHaveGame():
            nobody = events_pb2.NoPeersHaveGame(game_id=event.game_id)
            return _Response(no_peers_have_game=nobody)
        case GameRemoved():
            removed = events_pb2.GameRemoved(
                game_id=event.game_id,
                removed_bytes=event.removed_bytes,
                left_file_count=event.left_files,
            )
            return _Response(game_removed=removed)
        case _:
            assert_never(event)


def _of_sidecar(
    event: ScanProgressed | ScanFinished | GameDirChanged | SettingsChanged | Warned,
) -> events_pb2.WatchEventsResponse:
    match event:
        case ScanProgressed():
            progress = events_pb2.ScanProgress(
                game_id=event.game_id,
                hashed_bytes=event.hashed_bytes,
                total_bytes=event.total_bytes,
                eta_seconds=event.eta_s,
            )
            return _Response(scan_progress=progress)
        case ScanFinished():
            finished = events_pb2.ScanFinished(
                game_count=event.games, hashed_bytes=event.hashed_bytes
            )
            return _Response(scan_finished=finished)
        case GameDirChanged():
            changed = events_pb2.GameDirChanged(game_dir=encodable(event.game_dir))
            return _Response(game_dir_changed=changed)
        case SettingsChanged():
            settings = events_pb2.SettingsChanged(settings=to_settings(event.settings))
            return _Response(settings_changed=settings)
        case Warned():
            warning = events_pb2.Warning(code=event.code, message=encodable(event.message))
            return _Response(warning=warning)
        case _:
            assert_never(event)
