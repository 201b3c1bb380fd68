"""The steps of a publish by name, for whoever wants to be told before each of them."""

from collections.abc import Callable
from enum import Enum

from lanspread_peer.model.manifest import VERSION_INI
from lanspread_peer.storage.game_dir import CONFLICTS_FOLDER, DISPLACED_FOLDER, STAGING_FOLDER
from lanspread_peer.storage.moves import (
    DropFolder,
    MakeFolder,
    Move,
    MoveFolder,
    QuickStep,
    SyncFolder,
)
from lanspread_peer.storage.records import RECORDS_FOLDER


class PublishStep(Enum):
    """What comes next, in about this order; recovery goes through the same."""

    WRITE_JOURNAL = "write the journal"
    MAKE_FOLDER = "make a folder"
    MOVE_VERSION_AWAY = "move the old version away"
    SET_ASIDE = "set a person's file aside"
    DISPLACE = "displace an old file"
    RESPELL = "respell a folder"
    DROP_FOLDER = "drop an empty folder"
    MOVE_FOLDER_IN = "move a new folder in"
    MOVE_IN = "move a new file in"
    MOVE_RECORD_AWAY = "move the old record away"
    MOVE_RECORD_IN = "move the new record in"
    SYNC_FOLDER = "sync a folder"
    MOVE_VERSION_IN = "move the new version in"
    WRITE_INDEX = "write the index"
    REMOVE_JOURNAL = "remove the journal"
    DELETE_DISPLACED = "delete displaced files"
    REMOVE_STAGING = "remove the staging"


BeforeStep = Callable[[PublishStep, QuickStep | None], None]


def ignore_step(_name: PublishStep, _step: QuickStep | None) -> None:
    """Nobody wants to be told."""


def step_name(step: QuickStep, folder: str) -> PublishStep:
    """The name of a step in the publish of the game in `folder`."""
    match step:
        case MakeFolder():
            return PublishStep.MAKE_FOLDER
        case DropFolder():
            return PublishStep.DROP_FOLDER
        case SyncFolder():
            return PublishStep.SYNC_FOLDER
        case MoveFolder():
            return PublishStep.MOVE_FOLDER_IN
        case Move(old, new):
            return _move_name(old, new, folder)


def _move_name(old: str, new: str, folder: str) -> PublishStep:
    version = f"{folder}/{VERSION_INI}"
    if new.startswith(f"{CONFLICTS_FOLDER}/"):
        return PublishStep.SET_ASIDE
    if new.startswith(f"{DISPLACED_FOLDER}/"):
        if old == version:
            return PublishStep.MOVE_VERSION_AWAY
        is_record = old.startswith(f"{RECORDS_FOLDER}/")
        return PublishStep.MOVE_RECORD_AWAY if is_record else PublishStep.DISPLACE
    if new.startswith(f"{RECORDS_FOLDER}/"):
        return PublishStep.MOVE_RECORD_IN
    if new == version:
        return PublishStep.MOVE_VERSION_IN
    return PublishStep.MOVE_IN if old.startswith(f"{STAGING_FOLDER}/") else PublishStep.RESPELL
