"""Removing a game: its files leave the game folder, and nothing else does.

Once `version.ini` is gone there is no game; all before that changes nothing, and all after it is
noted on disk first, so that a start finishes what a crash has cut. Files go only as they were when
the removal began. Links are never followed, nor removed: what is behind or below them is not ours.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import Enum

from lanspread_peer.model.errors import DiskFull, IntegrityError, StorageError
from lanspread_peer.model.manifest import VERSION_INI, Manifest
from lanspread_peer.model.paths import is_shared
from lanspread_peer.storage import beneath
from lanspread_peer.storage.disk_errors import is_gone
from lanspread_peer.storage.game_dir import GameDir, is_local_folder
from lanspread_peer.storage.index import Index
from lanspread_peer.storage.layout import parent, walk_game
from lanspread_peer.storage.records import normal_path, read_record, record_path
from lanspread_peer.storage.removal_note import (
    Removal,
    forget_removal,
    read_removal,
    removal_folders,
    removal_path,
    write_removal,
)
from lanspread_peer.storage.scratch import bury
from lanspread_peer.storage.thing import Kind, is_at, thing_at


class RemovalStep(Enum):
    """What comes next, in this order."""

    WRITE_NOTE = "write the note"
    REMOVE_VERSION = "remove the version"
    REMOVE_RECORD = "remove the record"
    REMOVE_FILE = "remove a file"
    REMOVE_INSTALLED = "remove the installed content"
    REMOVE_FOLDER = "remove an empty folder"
    FORGET_NOTE = "forget the note"


BeforeStep = Callable[[RemovalStep], None]


@dataclass(frozen=True, slots=True)
class Removed:
    """What became of a removal; the disk did not let go of `left_files` now."""

    bytes: int
    left_files: int


@dataclass(frozen=True, slots=True)
class FinishedRemoval:
    """A removal that a start found: `fault` says why it cannot be finished, if so."""

    folder: str
    left_files: int
    fault: str = ""


def ignore_step(_step: RemovalStep) -> None:
    """Nobody wants to be told."""


def remove_game(
    game_dir: GameDir,
    folder: str,
    index: Index,
    *,
    remove_installed: bool = False,
    before_step: BeforeStep = ignore_step,
) -> Removed | None:
    """Remove the game in a folder, or finish that; None when there is no game.

    Of what was downloaded only files that its manifest names go, changed ones too; of other games
    all that are shared. Raises StorageError, and then the game is still there.
    """
    removal = _plan(game_dir, folder, remove_installed=remove_installed)
    if removal is None:
        removal = _noted(game_dir, folder, index, remove_installed=remove_installed)
        return None if removal is None else _finish(game_dir, removal, index, before_step)
    before_step(RemovalStep.WRITE_NOTE)
    # On a full disk there is no room for a note, and room is what the caller wants to make.
    with suppress(DiskFull):
        write_removal(index.state_dir, game_dir, removal)
    try:
        before_step(RemovalStep.REMOVE_VERSION)
        beneath.remove_file(game_dir.root, f"{folder}/{VERSION_INI}")
    except StorageError:
        forget_removal(index.state_dir, game_dir, folder)
        raise
    return _finish(game_dir, removal, index, before_step)


def finish_removals(
    game_dir: GameDir, index: Index, *, before_step: BeforeStep = ignore_step
) -> list[FinishedRemoval]:
    """Finish what was cut; call it under the game folder's lock. Raises StorageError.

    A removal is dropped whose game is still there, or is there again. It waits while the game's
    folder is not there, as while a disk is not mounted.
    """
    finished = []
    for folder in removal_folders(index.state_dir, game_dir):
        each = _finish_one(game_dir, folder, index, before_step)
        if each is not None:
            finished.append(each)
    return finished


def _finish_one(
    game_dir: GameDir, folder: str, index: Index, before_step: BeforeStep
) -> FinishedRemoval | None:
    try:
        removal = read_removal(index.state_dir, game_dir, folder)
        if removal is None or thing_at(game_dir, f"{folder}/{VERSION_INI}") is not None:
            forget_removal(index.state_dir, game_dir, folder)
            return None
        if thing_at(game_dir, folder) is None:
            return None
        removed = _finish(game_dir, removal, index, before_step)
    except IntegrityError as error:
        # Nobody can tell what was meant, so what is left is the user's.
        with suppress(StorageError):
            beneath.remove_tree(index.state_dir, removal_path(game_dir, folder))
        return FinishedRemoval(folder, 0, error.message)
    except StorageError as error:
        return FinishedRemoval(folder, 0, error.message)
    return FinishedRemoval(folder, removed.left_files)


def _noted(
    game_dir: GameDir, folder: str, index: Index, *, remove_installed: bool
) -> Removal | None:
    try:
        removal = read_removal(index.state_dir, game_dir, folder)
    except IntegrityError:
        return None
    if removal is None:
        return None
    # What is installed now may have come since.
    return replace(removal, installed=_installed(game_dir, folder) if remove_installed else ())


def _plan(game_dir: GameDir, folder: str, *, remove_installed: bool) -> Removal | None:
    """What a removal takes, or None when there is no game."""
    version = thing_at(game_dir, f"{folder}/{VERSION_INI}")
    if version is None or version.kind is not Kind.FILE:
        return None
    # Also where it seals nothing, as after a change to the version: a person's files stay his.
    manifest = read_record(game_dir, folder)
    folders, others = walk_game(game_dir, folder)
    files = []
    for path in others:
        if path == VERSION_INI or not _is_ours(path, manifest):
            continue
        thing = thing_at(game_dir, f"{folder}/{path}")
        if thing is not None and thing.kind is Kind.FILE:
            files.append((path, thing))
    used = {above for path, _ in files for above in _above(path)}
    named = None if manifest is None else frozenset(manifest.directories)
    empty = {
        path
        for path in folders
        if (is_shared(normal_path(path)) if named is None else normal_path(path) in named)
    }
    return Removal(
        folder,
        version,
        tuple(files),
        tuple(sorted(used | empty, key=lambda path: (-path.count("/"), path))),
        _installed(game_dir, folder) if remove_installed else (),
    )


def _is_ours(path: str, manifest: Manifest | None) -> bool:
    normal = normal_path(path)
    return is_shared(normal) if manifest is None else manifest.file(normal) is not None


def _above(path: str) -> list[str]:
    folders = []
    while path := parent(path):
        folders.append(path)
    return folders


def _installed(game_dir: GameDir, folder: str) -> tuple[str, ...]:
    names = beneath.list_folder(game_dir.root, folder)
    return tuple(name for name, is_folder in names if is_folder and is_local_folder(name))


def _still_installed(game_dir: GameDir, removal: Removal) -> tuple[str, ...]:
    there = _installed(game_dir, removal.folder)
    return tuple(name for name in removal.installed if name in there)


def _finish(game_dir: GameDir, removal: Removal, index: Index, before_step: BeforeStep) -> Removed:
    """All that follows once the version is gone; what the disk refuses is left, and counted."""
    root, folder = game_dir.root, removal.folder
    before_step(RemovalStep.REMOVE_RECORD)
    left = 0
    with suppress(StorageError):
        beneath.sync_folder(root, folder)
    try:
        beneath.remove_tree(root, parent(record_path(folder)))
    except StorageError:
        # Without the version it seals nothing; it would only seal again what is just that version.
        left += 1
    removed_bytes, left_files = _remove_files(game_dir, removal, before_step)
    left += left_files
    for name in removal.installed:
        before_step(RemovalStep.REMOVE_INSTALLED)
        try:
            bury(game_dir, f"{folder}/{name}")
        except StorageError:
            left += 1
    if left:
        # On a full disk there was no room for it at first, and installed content that is gone now
        # may be there anew later.
        with suppress(StorageError):
            rest = replace(removal, installed=_still_installed(game_dir, removal))
            write_removal(index.state_dir, game_dir, rest)
    for path in (*(f"{folder}/{each}" for each in removal.folders), folder):
        before_step(RemovalStep.REMOVE_FOLDER)
        with suppress(StorageError):
            if not beneath.remove_folder(root, path):
                # The note may be on another disk, and must not be gone before what it names.
                beneath.sync_folder(root, path)
    with suppress(StorageError):
        beneath.sync_folder(root, "")
    with suppress(StorageError):
        # Rows that stay are only of no use, until the next start drops them.
        index.replace_rows(game_dir, folder, {}, index.rows_of(game_dir, folder).keys())
    if not left:
        before_step(RemovalStep.FORGET_NOTE)
        with suppress(StorageError):
            forget_removal(index.state_dir, game_dir, folder)
    return Removed(removed_bytes, left)


def _remove_files(game_dir: GameDir, removal: Removal, before_step: BeforeStep) -> tuple[int, int]:
    """Bytes that went, and files that did not."""
    removed_bytes, left = removal.version.size, 0
    with beneath.keeping_folders():
        for path, thing in removal.files:
            before_step(RemovalStep.REMOVE_FILE)
            disk_path = f"{removal.folder}/{path}"
            try:
                if is_at(game_dir, thing, disk_path):
                    beneath.remove_file(game_dir.root, disk_path)
                    removed_bytes += thing.size
            except StorageError as error:
                # A folder on the way may have become a link or a file, which is not ours.
                left += not is_gone(error)
    return removed_bytes, left
