"""The settings file: what a front end chose, kept over restarts.

`settings.json` in the state folder has what was chosen, and nothing of what was not. One that makes
no sense is set aside, in place of an older one, so that it never keeps the sidecar from starting.
"""

from dataclasses import asdict
from pathlib import Path

import msgspec

from lanspread_peer.model.errors import InvalidField, StorageError
from lanspread_peer.model.limits import MAX_STATE_FILE_BYTES
from lanspread_peer.model.live_settings import ChosenSettings
from lanspread_peer.storage import beneath
from lanspread_peer.storage.disk_errors import is_missing

SETTINGS_FILE = "settings.json"
DAMAGED_FILE = "settings.json.damaged"


def read_settings(state_dir: Path) -> ChosenSettings | None:
    """What the file says, nothing chosen without one; None when it had to be set aside.

    Raises StorageError.
    """
    chosen = peek_settings(state_dir)
    if chosen is None:
        beneath.rename(state_dir, SETTINGS_FILE, state_dir, DAMAGED_FILE, replace=True)
    return chosen


def peek_settings(state_dir: Path) -> ChosenSettings | None:
    """The same, but one that makes no sense stays where it is. Raises StorageError."""
    try:
        data = beneath.read_file(state_dir, SETTINGS_FILE, MAX_STATE_FILE_BYTES)
    except StorageError as error:
        if is_missing(error):
            return ChosenSettings()
        raise
    try:
        return msgspec.json.decode(data, type=ChosenSettings)
    except (msgspec.DecodeError, InvalidField, UnicodeDecodeError, RecursionError):
        return None


def write_settings(state_dir: Path, chosen: ChosenSettings) -> None:
    """Write the file, in place of any older one; raises StorageError."""
    content = {name: value for name, value in asdict(chosen).items() if value is not None}
    data = msgspec.json.format(msgspec.json.encode(content))
    beneath.write_file(state_dir, SETTINGS_FILE, data, mode=beneath.PRIVATE_MODE)
