"""Values of the model as messages of the control API.

Names that come from peers are sent as they are; only what Unicode cannot encode is replaced,
because one such name must not make a whole list unreadable.
"""

from dataclasses import asdict

from google.protobuf.timestamp_pb2 import Timestamp

from lanspread.peer.v1 import types_pb2
from lanspread_peer.core.titles import is_update
from lanspread_peer.model.download import DownloadState, DownloadStatus, SourceShare
from lanspread_peer.model.game import Description, LocalGame, LocalState, Title, Variant
from lanspread_peer.model.manifest import FileEntry, Totals
from lanspread_peer.model.peer import PeerState, PeerStatus
from lanspread_peer.model.status import SidecarStatus
from lanspread_peer.storage.stagings import FoundStaging

_LOCAL_STATES = {
    LocalState.ABSENT: types_pb2.LOCAL_STATE_ABSENT,
    LocalState.INDEXING: types_pb2.LOCAL_STATE_INDEXING,
    LocalState.DOWNLOADED: types_pb2.LOCAL_STATE_DOWNLOADED,
    LocalState.UNSAFE: types_pb2.LOCAL_STATE_UNSAFE,
}
_DOWNLOAD_STATES = {
    DownloadState.QUEUED: types_pb2.DOWNLOAD_STATE_QUEUED,
    DownloadState.RUNNING: types_pb2.DOWNLOAD_STATE_RUNNING,
    DownloadState.WAITING: types_pb2.DOWNLOAD_STATE_WAITING,
    DownloadState.PAUSED: types_pb2.DOWNLOAD_STATE_PAUSED,
    DownloadState.VERIFYING: types_pb2.DOWNLOAD_STATE_VERIFYING,
    DownloadState.PUBLISHING: types_pb2.DOWNLOAD_STATE_PUBLISHING,
    DownloadState.FINISHED: types_pb2.DOWNLOAD_STATE_FINISHED,
    DownloadState.FAILED: types_pb2.DOWNLOAD_STATE_FAILED,
    DownloadState.CANCELLED: types_pb2.DOWNLOAD_STATE_CANCELLED,
}
_PEER_STATES = {
    PeerState.DISCOVERED: types_pb2.PEER_STATE_DISCOVERED,
    PeerState.CONNECTED: types_pb2.PEER_STATE_CONNECTED,
    PeerState.SUSPECT: types_pb2.PEER_STATE_SUSPECT,
    PeerState.LOST: types_pb2.PEER_STATE_LOST,
}


def encodable(text: str) -> str:
    """The text with a question mark for what UTF-8 cannot say, such as a file name's odd bytes."""
    return text.encode("utf-8", "replace").decode("utf-8")


def to_timestamp(unix_s: float) -> Timestamp:
    stamp = Timestamp()
    stamp.FromMicroseconds(round(unix_s * 1_000_000))
    return stamp


def to_description(value: Description) -> types_pb2.Description | None:
    """None when it tells nothing."""
    if value == Description():
        return None
    return types_pb2.Description(
        name=encodable(value.name),
        description=encodable(value.description),
        publisher=encodable(value.publisher),
        release_year=value.release_year,
        genre=encodable(value.genre),
        max_players=value.max_players,
    )


def to_variant(value: Variant) -> types_pb2.Variant:
    return types_pb2.Variant(
        content_id=value.content_id,
        version=encodable(value.version),
        size_bytes=value.bytes,
        file_count=value.files,
        peer_ids=value.sources,
        doubt=encodable(value.doubt),
    )


def to_totals(value: Totals | None) -> types_pb2.Totals | None:
    if value is None:
        return None
    return types_pb2.Totals(
        size_bytes=value.bytes, file_count=value.files, chunk_count=value.chunks
    )


def to_game(value: Title) -> types_pb2.Game:
    return types_pb2.Game(
        id=value.id,
        name=encodable(value.name),
        local=_to_local(value.local),
        variants=map(to_variant, value.variants),
        peer_count=value.peer_count,
        update_available=is_update(value),
    )


