"""`lanspread-peer config show`: each key, its value, and where that comes from.

Takes the flags of `serve`, so that one may see what they would do.
"""

import json
from typing import Any

import click

from lanspread_peer.control.command_serve import SERVE_KEYS
from lanspread_peer.control.config_keys import KEY_BY_NAME
from lanspread_peer.control.config_options import config_options, fail, load_config
from lanspread_peer.control.config_sources import Config, Found
from lanspread_peer.model import errors
from lanspread_peer.model.plain_text import plain


@click.group("config")
def config_group() -> None:
    """Look at the configuration."""


@config_group.command("show")
@config_options(*SERVE_KEYS)
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def show_command(config: str | None, *, as_json: bool, **flags: Any) -> None:
    """Show each key, its value, and which source it comes from."""
    loaded = load_config(config, flags)
    try:
        loaded = loaded.with_kept()
    except errors.LanspreadError as error:
        fail(error)
    click.echo(_document(loaded) if as_json else _table(loaded))


def _document(loaded: Config) -> str:
    keys = [
        {"key": name, "value": found.value, "kind": found.rank.value, "source": found.source}
        for name, found in loaded.found.items()
    ]
    unknown = list(loaded.unknown_variables)
    return json.dumps({"keys": keys, "unknown_variables": unknown}, indent=2)


def _table(loaded: Config) -> str:
    rows = [
        (name, _shown(name, found), plain(found.source)) for name, found in loaded.found.items()
    ]
    wide, middle = (max(len(row[column]) for row in rows) for column in (0, 1))
    return "\n".join(f"{name:{wide}}  {value:{middle}}  {source}" for name, value, source in rows)


def _shown(name: str, found: Found) -> str:
    if found.value is None:
        return f"({KEY_BY_NAME[name].default_text})"
    return plain(json.dumps(found.value, ensure_ascii=False))
