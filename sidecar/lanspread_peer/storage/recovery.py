"""Recovery: at a start, the publishes that a crash has cut are ended, one way or the other.

Call it under the game folder's lock, before anything looks at the games. A publish is rolled
forward when all of its new files are there, else back. A kill during recovery leaves what the next
one can recover. What cannot be ended now keeps its journal, loses nothing, and is tried at the next
start.
"""

from contextlib import suppress
from dataclasses import dataclass
from enum import Enum

from lanspread_peer.model.download import StagedDownload
from lanspread_peer.model.errors import IntegrityError, LanspreadError, StorageError
from lanspread_peer.storage import beneath
from lanspread_peer.storage.disk_errors import is_missing
from lanspread_peer.storage.game_dir import CONFLICTS_FOLDER, DISPLACED_FOLDER, GameDir
from lanspread_peer.storage.index import Index
from lanspread_peer.storage.journal import (
    Journal,
    has_journal,
    journal_names,
    journal_path,
    read_journal,
    remove_journal,
)
from lanspread_peer.storage.publish import finish_publish
from lanspread_peer.storage.publish_steps import BeforeStep, PublishStep, ignore_step
from lanspread_peer.storage.records import read_record
from lanspread_peer.storage.roll import Roll, can_roll_forward
from lanspread_peer.storage.scratch import bury, clear_scratch
from lanspread_peer.storage.staging_folder import read_staged, staging_path
from lanspread_peer.storage.thing import is_at


class Outcome(Enum):
    """How the publish ended: the game is the new one, or the old one, or nobody knows yet."""

    PUBLISHED = "published"
    RESTORED = "restored"
    STUCK = "stuck"


@dataclass(frozen=True, slots=True)
class Recovered:
    """One publish that a start found.

    `staged` is None when nobody can tell what it was for, `folder` empty when the journal makes no
    sense. `conflicts` are where files of a person were moved to, as paths below the game folder;
    `reason` says why it is stuck.
    """

    name: str
    folder: str
    staged: StagedDownload | None
    outcome: Outcome
    conflicts: tuple[str, ...] = ()
    reason: str = ""


def recover(
    game_dir: GameDir, index: Index, *, before_step: BeforeStep = ignore_step
) -> list[Recovered]:
    """End what was cut, and remove what nobody needs any more; see above.

    `before_step` is told each step. Raises StorageError when the disk does not even tell what there
    is to do.
    """
    found = []
    for name in journal_names(game_dir):
        each = recover_one(game_dir, name, index, before_step=before_step)
        if each is not None:
            found.append(each)
    _remove_left_overs(game_dir)
    return found


def recover_one(
    game_dir: GameDir, name: str, index: Index, *, before_step: BeforeStep = ignore_step
) -> Recovered | None:
    """End the publish of one staging, or None when it had not begun; raises StorageError."""
    if not has_journal(game_dir, name):
        return None
    staged = _staged(game_dir, name)
    try:
        journal = read_journal(game_dir, name)
    except IntegrityError as error:
        # The first step of all makes the folder for displaced files.
        if beneath.stat(game_dir.root, f"{DISPLACED_FOLDER}/{name}") is not None:
            return Recovered(name, "", staged, Outcome.STUCK, reason=error.message)
        beneath.remove_tree(game_dir.root, journal_path(name))
        return None
    except StorageError as error:
        return Recovered(name, "", staged, Outcome.STUCK, reason=error.message)
    roll = Roll(game_dir, journal, before_step)
    try:
        outcome = _roll(game_dir, journal, roll, index, before_step)
    except LanspreadError as error:
        conflicts = tuple(roll.conflicts)
        return Recovered(name, journal.folder, staged, Outcome.STUCK, conflicts, error.message)
    return Recovered(name, journal.folder, staged, outcome, tuple(roll.conflicts))


def _roll(
    game_dir: GameDir, journal: Journal, roll: Roll, index: Index, before_step: BeforeStep
) -> Outcome:
    if not can_roll_forward(game_dir, journal):
        roll.back()
        before_step(PublishStep.REMOVE_JOURNAL, None)
        remove_journal(game_dir, journal.name)
        return Outcome.RESTORED
    roll.forward()
    roll.conflicts.extend(_planned_conflicts(game_dir, journal))
    manifest = read_record(game_dir, journal.folder)
    if manifest is None:
        raise IntegrityError("the record of what was published makes no sense")
    finish_publish(game_dir, journal, manifest, index, before_step)
    before_step(PublishStep.REMOVE_STAGING, None)
    bury(game_dir, staging_path(journal.name))
    return Outcome.PUBLISHED


def _planned_conflicts(game_dir: GameDir, journal: Journal) -> list[str]:
    return [
        move.new
        for move, thing in journal.moves
        if move.new.startswith(f"{CONFLICTS_FOLDER}/") and is_at(game_dir, thing, move.new)
    ]


def _staged(game_dir: GameDir, name: str) -> StagedDownload | None:
    try:
        return read_staged(game_dir, name)
    except LanspreadError:
        return None


def _remove_left_overs(game_dir: GameDir) -> None:
    """Displaced files whose journal is gone, and scratch.

    What the disk refuses to remove, such as a program that runs, harms nobody until the next start.
    """
    try:
        displaced = beneath.list_folder(game_dir.root, DISPLACED_FOLDER)
    except StorageError as error:
        if not is_missing(error):
            raise
        displaced = []
    kept = set(journal_names(game_dir))
    for name, _ in displaced:
        if name not in kept:
            with suppress(StorageError):
                bury(game_dir, f"{DISPLACED_FOLDER}/{name}")
    with suppress(StorageError):
        clear_scratch(game_dir)
