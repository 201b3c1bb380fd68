"""`lanspread-peer index`: hash all games before the party."""

import sys
from typing import Any

import click

from lanspread_peer.control.config_options import config_options, fail, load_config
from lanspread_peer.control.exit_codes import ExitCode
from lanspread_peer.model import errors
from lanspread_peer.runtime.indexing import IndexLine, index_games


@click.command("index")
@config_options("game_dir", "state_dir")
def index_command(config: str | None, **flags: Any) -> None:
    """Hash all games before the party, so that they are offered at once."""
    loaded = load_config(config, flags)
    try:
        all_shared = index_games(str(loaded.game_dir), str(loaded.state_dir), _show_line)
    except errors.LanspreadError as error:
        fail(error)
    sys.exit(ExitCode.CLEAN if all_shared else ExitCode.CRASH)


def _show_line(line: IndexLine) -> None:
    outcome = f"NOT SHARED: {line.fault}" if line.fault else line.content_id[:16]
    click.echo(f"{line.game_id}: hashed {line.hashed_bytes / 2**20:.1f} MiB, {outcome}")
