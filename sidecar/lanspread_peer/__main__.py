"""The program `lanspread-peer`: what must be set before anything else, and the list of commands."""

import os
import sys

# structlog would load rich for tracebacks that we never draw: 5 MiB, and 60 ms of every start.
if "rich" not in sys.modules:
    sys.modules["rich"] = None  # type: ignore[assignment]
    import structlog  # noqa: F401

    del sys.modules["rich"]

# Must be set before grpc is imported: its fork handlers hang when a process with calls forks.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
# It writes to stderr past our log, of nothing that a person could act on.
os.environ.setdefault("GRPC_VERBOSITY", "ERROR")

from typing import Any

import click

from lanspread_peer import __version__
from lanspread_peer.control.config_options import LOG_KEYS, key_options


class Commands(click.Group):
    """Of all commands only the one that is asked for is loaded: one that serves needs no other."""

    def list_commands(self, _context: click.Context) -> list[str]:
        """See `click.Group`."""
        return ["certs", "config", "doctor", "healthcheck", "index", "serve"]

    def get_command(self, _context: click.Context, name: str) -> click.Command | None:
        """See `click.Group`."""
        match name:
            case "certs":
                from lanspread_peer.control.command_certs import certs_group

                return certs_group
            case "config":
                from lanspread_peer.control.command_config import config_group

                return config_group
            case "doctor":
                from lanspread_peer.control.command_doctor import doctor_command

                return doctor_command
            case "healthcheck":
                from lanspread_peer.control.command_healthcheck import healthcheck_command

                return healthcheck_command
            case "index":
                from lanspread_peer.control.command_index import index_command

                return index_command
            case "serve":
                from lanspread_peer.control.command_serve import serve_command

                return serve_command
        return None


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="lanspread-peer")
@key_options(*LOG_KEYS)
@click.pass_context
def main(context: click.Context, /, **flags: Any) -> None:
    """Share games with the other PCs of a LAN party, and download theirs."""
    context.obj = flags


if __name__ == "__main__":
    main()
