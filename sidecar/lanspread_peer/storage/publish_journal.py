"""From the plan of a publish to its journal, and from a journal to the rows of the index."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from stat import S_ISREG

from lanspread_peer.model.errors import StorageError
from lanspread_peer.model.manifest import FileEntry, Manifest
from lanspread_peer.model.paths import fold_path
from lanspread_peer.storage import beneath
from lanspread_peer.storage.game_dir import GameDir
from lanspread_peer.storage.index import FileRow, Index
from lanspread_peer.storage.journal import Journal, JournalStep
from lanspread_peer.storage.layout import name_in, parent
from lanspread_peer.storage.moves import MakeFolder, Move, Step
from lanspread_peer.storage.stamp import stamp_of
from lanspread_peer.storage.thing import Kind, Thing, digest_of, digest_of_folder, thing_at


def make_journal(
    game_dir: GameDir,
    name: str,
    folder: str,
    steps: Iterable[Step],
    files: Iterable[FileEntry],
    staged: Mapping[str, Thing],
) -> Journal:
    """The journal of these steps, which nobody has begun.

    `files` are the new ones, and `staged` has how they look by where they are. Raises StorageError,
    also when a thing to be moved is gone.
    """
    empty = Journal(name, folder, ())
    digests = {f"{empty.staged_files}/{entry.path}": digest_of(entry.hashes) for entry in files}
    origins = _Origins()

    def journalled(step: Step) -> JournalStep:
        match step:
            case MakeFolder(path):
                there = thing_at(game_dir, path)
                return JournalStep(step, is_new=there is None or there.kind is not Kind.FOLDER)
            case Move(old, _) if old in staged and old in digests:
                there = staged[old]
                thing = Thing(there.kind, there.size, there.mtime_ns, digests[old])
                return JournalStep(step, thing)
            case Move(old, _):
                thing = _thing_to_move(game_dir, step, origins.of(old))
                origins.move(step, thing)
                return JournalStep(step, thing)
            case _:
                return JournalStep(step)

    with beneath.keeping_folders():
        return replace(empty, steps=tuple(map(journalled, steps)))


def index_published(game_dir: GameDir, journal: Journal, manifest: Manifest, index: Index) -> None:
    """Let the index know what the steps have moved, so that nothing is hashed again.

    Raises StorageError.
    """
    folder = f"{journal.folder}/"
    known = index.rows_of(game_dir, journal.folder)
    before = {folder + path: path for path in known}
    for move, thing in journal.moves:
        if thing.kind is Kind.FOLDER:
            before = {_moved(now, move): path for now, path in before.items()}
        elif move.old in before:
            before[move.new] = before.pop(move.old)
    after = {
        now.removeprefix(folder): known[path]
        for now, path in before.items()
        if now.startswith(folder)
    }
    placed = _placed_rows(game_dir, journal, manifest)
    changed = {path: row for path, row in after.items() if known.get(path) is not row}
    removed = known.keys() - after.keys() - placed.keys()
    index.replace_rows(game_dir, journal.folder, {**changed, **placed}, removed)


def _placed_rows(game_dir: GameDir, journal: Journal, manifest: Manifest) -> Mapping[str, FileRow]:
    staged, folder = f"{journal.staged_files}/", f"{journal.folder}/"
    rows = {}
    statuses: dict[str, Mapping[str, os.stat_result]] = {}
    for move, _ in journal.moves:
        entry = manifest.file(move.old.removeprefix(staged))
        if entry is None or not move.old.startswith(staged) or not move.new.startswith(folder):
            continue
        holder = parent(move.new)
        if holder not in statuses:
            statuses[holder] = beneath.list_statuses(game_dir.root, holder)
        status = statuses[holder].get(name_in(move.new))
        if status is not None and S_ISREG(status.st_mode):
            stamp = stamp_of(status)
            inode = stamp.inode if game_dir.has_stable_inodes else 0
            row = FileRow(stamp.size, stamp.mtime_ns, inode, entry.hashes)
            rows[move.new.removeprefix(folder)] = row
    return rows


def _thing_to_move(game_dir: GameDir, step: Move, path: str) -> Thing:
    thing = thing_at(game_dir, path)
    if thing is None:
        raise StorageError(f"{step.old!a} is gone", errno="ENOENT")
    # What is in a folder that only gets another spelling changes before and after that.
    if thing.kind is Kind.FOLDER and fold_path(step.old) != fold_path(step.new):
        return replace(thing, digest=digest_of_folder(game_dir, path))
    return thing


class _Origins:
    """Where the things are now that later steps find elsewhere."""

    def __init__(self) -> None:
        self._single: dict[str, str] = {}
        self._folders: list[Move] = []

    def move(self, step: Move, thing: Thing) -> None:
        if thing.kind is Kind.FOLDER:
            self._folders.append(step)
        else:
            self._single[step.new] = self.of(step.old)

    def of(self, path: str) -> str:
        if path in self._single:
            return self._single[path]
        for step in reversed(self._folders):
            path = _moved(path, Move(step.new, step.old))
        return path


def _moved(path: str, move: Move) -> str:
    """Where something is after a folder, it or one above it, was moved."""
    if path == move.old or path.startswith(f"{move.old}/"):
        return move.new + path[len(move.old) :]
    return path
