"""Publish: the files of a finished staging become the game.

Either the game folder holds the new content afterwards, or it is exactly as before. Nothing that a
person put there is overwritten or deleted, and `local/` is never touched. What a crash in the
middle leaves is not repaired here; it loses nothing, because the steps only rename.
"""

from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass

from lanspread_peer.model.errors import IntegrityError, StorageError
from lanspread_peer.model.manifest import VERSION_INI, FileEntry, Manifest
from lanspread_peer.model.paths import SafeRelPath
from lanspread_peer.storage import beneath
from lanspread_peer.storage.disk_errors import is_missing
from lanspread_peer.storage.game_dir import GameDir
from lanspread_peer.storage.index import FileRow, Index
from lanspread_peer.storage.layout import read_layout
from lanspread_peer.storage.moves import Step, carry_out
from lanspread_peer.storage.publish_plan import (
    CONFLICTS_FOLDER,
    DISPLACED_FOLDER,
    PublishJob,
    PublishPlan,
    plan_publish,
)
from lanspread_peer.storage.records import already_right, own_files, read_record, record_path
from lanspread_peer.storage.scratch import bury
from lanspread_peer.storage.staging import Staging
from lanspread_peer.storage.stamp import stamp_of


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
    before_step: Callable[[Step], None] = lambda _: None,
) -> PublishResult:
    """Make the staged `files` the game, and leave those in `keep` where they are.

    `folder` is the name on disk of the game's folder, existing or not; `obsolete` comes from
    `obsolete_files`, `keep` from `already_right`; one of `files` and `keep` has version.ini.
    `before_step` is told each step before it is done. The staging is closed, and the caller
    discards it afterwards. The index learns the new files, so the next scan hashes nothing.

    Raises IntegrityError when a file to publish or to keep is not right, else StorageError,
    DiskFull or AccessDenied; after any of them the game folder is as it was, unless metadata `left`
    names what could not be put back.
    """
    _require_complete(staging, files)
    _require_kept(keep, already_right(game_dir, folder, manifest, index))
    if VERSION_INI not in keep and all(entry.path != VERSION_INI for entry in files):
        raise IntegrityError("there is no version.ini to publish", path=VERSION_INI)
    staging.sync()
    staging.close()
    own = own_files(game_dir, folder, index)
    job = PublishJob(
        folder=folder,
        manifest=manifest,
        files=files,
        keep=keep,
        own=own.keys(),
        obsolete=obsolete,
        old_record=read_record(game_dir, folder),
        has_old_record=beneath.stat(game_dir.root, record_path(folder)) is not None,
        staged=f"{staging.folder}/files",
        staged_record=f"{staging.folder}/manifest",
        conflicts=_free_conflicts_folder(game_dir, folder),
        displaced=f"{DISPLACED_FOLDER}/{staging.name}",
    )
    plan = plan_publish(job, read_layout(game_dir, folder, manifest))
    carry_out(game_dir.root, plan.steps, before_step)
    # From here on the game is published, and neither a cache nor a left-over can undo that.
    with suppress(StorageError):
        _index_placed(game_dir, folder, index, files, plan, own)
    with suppress(StorageError):
        bury(game_dir, job.displaced)
    return PublishResult(plan.conflicts)


def _require_complete(staging: Staging, files: Sequence[FileEntry]) -> None:
    for entry in files:
        if not staging.is_complete(entry):
            raise IntegrityError(f"{entry.path!a} is not complete", path=entry.path)


def _require_kept(keep: Collection[SafeRelPath], right: Collection[SafeRelPath]) -> None:
    for path in keep:
        if path not in right:
            raise IntegrityError(f"{path!a} was to stay, but changed meanwhile", path=path)


def _free_conflicts_folder(game_dir: GameDir, folder: str) -> str:
    path = f"{CONFLICTS_FOLDER}/{folder}"
    try:
        taken = {name for name, _ in beneath.list_folder(game_dir.root, path)}
    except StorageError as error:
        if not is_missing(error):
            raise
        taken = set()
    return next(f"{path}/{n}" for n in range(1, len(taken) + 2) if str(n) not in taken)


def _index_placed(
    game_dir: GameDir,
    folder: str,
    index: Index,
    files: Sequence[FileEntry],
    plan: PublishPlan,
    own: dict[str, FileRow],
) -> None:
    rows = {new: own[old] for old, new in plan.respelled.items() if old in own}
    for entry in files:
        path = plan.placed[entry.path]
        status = beneath.stat(game_dir.root, f"{folder}/{path}")
        if status is not None:
            stamp = stamp_of(status)
            inode = stamp.inode if game_dir.has_stable_inodes else 0
            rows[path] = FileRow(stamp.size, stamp.mtime_ns, inode, entry.hashes)
    removed = (plan.gone | plan.respelled.keys()) - rows.keys()
    index.replace_rows(game_dir, folder, rows, removed)
