"""The command line of the sidecar: `serve`, `index` and `healthcheck`."""

import os

# Must be set before grpc is imported: its fork handlers hang when a process with calls forks.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
# It writes to stderr past our log, of nothing that a person could act on.
os.environ.setdefault("GRPC_VERBOSITY", "ERROR")

import asyncio
import sys
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

import click
from click.core import ParameterSource
from platformdirs import user_state_dir

from lanspread_peer import __version__
from lanspread_peer.control.front_end import FrontEnd
from lanspread_peer.control.handshake import Handshake, unknown_key
from lanspread_peer.control.healthcheck import is_serving
from lanspread_peer.control.process import ExitCode, exit_code_of, serve
from lanspread_peer.model import errors
from lanspread_peer.model.config import Settings
from lanspread_peer.model.peer import parse_ip
from lanspread_peer.runtime.indexing import IndexLine, index_games
from lanspread_peer.runtime.log_writer import take_stderr
from lanspread_peer.runtime.logs import configure_logs

_STATE_DIR = user_state_dir("lanspread-peer", appauthor=False)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and all(map(_is_text, value))


def _is_truth(value: object) -> bool:
    return isinstance(value, bool)


def _is_integer(value: object) -> bool:
    # TOML promises 64 bits; Python reads longer ones, and then fails to show them.
    return type(value) is int and value.bit_length() < 64


def _is_number(value: object) -> bool:
    return isinstance(value, float) or _is_integer(value)


# Values of another kind would be taken for something else without a word.
_CONFIG_KEYS = {
    "game_dir": (_is_text, "a text"),
    "state_dir": (_is_text, "a text"),
    "name": (_is_text, "a text"),
    "bind": (_is_text, "a text"),
    "port": (_is_integer, "a whole number"),
    "listen": (_is_text, "a text"),
    "peer": (_is_texts, "a list of texts"),
    "mdns": (_is_truth, "true or false"),
    "patience_s": (_is_number, "a number"),
}


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="lanspread-peer")
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="info",
    show_default=True,
    help="From which level on to log to stderr.",
)
def main(log_level: str) -> None:
    """Share games with the other PCs of a LAN party, and download theirs."""
    take_stderr()
    configure_logs(log_level)


