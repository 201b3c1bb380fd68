"""The stagings that lie in a game folder, for people and for the start.

All that is found is told, broken or not, and nothing is removed.
"""

from contextlib import suppress
from dataclasses import dataclass

from lanspread_peer.core.chunk_set import numbers_in
from lanspread_peer.model.download import StagedDownload
from lanspread_peer.model.errors import IntegrityError, StorageError
from lanspread_peer.model.manifest import Manifest
from lanspread_peer.storage import beneath
from lanspread_peer.storage.disk_errors import is_missing
from lanspread_peer.storage.game_dir import STAGING_FOLDER, GameDir
from lanspread_peer.storage.records import load_record
from lanspread_peer.storage.staged_json import encode_staged
from lanspread_peer.storage.staging_folder import (
    read_staged,
    read_staged_manifest,
    remove_staging,
    staging_path,
)
from lanspread_peer.storage.staging_record import read_recorded


@dataclass(frozen=True, slots=True)
class FoundStaging:
    """`staged` is None when it cannot be read, and `fault` says what is broken, if anything.

    `disk_bytes` is the room it takes, `recorded_bytes` what its download need not fetch again.
    """

    name: str
    staged: StagedDownload | None
    disk_bytes: int
    recorded_bytes: int
    fault: str


def staging_names(game_dir: GameDir) -> list[str]:
    """The names of all stagings, those in use too, in order; raises StorageError."""
    try:
        return sorted(name for name, _ in beneath.list_folder(game_dir.root, STAGING_FOLDER))
    except StorageError as error:
        if is_missing(error):
            return []
        raise


def read_all_staged(game_dir: GameDir) -> dict[str, StagedDownload]:
    """What each staging is for that can be read, by name; looks at nothing else of them.

    Raises StorageError when they cannot be listed.
    """
    found = {}
    for name in staging_names(game_dir):
        with suppress(IntegrityError, StorageError):
            found[name] = read_staged(game_dir, name)
    return found


def has_staging(game_dir: GameDir, name: str) -> bool:
    """Whether it is there; it is not while the disk of the game folder is not mounted."""
    return _has(game_dir, staging_path(name))


def was_published(game_dir: GameDir, found: FoundStaging) -> bool:
    """Whether its files are the game already, and a kill kept it from being removed.

    Its manifest is then the game's record and not in the staging any more. Raises StorageError.
    """
    staged = found.staged
    if staged is None or _has(game_dir, f"{staging_path(found.name)}/manifest"):
        return False
    record = load_record(game_dir, game_dir.folder_of(staged.game_id) or staged.folder)
    return record is not None and record.content_id == staged.content_id


def rewrite_staged(game_dir: GameDir, name: str, staged: StagedDownload) -> None:
    """Say anew what a staging is for that nobody has open; raises StorageError."""
    path = f"{staging_path(name)}/download.json"
    beneath.write_file(game_dir.root, path, encode_staged(staged))


def keep_for_later(game_dir: GameDir, name: str, staged: StagedDownload) -> None:
    """Keep a staging for another try, unless nothing is recorded in it; raises StorageError."""
    found = look_at_staging(game_dir, name)
    # What cannot be read now may be whole.
    if found.recorded_bytes or found.fault:
        rewrite_staged(game_dir, name, staged)
    else:
        remove_staging(game_dir, name)


def look_at_staging(game_dir: GameDir, name: str) -> FoundStaging:
    """All about one staging, broken or not; takes as long as its files are many."""
    staged = None
    disk_bytes = recorded_bytes = 0
    try:
        disk_bytes = _disk_bytes(game_dir, staging_path(name))
        staged = read_staged(game_dir, name)
        manifest = read_staged_manifest(game_dir, name, staged.content_id)
        recorded_bytes = _recorded_bytes(game_dir, name, staged, manifest)
    except (IntegrityError, StorageError) as error:
        return FoundStaging(name, staged, disk_bytes, recorded_bytes, error.message)
    return FoundStaging(name, staged, disk_bytes, recorded_bytes, "")


def _recorded_bytes(
    game_dir: GameDir, name: str, staged: StagedDownload, manifest: Manifest
) -> int:
    path = f"{staging_path(name)}/record"
    chunks = read_recorded(game_dir, path, staged.content_id, manifest.totals.chunks)
    return sum(manifest.chunk(number).length for number in numbers_in(chunks))


def _disk_bytes(game_dir: GameDir, path: str) -> int:
    total = 0
    pending = [path]
    while pending:
        folder = pending.pop()
        for name, is_folder in beneath.list_folder(game_dir.root, folder):
            inner = f"{folder}/{name}"
            if is_folder:
                pending.append(inner)
                continue
            status = beneath.stat(game_dir.root, inner)
            if status is not None:
                # Windows does not tell the blocks of a sparse file.
                total += getattr(status, "st_blocks", status.st_size // 512) * 512
    return total


def _has(game_dir: GameDir, path: str) -> bool:
    try:
        return beneath.stat(game_dir.root, path) is not None
    except StorageError:
        return False
