"""`lanspread settings`: what is in effect, and changing it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from lanspread.peer.v1 import types_pb2
from lanspread_client.cli import documents, render
from lanspread_client.cli.amounts import parse_rate, parse_seconds
from lanspread_client.cli.options import json_option
from lanspread_client.connection import SettingsChanges
from lanspread_client.sync import SyncClient

# The name that people type, the field, and what makes a value of what they type.
_SETTINGS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "upload-limit": ("upload_bytes_per_second", parse_rate),
    "download-limit": ("download_bytes_per_second", parse_rate),
    "upload-slots": ("upload_slots", int),
    "patience": ("patience_seconds", parse_seconds),
    "name": ("name", str),
}
_setting = click.argument("setting", type=click.Choice(list(_SETTINGS)))


@click.group(invoke_without_command=True)
@json_option
@click.pass_context
def settings(ctx: click.Context, *, as_json: bool) -> None:
    """Tell the settings; `set` and `reset` change them, for later launches too."""
    if ctx.invoked_subcommand is not None:
        return
    with SyncClient.connect(ctx.obj) as client:
        _show(client.get_settings(), as_json=as_json)


@settings.command("set")
@_setting
@click.argument("value")
@json_option
@click.pass_obj
def set_command(state_dir: Path | None, setting: str, value: str, *, as_json: bool) -> None:
    """Change SETTING to VALUE: a rate such as 20MB/s, 100Mbit/s or unlimited, a time such as 2m."""
    field, parse = _SETTINGS[setting]
    try:
        parsed = parse(value)
    except ValueError as error:
        raise click.BadParameter(f"{value!r}: {error}", param_hint=setting) from error
    _update(state_dir, field, parsed, as_json=as_json)


@settings.command("reset")
@_setting
@json_option
@click.pass_obj
def reset_command(state_dir: Path | None, setting: str, *, as_json: bool) -> None:
    """Go back to the default of SETTING; that of a limit is unlimited."""
    _update(state_dir, _SETTINGS[setting][0], None, as_json=as_json)


def _update(
    state_dir: Path | None, field: str, value: float | str | None, *, as_json: bool
) -> None:
    changes: SettingsChanges = {field: value}  # type: ignore[misc]  # a field of the table above
    with SyncClient.connect(state_dir) as client:
        _show(client.update_settings(**changes), as_json=as_json)


def _show(found: types_pb2.Settings, *, as_json: bool) -> None:
    if as_json:
        documents.write_document(documents.as_dict(found))
    else:
        render.show_settings(found)