def _to_local(value: LocalGame | None) -> types_pb2.LocalGame:
    if value is None:
        return types_pb2.LocalGame(state=types_pb2.LOCAL_STATE_ABSENT)
    return types_pb2.LocalGame(
        state=_LOCAL_STATES[value.state],
        installed=value.installed,
        version=encodable(value.version),
        content_id=value.content_id or "",
        size_bytes=value.totals.bytes,
        file_count=value.totals.files,
        description=to_description(value.description),
        fault=encodable(value.fault),
        sealed=value.sealed,
        missing_file_count=value.missing_files,
        missing_bytes=value.missing_bytes,
    )


def to_file(value: FileEntry) -> types_pb2.GameFile:
    return types_pb2.GameFile(path=value.path, size_bytes=value.size)


def to_download(value: DownloadStatus) -> types_pb2.Download:
    return types_pb2.Download(
        id=value.id,
        game_id=value.game_id,
        content_id=value.content_id,
        version=encodable(value.version),
        state=_DOWNLOAD_STATES[value.state],
        total_bytes=value.total_bytes,
        total_files=value.total_files,
        done_bytes=value.done_bytes,
        reused_bytes=value.reused_bytes,
        fetched_bytes=value.fetched_bytes,
        wasted_bytes=value.wasted_bytes,
        bytes_per_second=int(value.bytes_per_second),
        eta_seconds=value.eta_s,
        sources=map(_to_share, value.sources),
        start_time=to_timestamp(value.started_at_unix_s),
        error=_to_download_error(value),
    )


def _to_download_error(value: DownloadStatus) -> types_pb2.DownloadError | None:
    if not value.error_code:
        return None
    return types_pb2.DownloadError(reason=value.error_code, message=encodable(value.error_message))


def to_staging(value: FoundStaging) -> types_pb2.Staging:
    staged = value.staged
    if staged is None:
        return types_pb2.Staging(
            name=value.name, disk_bytes=value.disk_bytes, fault=encodable(value.fault)
        )
    return types_pb2.Staging(
        name=value.name,
        game_id=staged.game_id,
        content_id=staged.content_id,
        version=encodable(staged.version),
        recorded_bytes=value.recorded_bytes,
        disk_bytes=value.disk_bytes,
        start_time=to_timestamp(staged.started_at_unix_s),
        fault=encodable(value.fault),
    )


def _to_share(value: SourceShare) -> types_pb2.SourceShare:
    return types_pb2.SourceShare(
        peer_id=value.peer_id,
        name=encodable(value.name),
        size_bytes=value.bytes,
        bytes_per_second=int(value.bytes_per_second),
        active=value.active,
    )


def to_peer(value: PeerStatus) -> types_pb2.Peer:
    return types_pb2.Peer(
        id=value.id,
        name=encodable(value.name),
        state=_PEER_STATES[value.state],
        address=str(value.address) if value.address else "",
        transport=value.transport,
        rtt_seconds=value.rtt_s,
        game_count=value.games,
        library_bytes=value.library_bytes,
        served_bytes=value.served_bytes,
        blocked=value.blocked,
        refusal=value.refusal,
    )


def to_status(value: SidecarStatus) -> types_pb2.Status:
    return types_pb2.Status(
        version=value.version,
        peer_id=value.peer_id,
        instance_id=value.instance_id,
        name=encodable(value.name),
        game_dir=encodable(value.game_dir),
        state_dir=encodable(value.state_dir),
        addresses=map(str, value.addresses),
        uptime_seconds=value.uptime_seconds,
        peer_count=value.peer_count,
        game_count=value.game_count,
        indexing=value.indexing,
        # The fields have the names of the proto.
        counters=types_pb2.Counters(**asdict(value.counters)),
        loop_delays=(
            types_pb2.DelayBucket(up_to_seconds=each.up_to_s, count=each.count)
            for each in value.loop_delays
        ),
    )
