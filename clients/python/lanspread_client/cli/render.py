"""What people read: lists as tables, one thing as lines."""

from collections.abc import Iterable
from typing import Literal

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from lanspread.peer.v1 import peer_service_pb2 as pb
from lanspread.peer.v1 import types_pb2
from lanspread_client.cli.text import cell, duration, plain, size, state_name

_WIDE = 10_000
# Enough to tell the peers of any party apart; --json has the whole id.
_ID_CHARS = 12


def open_console(*, stderr: bool = False) -> Console:
    """A console that never wraps what another program reads."""
    console = Console(stderr=stderr, highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console.width = _WIDE
    return console


def show_games(games: Iterable[types_pb2.Game]) -> None:
    table = _table("GAME", "NAME", "HERE", "VERSION", "ON THE NETWORK", "SIZE", "PEERS")
    for game in games:
        first = game.variants[0] if game.variants else types_pb2.Variant()
        table.add_row(
            cell(game.id),
            cell(game.name),
            _here(game),
            cell(game.local.version),
            cell(first.version + (" (update)" if game.update_available else "")),
            size(first.size_bytes or game.local.size_bytes),
            str(game.peer_count),
        )
    _print(table, "No games here, and none on the network.")


def show_game(answer: pb.GetGameResponse, files: list[types_pb2.GameFile] | None) -> None:
    game = answer.game
    description = answer.description if answer.HasField("description") else game.local.description
    facts = {
        "game": game.id,
        "name": game.name,
        "here": str(_here(game)),
        "version here": game.local.version,
        "publisher": description.publisher,
        "year": str(description.release_year or ""),
        "genre": description.genre,
        "players": str(description.max_players or ""),
        "about": description.description,
    }
    if answer.HasField("totals"):
        totals = answer.totals
        facts["download"] = f"{size(totals.size_bytes)} in {totals.file_count} files"
    _print_facts(facts)
    table = _table("CONTENT ID", "VERSION", "SIZE", "FILES", "PEERS", "DOUBT")
    for each in game.variants:
        table.add_row(
            each.content_id,
            cell(each.version),
            size(each.size_bytes),
            str(each.file_count),
            str(len(each.peer_ids)),
            cell(each.doubt),
        )
    _print(table, "No peer has it.")
    if files is not None:
        table = _table("FILE", "SIZE")
        for file in files:
            table.add_row(cell(file.path), size(file.size_bytes))
        _print(table, "No files.")


def show_downloads(downloads: Iterable[types_pb2.Download]) -> None:
    table = _table("ID", "GAME", "VERSION", "STATE", "DONE", "OF", "SPEED", "ERROR")
    for each in downloads:
        table.add_row(
            cell(each.id),
            cell(each.game_id),
            cell(each.version),
            download_state(each),
            size(each.done_bytes),
            size(each.total_bytes),
            f"{size(each.bytes_per_second)}/s",
            cell(each.error.message),
        )
    _print(table, "No downloads since the sidecar started.")


def show_stagings(stagings: Iterable[types_pb2.Staging]) -> None:
    table = _table("NAME", "GAME", "VERSION", "VERIFIED", "ON DISK", "FAULT")
    for each in stagings:
        table.add_row(
            cell(each.name),
            cell(each.game_id),
            cell(each.version),
            size(each.recorded_bytes),
            size(each.disk_bytes),
            cell(each.fault),
        )
    _print(table, "Nothing was left behind.")


def show_peers(peers: Iterable[types_pb2.Peer]) -> None:
    table = _table("NAME", "STATE", "ADDRESS", "VIA", "RTT", "GAMES", "LIBRARY", "GAVE US", "ID")
    for each in peers:
        table.add_row(
            cell(each.name),
            peer_state(each),
            cell(each.address),
            cell(each.transport),
            f"{each.rtt_seconds * 1000:.1f} ms" if each.HasField("rtt_seconds") else "",
            str(each.game_count),
            size(each.library_bytes),
            size(each.served_bytes),
            cell(each.id[:_ID_CHARS]),
        )
    _print(table, "No peers were seen yet.")


def show_settings(settings: types_pb2.Settings) -> None:
    _print_facts(
        {
            "upload-limit": _limit(settings, "upload_bytes_per_second"),
            "download-limit": _limit(settings, "download_bytes_per_second"),
            "upload-slots": str(settings.upload_slots),
            "patience": f"{settings.patience_seconds:g} s",
            "name": settings.name,
        }
    )


def _limit(
    settings: types_pb2.Settings,
    field: Literal["upload_bytes_per_second", "download_bytes_per_second"],
) -> str:
    rate: int = getattr(settings, field)
    return f"{size(rate)}/s ({rate} bytes)" if settings.HasField(field) else "unlimited"


def show_status(status: types_pb2.Status) -> None:
    counters = status.counters
    _print_facts(
        {
            "name": status.name,
            "version": status.version,
            "peer id": status.peer_id,
            "instance": status.instance_id,
            "game folder": status.game_dir,
            "state folder": status.state_dir,
            "addresses": ", ".join(status.addresses),
            "uptime": duration(status.uptime_seconds),
            "peers": str(status.peer_count),
            "games": f"{status.game_count}{', hashing' if status.indexing else ''}",
            "received": size(counters.received_bytes),
            "sent": size(counters.sent_bytes),
            "bad chunks": str(counters.bad_chunks),
            "connections": f"{counters.quic_connections} QUIC, {counters.tls_connections} TLS, "
            f"{counters.refused_callers} callers refused",
            "requests": f"{counters.requests_served} served, {counters.requests_refused} refused",
        }
    )


def download_state(download: types_pb2.Download) -> str:
    return state_name(types_pb2.DownloadState.Name(download.state), "DOWNLOAD_STATE_")


def verification_state(verification: types_pb2.Verification) -> str:
    return state_name(types_pb2.VerificationState.Name(verification.state), "VERIFICATION_STATE_")


def show_findings(findings: Iterable[types_pb2.Finding]) -> None:
    table = _table("FILE", "IS")
    for each in findings:
        kind = state_name(types_pb2.FindingKind.Name(each.kind), "FINDING_KIND_")
        table.add_row(cell(each.path), kind)
    _print(table, "Every file is as it should be.")


def peer_state(peer: types_pb2.Peer) -> str:
    state = state_name(types_pb2.PeerState.Name(peer.state), "PEER_STATE_")
    notes = (state, "blocked" if peer.blocked else "", peer.refusal)
    return ", ".join(filter(None, notes))


def _here(game: types_pb2.Game) -> Text:
    state = state_name(types_pb2.LocalState.Name(game.local.state), "LOCAL_STATE_")
    installed = ", installed" if game.local.installed else ""
    sealed = ", sealed" if game.local.sealed else ""
    count = game.local.missing_file_count
    missing = f", {count} file{'s' if count > 1 else ''} missing" if count else ""
    fault = f": {game.local.fault}" if game.local.fault else ""
    return cell("" if state == "absent" else state + installed + sealed + missing + fault)


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _print(table: Table, empty: str) -> None:
    open_console().print(table if table.row_count else Text(empty))


def _print_facts(facts: dict[str, str]) -> None:
    console = open_console()
    for name, value in facts.items():
        if value:
            console.print(Text(f"{name + ':':<16}{plain(value)}"), soft_wrap=True)
