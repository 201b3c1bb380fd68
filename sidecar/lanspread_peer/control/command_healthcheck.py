"""`lanspread-peer healthcheck`: for a container's health, in its exit code."""

import sys
from typing import Any

import click

from lanspread_peer.control.config_options import config_options, load_config
from lanspread_peer.control.exit_codes import ExitCode
from lanspread_peer.control.healthcheck import is_serving


@click.command("healthcheck")
@config_options("state_dir")
def healthcheck_command(config: str | None, **flags: Any) -> None:
    """Exit with 0 when the sidecar of this state folder serves."""
    loaded = load_config(config, flags)
    sys.exit(ExitCode.CLEAN if is_serving(loaded.state_dir) else ExitCode.CRASH)
