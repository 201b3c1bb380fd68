"""What one download is to do: which files to fetch, and which are right on disk already."""

from dataclasses import dataclass

from lanspread_peer.model.game import Variant
from lanspread_peer.model.ids import GameId, GameKey, game_key
from lanspread_peer.model.manifest import FileEntry, Manifest
from lanspread_peer.model.paths import SafeRelPath
from lanspread_peer.runtime.tasks import run_in_thread
from lanspread_peer.storage.game_dir import GameDir
from lanspread_peer.storage.index import Index
from lanspread_peer.storage.records import already_right, obsolete_files


@dataclass(frozen=True, slots=True)
class DownloadPlan:
    """`files` are the selected ones; those in `kept` stay as they are on disk.

    `folder` is the name on disk of the game's folder, which may differ in case from the id.
    """

    game_dir: GameDir
    game_id: GameId
    folder: str
    variant: Variant
    manifest: Manifest
    files: tuple[FileEntry, ...]
    kept: frozenset[SafeRelPath]

    @property
    def key(self) -> GameKey:
        return game_key(self.game_id)

    @property
    def fetched_files(self) -> tuple[FileEntry, ...]:
        """The files that are not here yet."""
        return tuple(entry for entry in self.files if entry.path not in self.kept)

    @property
    def total_bytes(self) -> int:
        return sum(entry.size for entry in self.files)

    def obsolete(self, index: Index) -> list[str]:
        """The files of an older download that this one lacks; looks at the disk."""
        return obsolete_files(self.game_dir, self.folder, self.manifest, index)

    @property
    def kept_bytes(self) -> int:
        return sum(entry.size for entry in self.files if entry.path in self.kept)


async def plan_download(
    game_dir: GameDir,
    index: Index,
    game_id: GameId,
    variant: Variant,
    manifest: Manifest,
    files: tuple[FileEntry, ...],
    *,
    reserved_bytes: int,
) -> DownloadPlan:
    """The plan for these files; raises DiskFull when they do not fit, and has created nothing.

    `reserved_bytes` is what other downloads will still need.
    """

    def look() -> DownloadPlan:
        folder = game_dir.folder_of(game_id) or game_id
        kept = already_right(game_dir, folder, manifest, index)
        plan = DownloadPlan(game_dir, game_id, folder, variant, manifest, files, frozenset(kept))
        game_dir.require_space(plan.total_bytes - plan.kept_bytes + reserved_bytes)
        return plan

    return await run_in_thread(look)
