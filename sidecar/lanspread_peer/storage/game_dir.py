"""The game folder: its root, its own corner `.lanspread`, its free space."""

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path, PurePath

import psutil

from lanspread_peer.model.errors import DiskFull, GameDirGone, GameDirUnusable
from lanspread_peer.model.ids import GameId, game_key
from lanspread_peer.model.limits import FREE_SPACE_RESERVE_BYTES, FREE_SPACE_RESERVE_PERCENT
from lanspread_peer.model.manifest import VERSION_INI
from lanspread_peer.storage import beneath
from lanspread_peer.storage.disk_errors import disk_errors, require_root

OWN_FOLDER = ".lanspread"
STAGING_FOLDER = f"{OWN_FOLDER}/staging"
DISPLACED_FOLDER = f"{OWN_FOLDER}/displaced"
CONFLICTS_FOLDER = f"{OWN_FOLDER}/conflicts"

# Disks whose files get other inodes at each mount, or none of their own.
_UNSTABLE_INODES = frozenset(["vfat", "msdos", "exfat", "9p", "cifs", "smbfs", "smb3", "webdav"])


@dataclass(frozen=True, slots=True)
class GameDir:
    """A folder that holds games; `root` is real and absolute. Make it with `open`."""

    root: Path
    has_stable_inodes: bool = True

    @classmethod
    def open(cls, path: str) -> "GameDir":
        """Raises GameDirUnusable unless `path` is an absolute, existing, writable folder."""
        if not path or "\0" in path or not PurePath(path).is_absolute():
            raise _unusable(path, "is no absolute path")
        try:
            root = Path(path).resolve(strict=True)
        except (OSError, RuntimeError) as error:
            raise _unusable(path, f"does not exist: {error}") from error
        if not root.is_dir():
            raise _unusable(path, "is no folder")
        try:
            with tempfile.TemporaryFile(dir=root, prefix=".lanspread-"):
                pass
        except OSError as error:
            raise _unusable(path, f"cannot be written: {error}") from error
        return cls(root, _has_stable_inodes(root))

    @property
    def own(self) -> Path:
        """The sidecar's own folder; it may not exist yet, see `make_own`."""
        return self.root / OWN_FOLDER

    @property
    def staging(self) -> Path:
        """Where downloads live until they are published; it may not exist yet."""
        return self.root / STAGING_FOLDER

    def make_own(self) -> Path:
        """Make the own folder if needed; raises StorageError when it is a link or a file."""
        beneath.make_folders(self.root, OWN_FOLDER)
        return self.own

    def require_present(self) -> None:
        """Raises GameDirGone unless the folder is there with our own in it, as after `make_own`.

        An unmounted disk leaves an empty folder behind, in which everything merely seems missing.
        """
        if beneath.stat(self.root, OWN_FOLDER) is None:
            raise GameDirGone(
                f"the game folder {str(self.root)!a} is gone or not mounted", folder=str(self.root)
            )

    def require_space(self, needed: int) -> None:
        """Raises DiskFull, metadata `needed` and `free`, unless a reserve stays free as well.

        Raises GameDirGone or another StorageError when the disk does not say.
        """
        free = self.free_bytes()
        if needed > free:
            raise DiskFull(
                f"{needed} bytes are needed, {free} are free", needed=str(needed), free=str(free)
            )

    def free_bytes(self) -> int:
        """What downloads may take, without the reserve; raises GameDirGone or StorageError."""
        with disk_errors("ask for the free space"):
            usage = _usage_of(self.root)
        share = usage.total * FREE_SPACE_RESERVE_PERCENT // 100
        return max(0, usage.free - min(FREE_SPACE_RESERVE_BYTES, share))

    def folder_of(self, game_id: GameId) -> str | None:
        """The name on disk of the game's folder, or None.

        It may differ in case and normal form. Of several, a downloaded one, then the first by name.
        """
        key = game_key(game_id)
        folders = (name for name, is_folder in beneath.list_folder(self.root, "") if is_folder)
        equal = sorted(name for name in folders if game_key(name) == key)
        return next(filter(self._has_version, equal), equal[0] if equal else None)

    def _has_version(self, folder: str) -> bool:
        return beneath.stat(self.root, f"{folder}/{VERSION_INI}") is not None


def is_local_folder(name: str) -> bool:
    """Whether a name at the top of a game is that of its installed content."""
    return name.casefold() == "local"


def _unusable(path: str, detail: str) -> GameDirUnusable:
    return GameDirUnusable(f"the game folder {path!a} {detail}", game_dir=path)


def _usage_of(root: Path) -> "shutil._ntuple_diskusage":
    try:
        return shutil.disk_usage(root)
    except OSError as error:
        require_root(error)
        raise


def file_system_of(root: Path) -> str:
    """The kind of file system that the folder is on, in lower case; empty when nobody knows."""
    try:
        partitions = psutil.disk_partitions(all=True)
    except (OSError, psutil.Error):
        return ""
    around = [disk for disk in partitions if root.is_relative_to(disk.mountpoint)]
    return max(around, key=lambda disk: len(disk.mountpoint)).fstype.lower() if around else ""


def _has_stable_inodes(root: Path) -> bool:
    kind = file_system_of(root)
    return kind not in _UNSTABLE_INODES and not kind.startswith("fuse")
