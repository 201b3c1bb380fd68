"""What one download is to do: which files to fetch, and which are right on disk already.

The plan is made anew each time a download begins or goes on, since the game folder may have
changed meanwhile.
"""

from dataclasses import dataclass

from lanspread_peer.core.selection import select_files
from lanspread_peer.model.download import StagedDownload
from lanspread_peer.model.manifest import FileEntry, Manifest
from lanspread_peer.model.paths import SafeRelPath
from lanspread_peer.storage.game_dir import GameDir
from lanspread_peer.storage.index import Index
from lanspread_peer.storage.records import already_right, obsolete_files


@dataclass(frozen=True, slots=True)
class DownloadPlan:
    """`files` are the selected ones; those in `kept` stay as they are on disk.

    `folder` is the name on disk of the game's folder, which may differ in case from the id.
    """

    game_dir: GameDir
    folder: str
    manifest: Manifest
    files: tuple[FileEntry, ...]
    kept: frozenset[SafeRelPath]

    @property
    def fetched_files(self) -> tuple[FileEntry, ...]:
        """The files that are not here yet."""
        return tuple(entry for entry in self.files if entry.path not in self.kept)

    @property
    def total_bytes(self) -> int:
        return sum(entry.size for entry in self.files)

    @property
    def kept_bytes(self) -> int:
        return sum(entry.size for entry in self.files if entry.path in self.kept)

    def obsolete(self, index: Index) -> list[str]:
        """The files of an older download that this one lacks; looks at the disk."""
        return obsolete_files(self.game_dir, self.folder, self.manifest, index)


def make_plan(
    game_dir: GameDir, index: Index, staged: StagedDownload, manifest: Manifest
) -> DownloadPlan:
    """The plan for a download as the game folder is now; raises RequestError or StorageError."""
    folder = game_dir.folder_of(staged.game_id) or staged.folder
    kept = already_right(game_dir, folder, manifest, index)
    files = select_files(manifest, staged.paths)
    return DownloadPlan(game_dir, folder, manifest, files, frozenset(kept))


def missing_bytes(plan: DownloadPlan, staged_bytes: int) -> int:
    """What a download still has to write when so many bytes of it are staged."""
    return max(0, plan.total_bytes - plan.kept_bytes - staged_bytes)
