"""Events as lines for people."""

from collections.abc import Callable
from datetime import UTC
from typing import Any

from lanspread.peer.v1 import events_pb2
from lanspread_client.cli.render import download_state, verification_state
from lanspread_client.cli.text import plain, size


def event_line(message: events_pb2.WatchEventsResponse) -> str:
    """The time here, the number where it has one, and what happened."""
    kind = message.WhichOneof("event") or "unknown event"
    content = getattr(message, kind, None)
    at = message.time.ToDatetime(UTC).astimezone().strftime("%H:%M:%S")
    number = f"#{message.sequence}" if message.sequence else "-"
    told = _FACTS[kind](content) if kind in _FACTS else ""
    return plain(f"{at} {number:>6} {kind.replace('_', ' ')} {told}".rstrip())


def _download(content: Any) -> str:
    download = content.download
    done = f"{size(download.done_bytes)} of {size(download.total_bytes)}"
    error = f": {download.error.message}" if download.HasField("error") else ""
    return f"{download.game_id} ({download.id}) {download_state(download)}, {done}{error}"


def _verification(content: Any) -> str:
    found = content.verification
    done = f"{size(found.done_bytes)} of {size(found.total_bytes)}"
    error = f": {found.error.message}" if found.HasField("error") else ""
    return f"{found.game_id} ({found.id}) {verification_state(found)}, {done}{error}"


def _removed(content: Any) -> str:
    left = f", {content.left_file_count} files are left" if content.left_file_count else ""
    return f"{content.game_id}: {size(content.removed_bytes)}{left}"


def _peer(content: Any) -> str:
    return f"{content.peer.name or content.peer.id} at {content.peer.address}"


def _item(content: Any) -> str:
    match content.WhichOneof("item"):
        case "game":
            return f"game {content.game.id}"
        case "peer":
            return f"peer {_peer(content)}"
        case "download":
            return f"download {_download(content)}"
        case "verification":
            return f"verification {_verification(content)}"
        case _:
            return ""


def _games(content: Any) -> str:
    removed = f", gone: {', '.join(content.removed_game_ids)}" if content.removed_game_ids else ""
    return ", ".join(game.id for game in content.games) + removed


def _hashing(content: Any) -> str:
    return f"{content.game_id}: {size(content.hashed_bytes)} of {size(content.total_bytes)}"


def _settings(content: Any) -> str:
    return ", ".join(f"{field.name} {value}" for field, value in content.settings.ListFields())


_FACTS: dict[str, Callable[[Any], str]] = {
    "snapshot_item": _item,
    "games_updated": _games,
    "got_game_files": lambda content: f"{content.game_id}: {len(content.variants)} variants",
    "no_peers_have_game": lambda content: str(content.game_id),
    "download_game_files_begin": _download,
    "download_game_files_progress": _download,
    "download_game_files_waiting": _download,
    "download_game_files_resumed": _download,
    "download_game_files_paused": _download,
    "download_game_files_finished": _download,
    "download_game_files_failed": _download,
    "download_game_files_cancelled": _download,
    "verify_game_begin": _verification,
    "verify_game_progress": _verification,
    "verify_game_ended": _verification,
    "game_removed": _removed,
    "peer_discovered": _peer,
    "peer_connected": _peer,
    "peer_lost": lambda content: f"{content.name or content.peer_id}: {content.detail}",
    "peer_updated": _peer,
    "peer_removed": lambda content: str(content.peer_id),
    "peer_count_updated": lambda content: str(content.count),
    "scan_progress": _hashing,
    "scan_finished": lambda content: f"{content.game_count} games",
    "game_dir_changed": lambda content: str(content.game_dir),
    "settings_changed": _settings,
    "warning": lambda content: f"{content.code}: {content.message}",
}
