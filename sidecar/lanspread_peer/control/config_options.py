"""The flags of the commands, made from the table of keys.

Their texts are not judged by click but by the table, so that a wrong value is the same error from
every source.
"""

import sys
from collections.abc import Callable, Mapping
from typing import Any, NoReturn, TypeVar

import click
import structlog

from lanspread_peer.control.config_keys import KEY_BY_NAME, Key, Kind
from lanspread_peer.control.config_sources import Config, read_config
from lanspread_peer.control.exit_codes import exit_code_of
from lanspread_peer.model import errors
from lanspread_peer.runtime.logs import configure_logs, default_format

_METAVARS = {Kind.WHOLE: "N", Kind.NUMBER: "SECONDS"}
LOG_KEYS = ("log_level", "log_format", "log_file")

_log = structlog.get_logger(__name__)

_Function = TypeVar("_Function", bound=Callable[..., Any])


def key_options(*names: str) -> Callable[[_Function], _Function]:
    """Add the flags of these keys to a command, which gets them by the names of the keys."""

    def add(function: _Function) -> _Function:
        for name in reversed(names):
            function = _option(KEY_BY_NAME[name])(function)
        return function

    return add


def config_options(*names: str) -> Callable[[_Function], _Function]:
    """The same with `--config` and the flags of the log, all for `load_config`."""

    def add(function: _Function) -> _Function:
        function = key_options(*names, *LOG_KEYS)(function)
        return click.option(
            "--config", metavar="FILE", help="A TOML file with the same names as these flags."
        )(function)

    return add


def load_config(
    config: str | None, flags: dict[str, Any], handshake: Mapping[str, object] | None = None
) -> Config:
    """The configuration of this command; from now on the log is as it says.

    Flags of the log may stand before the command too. Ends the program when anything is wrong.
    """
    before = click.get_current_context().obj or {}
    given = {name: value for name, value in flags.items() if value is not None}
    try:
        loaded = read_config({**before, **given}, config_file=config, handshake=handshake)
        configure_logs(loaded.log_settings(default_format(is_managed=handshake is not None)))
    except errors.LanspreadError as error:
        fail(error)
    for name in loaded.unknown_variables:
        _log.warning("unknown environment variable", variable=name)
    return loaded


def fail(error: errors.LanspreadError) -> NoReturn:
    """End the program with the reason and the exit code of an error."""
    click.echo(f"lanspread-peer: {error.reason}: {error.message}", err=True)
    sys.exit(exit_code_of(error))


def _option(key: Key) -> Callable[[_Function], _Function]:
    shown = f"{key.help}  [default: {key.default_text}]"
    if key.kind is Kind.TRUTH:
        both = f"{key.flag}/--no-{key.flag.removeprefix('--')}"
        return click.option(both, key.name, default=None, help=shown)
    return click.option(
        key.flag,
        key.name,
        multiple=key.kind is Kind.TEXTS,
        metavar=key.metavar or _METAVARS.get(key.kind),
        help=shown,
    )
