"""`lanspread verify` and `lanspread remove`: what is in the game folder, read again or deleted."""

import time
from contextlib import closing
from pathlib import Path

import click

from lanspread.peer.v1 import types_pb2
from lanspread_client.cli import documents, render
from lanspread_client.cli.options import json_option
from lanspread_client.cli.text import duration, plain, size
from lanspread_client.errors import LanspreadError
from lanspread_client.sync import SyncClient

_LINE_EVERY_S = 5.0


@click.command()
@click.argument("game")
@click.option("--reseal", is_flag=True, help="Take what is found as the content of the game.")
@json_option
@click.pass_obj
def verify(state_dir: Path | None, game: str, *, reseal: bool, as_json: bool) -> None:
    """Read all files of GAME again, and list those that are not as they should be.

    The exit code is 0 when none is missing or changed.
    """
    with SyncClient.connect(state_dir) as client:
        started = client.verify_game(game, reseal=reseal)
        try:
            ended = _follow(client, started, as_json=as_json)
        except KeyboardInterrupt:
            client.cancel_verification(started.id)
            raise LanspreadError("CANCELLED", "the verification was cancelled") from None
        findings = list(client.list_findings(ended.id))
    if as_json:
        found = documents.as_dict(ended) | {"findings": documents.as_dicts(findings)}
        documents.write_document(found)
    else:
        render.show_findings(findings)
    _require_intact(ended)


def _follow(
    client: SyncClient, started: types_pb2.Verification, *, as_json: bool
) -> types_pb2.Verification:
    """The verification once it has ended."""
    found, next_at = started, 0.0
    with closing(client.follow_verification(started.id)) as changes:
        for found in changes:
            if not as_json and time.monotonic() >= next_at:
                next_at = time.monotonic() + _LINE_EVERY_S
                click.echo(plain(_figures(found)))
    return found


def _figures(found: types_pb2.Verification) -> str:
    eta = f", {duration(found.eta_seconds)} left" if found.HasField("eta_seconds") else ""
    done = f"{size(found.done_bytes)} of {size(found.total_bytes)}"
    return f"{found.game_id}: {render.verification_state(found)}, {done}{eta}"


def _require_intact(found: types_pb2.Verification) -> None:
    if found.state == types_pb2.VERIFICATION_STATE_CANCELLED:
        raise LanspreadError("CANCELLED", "the verification was cancelled")
    if found.HasField("error"):
        raise LanspreadError(found.error.reason, f"the verification failed: {found.error.message}")
    if found.missing_file_count or found.changed_file_count:
        raise LanspreadError(
            "GAME_DAMAGED",
            f"{found.missing_file_count} files are missing and {found.changed_file_count} changed; "
            f"`lanspread get {found.game_id}` brings them again",
        )


@click.command()
@click.argument("game")
@click.option("--installed", is_flag=True, help="Delete its installed content, local/, too.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@click.pass_obj
def remove(state_dir: Path | None, game: str, *, installed: bool, yes: bool, as_json: bool) -> None:
    """Delete the files of GAME from the game folder."""
    if not yes:
        what = " and its installed content" if installed else ""
        click.confirm(plain(f"Delete the files of {game}{what}?"), abort=True, err=True)
    with SyncClient.connect(state_dir) as client:
        removed = client.remove_game(game, remove_installed=installed)
    if as_json:
        documents.write_document(documents.as_dict(removed))
    else:
        click.echo(plain(f"{game}: removed, {size(removed.removed_bytes)} are free again"))
    if removed.left_file_count:
        raise LanspreadError(
            "FILES_LEFT",
            f"{removed.left_file_count} files are in use; the next start of the sidecar deletes "
            "them, or the same command once they are free",
        )
