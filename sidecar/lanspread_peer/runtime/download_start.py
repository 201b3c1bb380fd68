"""Accepting a download, and finding those that earlier launches accepted.

Accepting writes the staging, so from then on the download outlives any stop. Nothing is created
for one that is refused. All of it blocks, and runs in threads.
"""

from collections.abc import Iterable
from dataclasses import replace

from lanspread_peer.core.selection import select_files
from lanspread_peer.model.download import (
    DownloadState,
    DownloadStatus,
    StagedDownload,
    StagedState,
)
from lanspread_peer.model.ids import game_key
from lanspread_peer.model.manifest import FileEntry, Manifest
from lanspread_peer.runtime.download_job import AcceptedDownload
from lanspread_peer.runtime.download_plan import make_plan, missing_bytes
from lanspread_peer.storage.game_dir import GameDir
from lanspread_peer.storage.index import Index
from lanspread_peer.storage.records import read_record
from lanspread_peer.storage.staging import Staging
from lanspread_peer.storage.stagings import FoundStaging, look_at_staging, read_all_staged


def accept(
    game_dir: GameDir,
    index: Index,
    staged: StagedDownload,
    manifest: Manifest,
    *,
    reserved_bytes: int,
) -> AcceptedDownload:
    """Give the download a staging, that of an earlier try at the same content if there is one.

    `reserved_bytes` is what other downloads will still need. Raises DiskFull when it does not fit,
    RequestError, or StorageError; then nothing was created.
    """
    plan = make_plan(game_dir, index, staged, manifest)
    staged = replace(staged, folder=plan.folder)
    earlier = _earlier_try(game_dir, staged)
    recorded = earlier.recorded_bytes if earlier else 0
    game_dir.require_space(missing_bytes(plan, recorded) + reserved_bytes)
    if earlier is None:
        staging = Staging.create(game_dir, staged, manifest)
    else:
        staging = Staging.reopen(game_dir, earlier.name)
        staging.set_staged(staged)
    staging.close()
    return _accepted(staging.name, staged, plan.files, plan.kept_bytes + recorded)


def find_accepted(game_dir: GameDir, found: FoundStaging) -> AcceptedDownload | None:
    """The download of an earlier launch that goes on, or None when this staging is of none.

    Raises IntegrityError, RequestError or StorageError when it cannot go on.
    """
    staged = found.staged
    if staged is None or staged.state is StagedState.ENDED:
        return None
    staging = Staging.reopen(game_dir, found.name)
    staging.close()
    files = select_files(staging.manifest, staged.paths)
    return _accepted(found.name, staged, files, found.recorded_bytes)


def finished_status(game_dir: GameDir, staged: StagedDownload) -> DownloadStatus:
    """A download whose publish a kill interrupted, and which recovery finished."""
    manifest = read_record(game_dir, game_dir.folder_of(staged.game_id) or staged.folder)
    files = select_files(manifest, staged.paths) if manifest else ()
    total_bytes = _total(files)
    return DownloadStatus(
        id=staged.id,
        game_id=staged.game_id,
        content_id=staged.content_id,
        version=staged.version,
        state=DownloadState.FINISHED,
        total_bytes=total_bytes,
        total_files=len(files),
        done_bytes=total_bytes,
        reused_bytes=total_bytes,
        fetched_bytes=0,
        wasted_bytes=0,
        bytes_per_second=0.0,
        eta_s=None,
        sources=(),
        started_at_unix_s=staged.started_at_unix_s,
    )


def _earlier_try(game_dir: GameDir, staged: StagedDownload) -> FoundStaging | None:
    for name, earlier in read_all_staged(game_dir).items():
        is_same_game = game_key(earlier.game_id) == game_key(staged.game_id)
        is_same = is_same_game and earlier.content_id == staged.content_id
        if is_same and earlier.state is StagedState.ENDED:
            found = look_at_staging(game_dir, name)
            if not found.fault:
                return found
    return None


def _accepted(
    name: str, staged: StagedDownload, files: Iterable[FileEntry], done_bytes: int
) -> AcceptedDownload:
    files = tuple(files)
    total_bytes = _total(files)
    # What is recorded may be of files that are not selected any more, or are in the game by now.
    return AcceptedDownload(name, staged, total_bytes, len(files), min(done_bytes, total_bytes))


def _total(files: Iterable[FileEntry]) -> int:
    return sum(entry.size for entry in files)
