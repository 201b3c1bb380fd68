"""`lanspread-peer serve`: run the sidecar."""

import asyncio
import sys
from collections.abc import Callable
from typing import Any

import click

from lanspread_peer.control.config_keys import KEY_BY_NAME
from lanspread_peer.control.config_options import LOG_KEYS, config_options, fail, load_config
from lanspread_peer.control.front_end import FrontEnd
from lanspread_peer.control.process import serve
from lanspread_peer.model import errors
from lanspread_peer.runtime.standard_streams import take_stderr

SERVE_KEYS = tuple(name for name in KEY_BY_NAME if name not in LOG_KEYS)


@click.command("serve")
@config_options(*SERVE_KEYS)
@click.option("--managed", is_flag=True, help="A front end spawned this: docs/embedding.md.")
def serve_command(config: str | None, *, managed: bool, **flags: Any) -> None:
    """Run the sidecar until it is told to end."""
    take_stderr()
    try:
        front_end = FrontEnd.greet() if managed else None
        said = front_end.handshake.configuration() if front_end else None
        settings = load_config(config, flags, said).settings()
    except errors.LanspreadError as error:
        fail(error)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        sys.exit(runner.run(serve(settings, front_end)))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    # The proactor's datagram loop on Windows dies when a peer vanishes, and has no add_reader.
    return asyncio.SelectorEventLoop if sys.platform == "win32" else None
