"""The files of a staging as files: which there are to be, in which size, and their folders' names.

Those of several chunks have their size from the start; one of a single chunk is made when that
comes, so that a game of many small files is written once. No lock of its own: staging has one, and
`open` alone may be called without.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from stat import S_ISREG

from lanspread_peer.model.errors import StorageError
from lanspread_peer.model.manifest import FileEntry
from lanspread_peer.model.paths import SafeRelPath, parent_of
from lanspread_peer.storage import beneath
from lanspread_peer.storage.disk_errors import disk_errors, is_there_already
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

    def __init__(self, game_dir: GameDir, folder: str, *, is_empty: bool) -> None:
        """`is_empty` tells that nobody needs to look for files there."""
        self._root = game_dir.root
        self._folder = folder
        self._is_empty = is_empty
        self._entries: dict[SafeRelPath, FileEntry] = {}
        # The files that are made when they are opened first, and those made by this launch.
        self._unmade: set[SafeRelPath] = set()
        self._new: set[SafeRelPath] = set()
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

    def old_entries(self) -> list[FileEntry]:
        """Those that an earlier launch made."""
        return [entry for path, entry in self._entries.items() if path not in self._new]

    def is_there(self, entry: FileEntry) -> bool:
        """Whether a file of that name has its size; raises StorageError."""
        if self.has(entry) or self._is_empty:
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
        was_empty, self._is_empty = self._is_empty, False
        for folder in _folders(absent):
            if beneath.make_folder(self._root, self.path_of(folder)):
                self._unsynced_folders.add(self.path_of(folder).rpartition("/")[0])
        with beneath.keeping_folders():
            for entry in absent:
                if is_cancelled():
                    raise StorageError("stopped before all files were made", errno="ECANCELED")
                if not was_empty:
                    # One of another size, or what a call that failed in the middle has made.
                    beneath.remove_tree(self._root, self.path_of(entry.path))
                self._begin(entry)
        for entry in files:
            self._entries[entry.path] = entry
            self._unsynced_folders.add(self.path_of(entry.path).rpartition("/")[0])
            if not entry.size:
                self._unsynced_files.add(entry.path)

    def sync_folders(self) -> None:
        """Make the names of files and folders durable; raises StorageError, and may be repeated."""
        for folder in sorted(self._unsynced_folders):
            # First, as a file that is made meanwhile needs another sync.
            self._unsynced_folders.discard(folder)
            try:
                beneath.sync_folder(self._root, folder)
            except BaseException:
                self._unsynced_folders.add(folder)
                raise

    @property
    def unsynced(self) -> list[SafeRelPath]:
        """The files without a byte that were not synced; no chunk of theirs ever asks for it."""
        return sorted(self._unsynced_files)

    def mark_synced(self, paths: Iterable[SafeRelPath]) -> None:
        self._unsynced_files.difference_update(paths)

    def open(self, path: SafeRelPath) -> int:
        """A descriptor of one of them, to write to as well; the caller closes it.

        Any thread may call, and raises StorageError.
        """
        full_path = self.path_of(path)
        if path in self._unmade:
            try:
                descriptor = beneath.open_file(self._root, full_path, create=True)
            except StorageError as error:
                if not is_there_already(error):
                    raise
            else:
                self._unsynced_folders.add(full_path.rpartition("/")[0])
                self._unmade.discard(path)
                return descriptor
        return beneath.open_file(self._root, full_path, write=True)

    def _begin(self, entry: FileEntry) -> None:
        self._new.add(entry.path)
        if entry.chunk_count == 1:
            self._unmade.add(entry.path)
            return
        descriptor = beneath.open_file(self._root, self.path_of(entry.path), create=True)
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
