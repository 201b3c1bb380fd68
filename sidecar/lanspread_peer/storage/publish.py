"""Publish: the files of a finished staging become the game.

Either the game folder holds the new content afterwards, or it is exactly as before. Nothing that a
person put there is overwritten or deleted, and `local/` is never touched. The steps only rename,
and a journal of all of them is on disk before the first, so that a start can end what a crash cut.
A new folder is moved as it was staged, in one step; the journal still has each file, so that a
start needs to know nothing of that.
"""

from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from lanspread_peer.model.errors import IntegrityError, StorageError
from lanspread_peer.model.ids import game_key
from lanspread_peer.model.manifest import VERSION_INI, FileEntry, Manifest
from lanspread_peer.model.paths import SafeRelPath
from lanspread_peer.storage import beneath
from lanspread_peer.storage.conflicts import free_conflicts_folder
from lanspread_peer.storage.disk_errors import is_missing
from lanspread_peer.storage.game_dir import DISPLACED_FOLDER, GameDir
from lanspread_peer.storage.index import Index
from lanspread_peer.storage.journal import (
    Journal,
    journal_names,
    read_journal,
    remove_journal,
    write_journal,
)
from lanspread_peer.storage.layout import read_layout
from lanspread_peer.storage.moves import QuickStep, carry_out, single_steps
from lanspread_peer.storage.publish_journal import index_published, make_journal
from lanspread_peer.storage.publish_plan import PublishJob, plan_publish
from lanspread_peer.storage.publish_steps import BeforeStep, PublishStep, ignore_step, step_name
from lanspread_peer.storage.records import already_right, own_files, read_record, record_path
from lanspread_peer.storage.removal_note import forget_removal
from lanspread_peer.storage.roll import sync_touched
from lanspread_peer.storage.scratch import bury
from lanspread_peer.storage.staged_json import is_staging_name
from lanspread_peer.storage.staged_tree import look_at_staged
from lanspread_peer.storage.staging import Staging


@dataclass(frozen=True, slots=True)
class PublishResult:
    """`conflicts` are where files of a person were moved to, as paths below the game folder."""

    conflicts: tuple[str, ...]


def publish(
    game_dir: GameDir,
    folder: str,
    staging: Staging,
    manifest: Manifest,
    *,
    files: Sequence[FileEntry],
    keep: Collection[SafeRelPath],
    obsolete: Collection[str],
    index: Index,
    may_replace: bool,
    before_step: BeforeStep = ignore_step,
) -> PublishResult:
    """Make the staged `files` the game, and leave those in `keep` where they are.

    `may_replace` tells that a game without a record is to be replaced; else it is all a person's.
    `folder` is the name on disk of the game's folder, existing or not; `obsolete` comes from
    `obsolete_files`, `keep` from `already_right`; one of `files` and `keep` has version.ini.
    `before_step` is told each step before it is done. The staging is closed, and the caller
    discards it afterwards. The index learns the new files, so the next scan hashes nothing. A crash
    at any moment leaves a journal that `recover` rolls forward or back.

    Raises IntegrityError when a file to publish or to keep is not right, else StorageError,
    DiskFull or AccessDenied; after any of them the game folder is as it was, unless the journal is
    still there: then `recover_one` must end it.
    """
    _require_no_journal(game_dir, folder)
    _require_complete(staging, files)
    _require_kept(keep, already_right(game_dir, folder, manifest, index))
    if VERSION_INI not in keep and all(entry.path != VERSION_INI for entry in files):
        raise IntegrityError("there is no version.ini to publish", path=VERSION_INI)
    staging.sync()
    staging.close()
    staged = f"{staging.folder}/files"
    tree = look_at_staged(game_dir, staged, manifest.directories, files)
    job = PublishJob(
        folder=folder,
        manifest=manifest,
        files=files,
        keep=keep,
        own=own_files(game_dir, folder, index, may_replace=may_replace).keys(),
        obsolete=obsolete,
        old_record=read_record(game_dir, folder),
        has_old_record=beneath.stat(game_dir.root, record_path(folder)) is not None,
        staged=staged,
        whole=tree.whole,
        staged_record=f"{staging.folder}/manifest",
        conflicts=free_conflicts_folder(game_dir, folder),
        displaced=f"{DISPLACED_FOLDER}/{staging.name}",
    )
    plan = plan_publish(job, read_layout(game_dir, folder, manifest))
    steps = single_steps(plan.steps)
    journal = make_journal(game_dir, staging.name, folder, steps, files, tree.things)
    before_step(PublishStep.WRITE_JOURNAL, None)
    write_journal(game_dir, journal)
    _carry_out(game_dir, journal, plan.steps, before_step)
    finish_publish(game_dir, journal, manifest, index, before_step)
    return PublishResult(plan.conflicts)


def finish_publish(
    game_dir: GameDir, journal: Journal, manifest: Manifest, index: Index, before_step: BeforeStep
) -> None:
    """What follows the steps: the index, the end of the journal, then of the displaced files.

    The displaced files stay until no crash can bring the journal back. Raises StorageError when
    the journal cannot be removed; a start does so then.
    """
    before_step(PublishStep.WRITE_INDEX, None)
    with suppress(StorageError):
        index_published(game_dir, journal, manifest, index)
    with suppress(StorageError):
        # What an earlier removal had to leave is not to go from the game that is there again.
        forget_removal(index.state_dir, game_dir, journal.folder)
    before_step(PublishStep.REMOVE_JOURNAL, None)
    remove_journal(game_dir, journal.name)
    before_step(PublishStep.DELETE_DISPLACED, None)
    with suppress(StorageError):
        bury(game_dir, journal.displaced)


def _carry_out(
    game_dir: GameDir, journal: Journal, steps: Iterable[QuickStep], before_step: BeforeStep
) -> None:
    """All steps, or none of them and no journal either, unless something cannot be put back."""
    try:
        carry_out(
            game_dir.root,
            steps,
            lambda step: before_step(step_name(step, journal.folder), step),
        )
    except BaseException as error:
        if not (isinstance(error, StorageError) and "left" in error.metadata):
            sync_touched(game_dir, journal)
            remove_journal(game_dir, journal.name)
        raise


def _require_no_journal(game_dir: GameDir, folder: str) -> None:
    for name in journal_names(game_dir):
        if is_staging_name(name) and _may_be_of(game_dir, name, folder):
            raise StorageError("an earlier publish of this game could not be ended", journal=name)


def _may_be_of(game_dir: GameDir, name: str, folder: str) -> bool:
    try:
        return game_key(read_journal(game_dir, name).folder) == game_key(folder)
    except IntegrityError:
        return True
    except StorageError as error:
        # That of another game, whose publish has just ended.
        if is_missing(error):
            return False
        raise


def _require_complete(staging: Staging, files: Sequence[FileEntry]) -> None:
    for entry in files:
        if not staging.is_complete(entry):
            raise IntegrityError(f"{entry.path!a} is not complete", path=entry.path)


def _require_kept(keep: Collection[SafeRelPath], right: Collection[SafeRelPath]) -> None:
    for path in keep:
        if path not in right:
            raise IntegrityError(f"{path!a} was to stay, but changed meanwhile", path=path)
