"""The command `lanspread`: drives the sidecar of this user from a terminal or a script.

Exit codes: 0 when what was asked for happened, 1 when not, 2 for a command line that makes no
sense. Errors are one plain sentence on stderr, with their reason.
"""

import io
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import IO, Any

import click
import psutil

from lanspread.peer.v1 import types_pb2
from lanspread_client.cli import documents, render
from lanspread_client.cli.doctor import doctor
from lanspread_client.cli.event_lines import event_line
from lanspread_client.cli.follow import get as follow_get
from lanspread_client.cli.local_games import remove, verify
from lanspread_client.cli.options import json_option as _json
from lanspread_client.cli.settings import settings
from lanspread_client.cli.text import plain
from lanspread_client.errors import LanspreadError
from lanspread_client.runtime_file import is_current, read_runtime_file
from lanspread_client.sync import SyncClient

_SHUTDOWN_TIMEOUT_S = 60.0
_PROCESS_TIMEOUT_S = 5.0
_POLL_S = 0.05


class _Failure(click.ClickException):
    """How an error of the library ends the program."""

    exit_code = 1

    def __init__(self, error: LanspreadError) -> None:
        super().__init__(plain(f"{error.message} ({error.reason})"))

    def show(self, file: IO[Any] | None = None) -> None:
        click.echo(self.message, err=True, file=file)


class _Program(click.Group):
    """Turns errors of the library into failures of the program."""

    def invoke(self, ctx: click.Context) -> Any:
        # What a console cannot show must not end the program.
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")
        try:
            return super().invoke(ctx)
        except LanspreadError as error:
            raise _Failure(error) from error


@click.group(cls=_Program, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--state-dir",
    envvar="LANSPREAD_STATE_DIR",
    type=click.Path(path_type=Path),
    help="The state folder of the sidecar to drive; by default that of this user.",
)
@click.version_option(package_name="lanspread-peer", prog_name="lanspread")
@click.pass_context
def main(ctx: click.Context, state_dir: Path | None) -> None:
    """Drive the lanspread sidecar that runs on this PC."""
    ctx.obj = state_dir


@main.command()
@_json
@click.pass_obj
def games(state_dir: Path | None, *, as_json: bool) -> None:
    """List the games here and on the network."""
    with SyncClient.connect(state_dir) as client:
        found = list(client.list_games())
    if as_json:
        documents.write_document({"games": documents.as_dicts(found)})
    else:
        render.show_games(found)


@main.command()
@click.argument("game")
@click.option("--files", "with_files", is_flag=True, help="List the files of its first variant.")
@_json
@click.pass_obj
def show(state_dir: Path | None, game: str, *, with_files: bool, as_json: bool) -> None:
    """Ask the peers about GAME."""
    with SyncClient.connect(state_dir) as client:
        answer = client.get_game(game)
        files = list(client.list_game_files(game)) if with_files else None
    if not as_json:
        render.show_game(answer, files)
        return
    document = documents.as_dict(answer)
    if files is not None:
        document["files"] = documents.as_dicts(files)
    documents.write_document(document)


@main.command()
@click.argument("game")
@click.option("--content", default="", help="The content id to get, as `show` lists them.")
@click.option("--file", "paths", multiple=True, help="Get this file only; may be repeated.")
@_json
@click.pass_obj
def get(
    state_dir: Path | None, game: str, *, content: str, paths: tuple[str, ...], as_json: bool
) -> None:
    """Download GAME, and wait until it is there."""
    with SyncClient.connect(state_dir) as client:
        follow_get(client, game, content_id=content, paths=paths or None, as_json=as_json)


@main.command()
@_json
@click.pass_obj
def downloads(state_dir: Path | None, *, as_json: bool) -> None:
    """List the downloads that are not over, and those that ended since the sidecar started."""
    with SyncClient.connect(state_dir) as client:
        found = list(client.list_downloads())
    if as_json:
        documents.write_document({"downloads": documents.as_dicts(found)})
    else:
        render.show_downloads(found)


@main.command()
@click.argument("download_id", metavar="ID")
@_json
@click.pass_obj
def pause(state_dir: Path | None, download_id: str, *, as_json: bool) -> None:
    """Stop the download ID until it is resumed; what was fetched is kept."""
    with SyncClient.connect(state_dir) as client:
        _show_download(client.pause_download(download_id), as_json=as_json)


@main.command()
@click.argument("download_id", metavar="ID")
@_json
@click.pass_obj
def resume(state_dir: Path | None, download_id: str, *, as_json: bool) -> None:
    """Let the paused download ID go on."""
    with SyncClient.connect(state_dir) as client:
        _show_download(client.resume_download(download_id), as_json=as_json)


@main.command()
@click.argument("download_id", metavar="ID")
@_json
@click.pass_obj
def cancel(state_dir: Path | None, download_id: str, *, as_json: bool) -> None:
    """End the download ID; the game folder stays as it was."""
    with SyncClient.connect(state_dir) as client:
        _show_download(client.cancel_download(download_id), as_json=as_json)


@main.command()
@_json
@click.pass_obj
def stagings(state_dir: Path | None, *, as_json: bool) -> None:
    """List what failed downloads have left on disk for another try."""
    with SyncClient.connect(state_dir) as client:
        found = list(client.list_stagings())
    if as_json:
        documents.write_document({"stagings": documents.as_dicts(found)})
    else:
        render.show_stagings(found)


