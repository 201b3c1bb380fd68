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
from lanspread_peer.control.command_certs import certs_group
from lanspread_peer.control.command_config import config_group
from lanspread_peer.control.command_doctor import doctor_command
from lanspread_peer.control.command_healthcheck import healthcheck_command
from lanspread_peer.control.command_index import index_command
from lanspread_peer.control.command_serve import serve_command
from lanspread_peer.control.config_options import LOG_KEYS, key_options


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="lanspread-peer")
@key_options(*LOG_KEYS)
@click.pass_context
def main(context: click.Context, /, **flags: Any) -> None:
    """Share games with the other PCs of a LAN party, and download theirs."""
    context.obj = flags


main.add_command(serve_command)
main.add_command(index_command)
main.add_command(healthcheck_command)
main.add_command(config_group)
main.add_command(doctor_command)
main.add_command(certs_group)


if __name__ == "__main__":
    main()