def _read_config(context: click.Context, parameter: click.Parameter, path: str | None) -> None:
    """Make the file's values the defaults of the flags, so that a flag wins."""
    if path is None:
        return
    try:
        content = tomllib.loads(Path(path).read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise click.BadParameter(f"{path}: {error}", context, parameter) from error
    if unknown := sorted(content.keys() - _CONFIG_KEYS):
        known = ", ".join(sorted(_CONFIG_KEYS))
        raise click.BadParameter(
            f"{path}: unknown key {unknown[0]!r}; known are {known}", context, parameter
        )
    for key, value in content.items():
        is_right, expected = _CONFIG_KEYS[key]
        if not is_right(value):
            raise click.BadParameter(f"{path}: {key}: expected {expected}", context, parameter)
    if "mdns" in content:
        content["no_mdns"] = not content.pop("mdns")
    context.default_map = {**(context.default_map or {}), **content}


@main.command("serve")
@click.option(
    "--config",
    type=click.Path(dir_okay=False),
    callback=_read_config,
    is_eager=True,
    expose_value=False,
    help="A TOML file with defaults for these flags.",
)
@click.option("--managed", is_flag=True, help="A front end spawned this; see clients/README.md.")
@click.option("--game-dir", help="The folder with the games; with --managed, the handshake's.")
@click.option(
    "--state-dir", default=_STATE_DIR, show_default=True, help="Where key and index are kept."
)
@click.option("--name", help="Shown to others; default what was set before, else USER@HOST.")
@click.option("--bind", default="", help="An own address; nothing leaves by another one.")
@click.option("--port", type=click.IntRange(0, 65535), help="UDP port; default 26789, else any.")
@click.option("--listen", default="", help="Where front ends connect: 127.0.0.1:PORT, unix:/PATH.")
@click.option("--peer", multiple=True, metavar="HOST:PORT", help="A peer to connect to.")
@click.option("--no-mdns", is_flag=True, help="Neither announce nor look for others.")
@click.option("--patience-s", type=float, hidden=True)
@click.pass_context
def serve_command(context: click.Context, /, managed: bool, **flags: Any) -> None:
    """Run the sidecar until it is told to end."""
    front_end = None
    try:
        if managed:
            front_end = FrontEnd.greet()
            _take_handshake(context, front_end.handshake, flags)
        if flags["game_dir"] is None:
            raise click.MissingParameter(ctx=context, param_hint="--game-dir", param_type="option")
        settings = _settings(**flags)
    except errors.LanspreadError as error:
        _fail(error)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        sys.exit(runner.run(serve(settings, front_end)))


def _take_handshake(context: click.Context, handshake: Handshake, flags: dict[str, Any]) -> None:
    """Put what the front end says in the place of all that is no flag; raises HandshakeRefused."""
    known = frozenset(_CONFIG_KEYS.keys() - {"game_dir", "state_dir"})
    for key, value in handshake.settings.items():
        if key not in known:
            raise unknown_key(key, known)
        is_right, expected = _CONFIG_KEYS[key]
        if not is_right(value):
            raise errors.HandshakeRefused(f"settings.{key}: expected {expected}", key=key)
    said = {"game_dir": handshake.game_dir, "state_dir": handshake.state_dir, **handshake.settings}
    if "mdns" in said:
        said["no_mdns"] = not said.pop("mdns")
    chosen = {key: value for key, value in said.items() if not _is_flag(context, key)}
    try:
        _settings(**{**flags, **chosen})
    except errors.InvalidField as error:
        raise errors.HandshakeRefused(f"settings.{error.message}", key=error.field) from error
    flags.update(chosen)
    assert context.parent is not None
    if handshake.log_level and not _is_flag(context.parent, "log_level"):
        configure_logs(handshake.log_level)


def _is_flag(context: click.Context, name: str) -> bool:
    return context.get_parameter_source(name) is ParameterSource.COMMANDLINE


def _settings(
    *,
    game_dir: str,
    state_dir: str,
    name: str | None,
    bind: str,
    port: int | None,
    listen: str,
    peer: Sequence[str],
    no_mdns: bool,
    patience_s: float | None,
) -> Settings:
    """Settings from the values of the flags; raises InvalidField."""
    return Settings(
        game_dir=str(Path(game_dir).expanduser().absolute()),
        state_dir=str(Path(state_dir).expanduser().absolute()),
        name=name,
        bind=parse_ip(bind, "bind") if bind else "",
        port=port,
        listen=listen,
        peers=tuple(peer),
        mdns=not no_mdns,
        patience_s=patience_s,
    )


@main.command("index")
@click.option("--game-dir", required=True, help="The folder with the games.")
@click.option(
    "--state-dir", default=_STATE_DIR, show_default=True, help="Where key and index are kept."
)
def index_command(game_dir: str, state_dir: str) -> None:
    """Hash all games before the party, so that they are offered at once."""
    try:
        all_shared = index_games(str(Path(game_dir).expanduser().absolute()), state_dir, _show_line)
    except errors.LanspreadError as error:
        _fail(error)
    sys.exit(ExitCode.CLEAN if all_shared else ExitCode.CRASH)


@main.command("healthcheck")
@click.option("--state-dir", default=_STATE_DIR, show_default=True)
def healthcheck_command(state_dir: str) -> None:
    """Exit with 0 when the sidecar of this state folder serves."""
    sys.exit(ExitCode.CLEAN if is_serving(Path(state_dir)) else ExitCode.CRASH)


def _show_line(line: IndexLine) -> None:
    outcome = f"NOT SHARED: {line.fault}" if line.fault else line.content_id[:16]
    click.echo(f"{line.game_id}: hashed {line.hashed_bytes / 2**20:.1f} MiB, {outcome}")


def _fail(error: errors.LanspreadError) -> NoReturn:
    click.echo(f"lanspread-peer: {error.reason}: {error.message}", err=True)
    sys.exit(exit_code_of(error))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    # The proactor's datagram loop on Windows dies when a peer vanishes, and has no add_reader.
    return asyncio.SelectorEventLoop if sys.platform == "win32" else None


if __name__ == "__main__":
    main()