@main.command()
@click.argument("names", metavar="NAME...", nargs=-1)
@click.option("--all", "is_all", is_flag=True, help="Delete all of them.")
@click.pass_obj
def clean(state_dir: Path | None, names: tuple[str, ...], *, is_all: bool) -> None:
    """Delete what failed downloads have left: NAME as `stagings` lists it."""
    if bool(names) == is_all:
        raise click.UsageError("name what to delete, or say --all")
    kept: list[LanspreadError] = []
    with SyncClient.connect(state_dir) as client:
        for name in names or [staging.name for staging in client.list_stagings()]:
            try:
                client.delete_staging(name)
            except LanspreadError as error:
                # One that cannot be deleted keeps nobody from deleting the others.
                kept.append(error)
            else:
                click.echo(f"{plain(name)}: deleted")
    if kept:
        raise kept[0]


@main.command()
@_json
@click.pass_obj
def peers(state_dir: Path | None, *, as_json: bool) -> None:
    """List the peers that were seen or are blocked."""
    with SyncClient.connect(state_dir) as client:
        found = list(client.list_peers())
    if as_json:
        documents.write_document({"peers": documents.as_dicts(found)})
    else:
        render.show_peers(found)


@main.command()
@click.argument("address", metavar="HOST:PORT")
@_json
@click.pass_obj
def add_peer(state_dir: Path | None, address: str, *, as_json: bool) -> None:
    """Connect to the sidecar at HOST:PORT, which cannot be discovered."""
    with SyncClient.connect(state_dir) as client:
        peer = client.add_peer(address)
    _show_peer(peer, as_json=as_json)


@main.command()
@click.argument("peer", metavar="PEER")
@click.pass_obj
def remove_peer(state_dir: Path | None, peer: str) -> None:
    """Forget PEER, its id or how that begins, until it calls or is discovered."""
    with SyncClient.connect(state_dir) as client:
        peer_id = _peer_id(client, peer)
        client.remove_peer(peer_id)
    click.echo(f"{plain(peer_id)}: removed")


@main.command()
@click.argument("peer", metavar="PEER")
@_json
@click.pass_obj
def block(state_dir: Path | None, peer: str, *, as_json: bool) -> None:
    """Have nothing to do with PEER any more: its id, or how that begins."""
    with SyncClient.connect(state_dir) as client:
        found = client.block_peer(_peer_id(client, peer))
    _show_peer(found, as_json=as_json)


@main.command()
@click.argument("peer", metavar="PEER")
@_json
@click.pass_obj
def unblock(state_dir: Path | None, peer: str, *, as_json: bool) -> None:
    """Undo `block` for PEER: its id, or how that begins."""
    with SyncClient.connect(state_dir) as client:
        found = client.unblock_peer(_peer_id(client, peer))
    _show_peer(found, as_json=as_json)


@main.command()
@click.option("--count", type=click.IntRange(min=1), help="Stop after this many.")
@_json
@click.pass_obj
def events(state_dir: Path | None, *, count: int | None, as_json: bool) -> None:
    """Follow what happens: first the state, then every event. Ctrl-C ends it."""
    told = 0
    try:
        with SyncClient.connect(state_dir) as client, closing(client.events()) as stream:
            for message in stream:
                if message.HasField("heartbeat"):
                    continue
                if as_json:
                    documents.write_line(message)
                else:
                    click.echo(event_line(message))
                told += 1
                if told == count:
                    return
    except KeyboardInterrupt:
        return


@main.command()
@_json
@click.pass_obj
def status(state_dir: Path | None, *, as_json: bool) -> None:
    """Tell about the sidecar itself."""
    with SyncClient.connect(state_dir) as client:
        found = client.get_status()
    if as_json:
        documents.write_document(documents.as_dict(found))
    else:
        render.show_status(found)


@main.command()
@_json
@click.pass_obj
def shutdown(state_dir: Path | None, *, as_json: bool) -> None:
    """End the sidecar, and wait until it is gone."""
    found = read_runtime_file(state_dir)
    with SyncClient.connect(state_dir) as client:
        client.shutdown()
    if not _wait_while(lambda: is_current(found, state_dir), _SHUTDOWN_TIMEOUT_S):
        raise LanspreadError(
            "SHUTDOWN_TIMEOUT", f"the sidecar with process id {found.pid} has not ended yet"
        )
    # Its locks go with the process, just after the file. Not for long, and not an error: in
    # another container the id may be that of any process.
    _wait_while(lambda: _is_alive(found.pid), _PROCESS_TIMEOUT_S)
    if as_json:
        documents.write_document({"instance_id": found.instance_id, "ended": True})
    else:
        click.echo("The sidecar has ended.")


main.add_command(doctor)
main.add_command(settings)
main.add_command(verify)
main.add_command(remove)


def _peer_id(client: SyncClient, text: str) -> str:
    """The id that begins so, when exactly one does; else the sidecar judges what was typed."""
    found = [peer.id for peer in client.list_peers() if peer.id.startswith(text)]
    return found[0] if text and len(found) == 1 else text


def _show_peer(peer: types_pb2.Peer, *, as_json: bool) -> None:
    if as_json:
        documents.write_document(documents.as_dict(peer))
    else:
        render.show_peers([peer])


def _wait_while(condition: Callable[[], bool], timeout_s: float) -> bool:
    deadline = time.monotonic() + timeout_s
    while condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_S)
    return True


def _is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except (psutil.Error, ValueError):
        return False


def _show_download(download: types_pb2.Download, *, as_json: bool) -> None:
    if as_json:
        documents.write_document(documents.as_dict(download))
    else:
        render.show_downloads([download])
