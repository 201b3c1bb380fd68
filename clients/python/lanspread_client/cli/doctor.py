"""`lanspread doctor`: the sidecar's program looks at this machine itself; this only calls it."""

import subprocess
import sys
from pathlib import Path

import click

from lanspread_client.cli.options import json_option


@click.command()
@json_option
@click.pass_obj
def doctor(state_dir: Path | None, *, as_json: bool) -> None:
    """Look for what breaks at parties, with and without a running sidecar.

    Exits with 0 when nothing fails. `lanspread-peer doctor` takes more options.
    """
    command: list[str | Path] = [sys.executable, "-m", "lanspread_peer", "doctor"]
    if state_dir is not None:
        command += ["--state-dir", state_dir]
    if as_json:
        command.append("--json")
    ended = subprocess.run(command, check=False)  # noqa: S603 - our own program
    sys.exit(ended.returncode)
