"""Staging: where a download's files grow until all of them are right.

`.lanspread/staging/<name>/files/` holds them with their final paths and sizes. Only bytes that
match their hash are ever written there, and staging keeps count, so that publish can refuse a file
that lacks any. It is on the disk of the game folder, so that publish only renames.
"""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Lock

from lanspread_peer.model.errors import IntegrityError, StorageError
from lanspread_peer.model.limits import MAX_OPEN_STAGING_FILES
from lanspread_peer.model.manifest import Chunk, FileEntry, chunk_hash
from lanspread_peer.model.paths import SafeRelPath, parent_of
from lanspread_peer.storage import beneath
from lanspread_peer.storage.disk_errors import disk_errors, is_missing
from lanspread_peer.storage.game_dir import STAGING_FOLDER, GameDir
from lanspread_peer.storage.open_files import OpenFiles
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
# A disk takes several syncs in one go; of many small files, most time is waiting for it.
_SYNC_THREADS = 8


class Staging:
    """One download's files on disk. Any thread may call, but `close` and `discard` come last."""

    def __init__(self, game_dir: GameDir, name: str, files: Sequence[FileEntry]) -> None:
        """Use `create`."""
        self.game_dir = game_dir
        self.name = name
        self.folder = f"{STAGING_FOLDER}/{name}"
        self._entries = {entry.path: entry for entry in files}
        self._open_files = OpenFiles(self._open, MAX_OPEN_STAGING_FILES)
        self._lock = Lock()
        self._unsynced: set[SafeRelPath] = set(self._entries)
        # Per file, a bit for each chunk that was verified and written.
        self._written: dict[SafeRelPath, int] = {}

    @classmethod
    def create(cls, game_dir: GameDir, name: str, files: Sequence[FileEntry]) -> "Staging":
        """A new staging folder with all files in full size, their bytes still missing.

        `name` is a plain file name that no other staging has. Raises DiskFull, AccessDenied or
        StorageError, and then leaves nothing behind. The caller closes or discards it.
        """
        if "/" in name or name.startswith("."):
            raise StorageError(f"{name!a} is no name for staging", errno="EINVAL")
        staging = cls(game_dir, name, files)
        beneath.make_folders(game_dir.root, STAGING_FOLDER)
        if not beneath.make_folder(game_dir.root, staging.folder):
            raise StorageError(f"the staging {name!a} exists already", errno="EEXIST")
        try:
            staging._make_files()
        except BaseException:
            staging.discard()
            raise
        return staging

    def path_of(self, path: SafeRelPath) -> str:
        """Where a file is, below the game folder."""
        return f"{self.folder}/files/{path}"

    def write_chunk(self, chunk: Chunk, data: memoryview) -> None:
        """Write a chunk's bytes if they are right, else raise IntegrityError and write nothing.

        Metadata `chunk` is its number. The file never gets shorter. Raises DiskFull, AccessDenied
        or StorageError when the disk refuses.
        """
        if self._entries.get(chunk.file.path) != chunk.file:
            raise StorageError(f"{chunk.file.path!a} is not in this staging", errno="EINVAL")
        if data.nbytes != chunk.length or chunk_hash(data) != chunk.hash:
            raise IntegrityError(
                f"the bytes of chunk {chunk.number} are wrong", chunk=str(chunk.number)
            )
        path = chunk.file.path
        is_program = not chunk.offset and bytes(data[:_HEAD_BYTES]).startswith(_PROGRAM_HEADS)
        with self._open_files.use(path) as file, disk_errors(f"write {path!a}"):
            file.write(data, chunk.offset)
            if is_program:
                file.make_executable()
        with self._lock:
            self._unsynced.add(path)
            bit = 1 << chunk.offset // chunk.file.chunk_size
            self._written[path] = self._written.get(path, 0) | bit

    def is_complete(self, entry: FileEntry) -> bool:
        """Whether every byte of the file was verified and written."""
        with self._lock:
            written = self._written.get(entry.path, 0)
        return self._entries.get(entry.path) == entry and written == (1 << entry.chunk_count) - 1

    def verify_file(self, entry: FileEntry) -> bool:
        """Read a file again; tells whether the disk gives back the right bytes.

        A file that is not right has no verified chunk any more. Raises StorageError.
        """
        is_right = self._is_right(entry)
        with self._lock:
            self._written[entry.path] = (1 << entry.chunk_count) - 1 if is_right else 0
        return is_right

    def sync(self) -> None:
        """Wait until the disk has every byte written so far.

        Raises StorageError when it cannot promise that; what was written since the last success
        then counts as lost.
        """
        with self._lock:
            pending = sorted(self._unsynced)
        with ThreadPoolExecutor(_SYNC_THREADS) as threads:
            for _ in threads.map(self._sync_file, pending):
                pass

    def close(self) -> None:
        """Close all files; they stay on disk."""
        self._open_files.close()

    def discard(self) -> None:
        """Close and remove everything; raises StorageError when the disk refuses."""
        self.close()
        beneath.remove_tree(self.game_dir.root, self.folder)

    def _make_files(self) -> None:
        root = self.game_dir.root
        beneath.make_folder(root, f"{self.folder}/files")
        # Short paths first, so that each folder is made before those in it.
        parents = {path for entry in self._entries for path in _folders_of(entry)}
        for parent in sorted(parents, key=len):
            beneath.make_folder(root, self.path_of(parent))
        for entry in self._entries.values():
            descriptor = beneath.open_file(root, self.path_of(entry.path), create=True)
            try:
                with disk_errors(f"size {entry.path!a}"):
                    set_size(descriptor, entry.size)
            finally:
                os.close(descriptor)

    def _sync_file(self, path: SafeRelPath) -> None:
        with self._lock:
            # Before the sync, so that a write during it asks for another.
            self._unsynced.discard(path)
        try:
            with self._open_files.use(path) as file, disk_errors(f"sync {path!a}"):
                file.sync()
        except BaseException:
            with self._lock:
                self._unsynced.add(path)
            raise

    def _open(self, path: str) -> int:
        return beneath.open_file(self.game_dir.root, self.path_of(SafeRelPath(path)), write=True)

    def _is_right(self, entry: FileEntry) -> bool:
        with self._open_files.use(entry.path) as file, disk_errors(f"read {entry.path!a}"):
            if file.stat().st_size != entry.size:
                return False
            size = entry.chunk_size
            hashes = (
                chunk_hash(file.read(offset, min(size, entry.size - offset)))
                for offset in range(0, entry.size, size)
            )
            return b"".join(hashes) == entry.hashes


def _folders_of(path: SafeRelPath) -> Iterator[SafeRelPath]:
    parent = parent_of(path)
    while parent is not None:
        yield parent
        parent = parent_of(parent)


def clear_stale(game_dir: GameDir) -> list[str]:
    """Remove what downloads that ended without a goodbye have left; the names removed.

    Call it under the game folder's lock, before the first download. Raises StorageError.
    """
    try:
        names = sorted(name for name, _ in beneath.list_folder(game_dir.root, STAGING_FOLDER))
    except StorageError as error:
        if is_missing(error):
            return []
        raise
    for name in names:
        beneath.remove_tree(game_dir.root, f"{STAGING_FOLDER}/{name}")
    return names
