"""The files of a staging as files: which there are to be, in which size, and their folders' names.

No lock of its own: staging has one.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from stat import S_ISREG

from lanspread_peer.model.errors import StorageError
from lanspread_peer.model.manifest import FileEntry
from lanspread_peer.model.paths import SafeRelPath, parent_of
from lanspread_peer.storage import beneath
from lanspread_peer.storage.disk_errors import disk_errors
from lanspread_peer.storage.game_dir import GameDir
from lanspread_peer.storage.sparse import set_size

# Enough to tell a program: ELF, Mach-O of either width and byte order or universal, a script.
_PROGRAM_HEADS = (
    b"\x7fELF",
    b"\xfe\xed\xfa\xce",
    b"\xfe\xed\xfa\xcf",
    b"\xce\xfa\xed\xfe",
    b"\xcf\xfa\xed\xfe",
    b"\xca\xfe\xba\xbe",
    b"#!",
)
_HEAD_BYTES = 4


class StagedFiles:
    """The files in one folder, a path below the game folder."""

    def __init__(self, game_dir: GameDir, folder: str, *, is_new: bool) -> None:
        """`is_new` tells that the folder is empty, so that nobody looks for files in it."""
        self._root = game_dir.root
        self._folder = folder
        self._is_new = is_new
        self._entries: dict[SafeRelPath, FileEntry] = {}
        # Folders whose names, and files without a byte that, the disk may not have yet.
        self._unsynced_folders: set[str] = set()
        self._unsynced_files: set[SafeRelPath] = set()

    def path_of(self, path: SafeRelPath) -> str:
        """Where a file is, below the game folder."""
        return f"{self._folder}/{path}"

    def has(self, entry: FileEntry) -> bool:
        """Whether exactly this file was added."""
        return self._entries.get(entry.path) == entry

    def entries(self) -> list[FileEntry]:
        """Those added so far."""
        return list(self._entries.values())

    def is_there(self, entry: FileEntry) -> bool:
        """Whether a file of that name has its size; raises StorageError."""
        if self.has(entry) or self._is_new:
            return self.has(entry)
        status = beneath.stat(self._root, self.path_of(entry.path))
        return status is not None and S_ISREG(status.st_mode) and status.st_size == entry.size

    def add(
        self,
        files: Sequence[FileEntry],
        absent: Sequence[FileEntry],
        is_cancelled: Callable[[], bool],
    ) -> None:
        """Add files, of which those in `absent` are made; raises StorageError."""
        for folder in _folders(absent):
            if beneath.make_folder(self._root, self.path_of(folder)):
                self._unsynced_folders.add(self.path_of(folder).rpartition("/")[0])
        for entry in absent:
            if is_cancelled():
                raise StorageError("stopped before all files were made", errno="ECANCELED")
            self._make(entry)
        for entry in files:
            self._entries[entry.path] = entry
            self._unsynced_folders.add(self.path_of(entry.path).rpartition("/")[0])
            if not entry.size:
                self._unsynced_files.add(entry.path)

    def sync_folders(self) -> None:
        """Make the names of files and folders durable; raises StorageError, and may be repeated."""
        for folder in sorted(self._unsynced_folders):
            beneath.sync_folder(self._root, folder)
            self._unsynced_folders.discard(folder)

    @property
    def unsynced(self) -> list[SafeRelPath]:
        """The files without a byte that were not synced; no chunk of theirs ever asks for it."""
        return sorted(self._unsynced_files)

    def mark_synced(self, paths: Iterable[SafeRelPath]) -> None:
        self._unsynced_files.difference_update(paths)

    def _make(self, entry: FileEntry) -> None:
        path = self.path_of(entry.path)
        # A file of another size, or what a call that failed in the middle has made.
        beneath.remove_tree(self._root, path)
        descriptor = beneath.open_file(self._root, path, create=True)
        try:
            with disk_errors(f"size {entry.path!a}"):
                set_size(descriptor, entry.size)
        finally:
            os.close(descriptor)


def is_program(head: memoryview) -> bool:
    """Whether a file that begins like this is one to be run."""
    return bytes(head[:_HEAD_BYTES]).startswith(_PROGRAM_HEADS)


def _folders(files: Sequence[FileEntry]) -> list[SafeRelPath]:
    """Short paths first, so that each folder comes before those in it."""
    return sorted({path for entry in files for path in _folders_of(entry.path)}, key=len)


def _folders_of(path: SafeRelPath) -> Iterator[SafeRelPath]:
    parent = parent_of(path)
    while parent is not None:
        yield parent
        parent = parent_of(parent)
