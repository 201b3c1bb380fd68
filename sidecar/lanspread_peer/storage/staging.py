"""Staging: where a download's files grow until all of them are right, over any stop.

`.lanspread/staging/<name>/` is on the disk of the game folder, so that publish only renames. In it
are `download.json` (what it is for), `manifest` (the canonical bytes), `record` (which chunks the
disk is known to hold) and `files/`, with their final paths and sizes. Only bytes that match their
hash are ever written there. A chunk is verified once it is written, and recorded once its bytes
were synced and the record after them; only recorded chunks count after a crash, unless salvage
finds more.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing
from threading import Lock

from lanspread_peer.core.chunk_set import ChunkSet, chunk_set, contains, numbers_in
from lanspread_peer.model.download import StagedDownload
from lanspread_peer.model.errors import IntegrityError, StorageError
from lanspread_peer.model.limits import MAX_OPEN_STAGING_FILES
from lanspread_peer.model.manifest import Chunk, FileEntry, Manifest, chunk_hash
from lanspread_peer.model.paths import SafeRelPath
from lanspread_peer.storage import beneath
from lanspread_peer.storage.disk_errors import disk_errors
from lanspread_peer.storage.durable import sync_descriptor
from lanspread_peer.storage.game_dir import OWN_FOLDER, STAGING_FOLDER, GameDir
from lanspread_peer.storage.group_sync import sync_each
from lanspread_peer.storage.open_files import OpenFiles
from lanspread_peer.storage.positional_file import PositionalFile
from lanspread_peer.storage.salvage import find_chunks, tells_holes
from lanspread_peer.storage.scratch import bury, new_scratch_path
from lanspread_peer.storage.staged_chunks import StagedChunks
from lanspread_peer.storage.staged_files import StagedFiles, is_program
from lanspread_peer.storage.staged_json import encode_staged, is_staging_name
from lanspread_peer.storage.staging_folder import (
    read_staged,
    read_staged_manifest,
    remove_staging,
    staging_path,
)
from lanspread_peer.storage.staging_record import StagingRecord
from lanspread_peer.wire.manifest_codec import encode_manifest


class Staging:
    """One download's files on disk. Any thread may call, but `close` and `discard` come last."""

    def __init__(
        self,
        game_dir: GameDir,
        name: str,
        staged: StagedDownload,
        manifest: Manifest,
        *,
        is_empty: bool,
    ) -> None:
        """Use `create` or `reopen`."""
        self.game_dir = game_dir
        self.name = name
        self.folder = staging_path(name)
        self.manifest = manifest
        self._staged = staged
        self._files = StagedFiles(game_dir, f"{self.folder}/files", is_empty=is_empty)
        self._open_files = OpenFiles(self._open, MAX_OPEN_STAGING_FILES)
        self._record = StagingRecord(
            game_dir, f"{self.folder}/record", staged.content_id, manifest.totals.chunks
        )
        # One group sync, or other change of the record, at a time; it waits for the disk.
        self._changing = Lock()
        # For what is in memory; nobody waits for a disk while holding it.
        self._lock = Lock()
        self._chunks = StagedChunks()
        # How often a file's sync failed, so that a write during it knows that it is lost as well.
        self._failed_syncs: dict[SafeRelPath, int] = {}

    @classmethod
    def create(cls, game_dir: GameDir, staged: StagedDownload, manifest: Manifest) -> "Staging":
        """A new staging, named by the download's id, on disk for good, and without files yet.

        `staged.content_id` is the manifest's. Raises StorageError, also when there is one of that
        name, or IntegrityError for a `staged` that could not be read again; then it leaves nothing
        behind. The caller closes or discards it.
        """
        name = staged.id
        if not is_staging_name(name):
            raise StorageError(f"{name!a} is no name for staging", errno="EINVAL")
        root = game_dir.root
        beneath.make_folders(root, STAGING_FOLDER)
        scratch = new_scratch_path(game_dir)
        beneath.make_folder(root, scratch)
        try:
            beneath.make_folder(root, f"{scratch}/files")
            beneath.write_file(root, f"{scratch}/record", b"")
            beneath.write_file(root, f"{scratch}/manifest", encode_manifest(manifest))
            beneath.write_file(root, f"{scratch}/download.json", encode_staged(staged))
            beneath.rename(root, scratch, root, staging_path(name))
        except BaseException:
            beneath.remove_tree(root, scratch)
            raise
        try:
            for folder in (STAGING_FOLDER, OWN_FOLDER, ""):
                beneath.sync_folder(root, folder)
            return cls(game_dir, name, staged, manifest, is_empty=True)
        except BaseException:
            bury(game_dir, staging_path(name))
            raise

    @classmethod
    def reopen(cls, game_dir: GameDir, name: str) -> "Staging":
        """The staging that an earlier launch left; `prepare` tells what it has.

        Raises IntegrityError when what is written there makes no sense, else StorageError. The
        caller closes or discards it.
        """
        staged = read_staged(game_dir, name)
        manifest = read_staged_manifest(game_dir, name, staged.content_id)
        is_empty = not beneath.list_folder(game_dir.root, f"{staging_path(name)}/files")
        return cls(game_dir, name, staged, manifest, is_empty=is_empty)

    @property
    def staged(self) -> StagedDownload:
        """What it is for."""
        return self._staged

    @property
    def verified(self) -> ChunkSet:
        """The chunks that need not be fetched. It shrinks when the disk loses what it was given."""
        with self._lock:
            return self._chunks.verified

    @property
    def verified_bytes(self) -> int:
        with self._lock:
            return self._chunks.verified_bytes

    @property
    def unrecorded_bytes(self) -> int:
        """What a crash now would cost."""
        with self._lock:
            return self._chunks.unrecorded_bytes

    def path_of(self, path: SafeRelPath) -> str:
        """Where a file is, below the game folder."""
        return self._files.path_of(path)

    def is_complete(self, entry: FileEntry) -> bool:
        """Whether every byte of the file was verified and written."""
        with self._lock:
            count = self._chunks.count(entry.path)
        return self._files.has(entry) and count == entry.chunk_count

    def set_staged(self, staged: StagedDownload) -> None:
        """Change what it is for, so that a crash leaves the old or the new; raises StorageError."""
        with self._changing:
            path = f"{self.folder}/download.json"
            beneath.write_file(self.game_dir.root, path, encode_staged(staged))
            self._staged = staged

    def prepare(
        self, files: Sequence[FileEntry], is_cancelled: Callable[[], bool] = lambda: False
    ) -> None:
        """Make those files that are missing, in full size and taking no room.

        `is_cancelled` is asked before each is made; it then ends with a StorageError.

        They are files of the manifest, of any call before too. What the record says of files that
        are there in full size is verified and recorded from now on. Raises DiskFull, AccessDenied
        or StorageError; a later call goes on from there.
        """
        with self._changing:
            for entry in files:
                if self.manifest.file(entry.path) != entry:
                    raise StorageError(f"{entry.path!a} is not in the manifest", errno="EINVAL")
            named = self._named_chunks({entry.path for entry in files})
            absent = [entry for entry in files if not self._files.is_there(entry)]
            gone = chunk_set(n for entry in absent for n in named.pop(entry.path, ()))
            if gone:
                # Before there is an empty file again that the record would be true of by its size.
                self._record.replace(self._record.chunks & ~gone)
            self._files.add(files, absent, is_cancelled)
            with self._lock:
                numbers = [number for numbers in named.values() for number in numbers]
                self._chunks.add_recorded([self.manifest.chunk(number) for number in numbers])

    def salvage(self, is_cancelled: Callable[[], bool], on_chunk: Callable[[Chunk], None]) -> None:
        """Look for chunks of the prepared files that are on disk and in no record.

        `on_chunk` is told each of them, `is_cancelled` asked before each that is read. Where the
        file system does not tell data from holes, nothing is read. Raises StorageError.
        """
        with self._changing:
            if not tells_holes(self.game_dir):
                return
            for entry in self._files.old_entries():
                self._salvage_file(entry, is_cancelled, on_chunk)

    def write_chunk(self, chunk: Chunk, data: memoryview) -> None:
        """Write a chunk's bytes if they are right, else raise IntegrityError and write nothing.

        Metadata `chunk` is its number. The file never gets shorter, and a verified chunk is not
        written again. Raises DiskFull, AccessDenied or StorageError when the disk refuses.
        """
        self._require_ours(chunk)
        if not _is_right(chunk, data):
            raise IntegrityError(
                f"the bytes of chunk {chunk.number} are wrong", chunk=str(chunk.number)
            )
        verified, failed_syncs = self._standing([chunk])
        if not verified:
            self._write([chunk], data, failed_syncs)

    def write_together(self, chunks: Sequence[Chunk], data: memoryview) -> bool:
        """Write chunks that adjoin in a file, in one go; False, and nothing, unless all are right.

        Also when one is verified already; `write_chunk` of each then does what is to be done.
        Raises DiskFull, AccessDenied or StorageError when the disk refuses.
        """
        start = 0
        for chunk in chunks:
            self._require_ours(chunk)
            is_next = chunk.file is chunks[0].file and chunk.offset == chunks[0].offset + start
            if not is_next or not _is_right(chunk, data[start : start + chunk.length]):
                return False
            start += chunk.length
        verified, failed_syncs = self._standing(chunks)
        if not verified:
            self._write(chunks, data, failed_syncs)
        return not verified

    def missing_chunks(self) -> Iterator[Chunk]:
        """The chunks of the prepared files that are not verified now, in their order."""
        verified = self.verified
        for entry in self._files.entries():
            for chunk in self.manifest.chunks_of(entry.path):
                if not contains(verified, chunk.number):
                    yield chunk

    def copy_chunk(self, chunk: Chunk, source: PositionalFile, offset: int) -> bool:
        """Copy a chunk from a file on this disk, sharing its blocks where the system can.

        Tells whether it is verified now: the staged file itself is read, as the source may change
        meanwhile. If not, wrong bytes may lie in the chunk's place, which count for nothing. The
        caller sees to it that nobody else writes that chunk. Raises StorageError for this staging.
        """
        self._require_ours(chunk)
        verified, failed_syncs = self._standing([chunk])
        path = chunk.file.path
        if verified:
            return True
        with self._open_files.use(path) as file:
            if not file.copy_from(source, offset, chunk.offset, chunk.length):
                return False
            with disk_errors(f"read {path!a}"):
                data = memoryview(file.read(chunk.offset, chunk.length))
            if not _is_right(chunk, data):
                return False
            if not chunk.offset and is_program(data):
                with disk_errors(f"change {path!a}"):
                    file.make_executable()
        self._add([chunk], failed_syncs)
        return True

    def record(self) -> None:
        """Wait until the disk has every chunk verified so far, and record them: data first.

        Raises StorageError when the disk cannot promise that. After a failed sync the system may
        have dropped what was written, so all chunks of that file that are not recorded are missing
        again, which `verified` shows; those of other files are recorded all the same.
        """
        with self._changing:
            with self._lock:
                chunks = list(self._chunks.unrecorded.values())
            if chunks:
                self._files.sync_folders()
            failures = sync_each(sorted({chunk.file.path for chunk in chunks}), self._sync_file)
            synced = [chunk for chunk in chunks if chunk.file.path not in failures]
            if synced:
                # Only now, because the record must never name what the disk may not have.
                self._record.add(chunk_set(chunk.number for chunk in synced))
                with self._lock:
                    self._chunks.record(synced)
            for error in failures.values():
                raise error

    def sync(self) -> None:
        """As `record`, and files without a byte too: then a publish may move them."""
        self.record()
        with self._changing:
            self._files.sync_folders()
            empty = self._files.unsynced
            failures = sync_each(empty, self._sync_file)
            self._files.mark_synced(path for path in empty if path not in failures)
            for error in failures.values():
                raise error

    def close(self) -> None:
        """Close all files; they stay on disk."""
        self._open_files.close()
        with self._changing:
            self._record.close()

    def discard(self) -> None:
        """Close and remove everything.

        Raises StorageError when the disk refuses, or a publish that is not ended needs it.
        """
        self.close()
        remove_staging(self.game_dir, self.name)

    def _using(self, entry: FileEntry) -> AbstractContextManager[PositionalFile]:
        if entry.chunk_count > 1:
            return self._open_files.use(entry.path)
        # Nothing else will be written to it.
        return closing(PositionalFile(self._open(entry.path)))

    def _require_ours(self, chunk: Chunk) -> None:
        is_known = (
            self._files.has(chunk.file)
            and chunk.number < self.manifest.totals.chunks
            and self.manifest.chunk(chunk.number) == chunk
        )
        if not is_known:
            raise StorageError(f"chunk {chunk.number} is not in this staging", errno="EINVAL")

    def _standing(self, chunks: Sequence[Chunk]) -> tuple[bool, int]:
        """Whether one of a file's chunks is verified, and how often the file's sync failed."""
        with self._lock:
            verified = self._chunks.verified
            is_verified = any(contains(verified, chunk.number) for chunk in chunks)
            return is_verified, self._failed_syncs.get(chunks[0].file.path, 0)

    def _write(self, chunks: Sequence[Chunk], data: memoryview, failed_syncs: int) -> None:
        first = chunks[0]
        with self._using(first.file) as file, disk_errors(f"write {first.file.path!a}"):
            file.write(data, first.offset)
            if not first.offset and is_program(data):
                file.make_executable()
        self._add(chunks, failed_syncs)

    def _add(self, chunks: Sequence[Chunk], failed_syncs: int) -> None:
        """They were written since their file's sync had failed so often."""
        path = chunks[0].file.path
        with self._lock:
            if self._failed_syncs.get(path, 0) != failed_syncs:
                raise StorageError(f"the disk lost what was written to {path!a}", errno="EIO")
            for chunk in chunks:
                self._chunks.add(chunk)

    def _named_chunks(self, paths: set[SafeRelPath]) -> dict[SafeRelPath, list[int]]:
        """By path, what the record says of these files."""
        named: dict[SafeRelPath, list[int]] = {}
        for number in numbers_in(self._record.chunks):
            path = self.manifest.chunk(number).file.path
            if path in paths:
                named.setdefault(path, []).append(number)
        return named

    def _salvage_file(
        self, entry: FileEntry, is_cancelled: Callable[[], bool], on_chunk: Callable[[Chunk], None]
    ) -> None:
        with self._lock:
            if self._chunks.count(entry.path) == entry.chunk_count:
                return
            verified = self._chunks.verified
        chunks = self.manifest.chunks_of(entry.path)
        missing = (chunk for chunk in chunks if not contains(verified, chunk.number))
        with self._open_files.use(entry.path) as file:
            for chunk, data in find_chunks(file, missing, is_cancelled):
                if not chunk.offset and is_program(data):
                    with disk_errors(f"change {entry.path!a}"):
                        file.make_executable()
                with self._lock:
                    self._chunks.add(chunk)
                on_chunk(chunk)

    def _sync_file(self, path: SafeRelPath) -> StorageError | None:
        try:
            # Not one of the open files, as the threads would wait for each other there.
            descriptor = self._open(path)
            try:
                with disk_errors(f"sync {path!a}"):
                    sync_descriptor(descriptor)
            finally:
                os.close(descriptor)
        except StorageError as error:
            with self._lock:
                self._failed_syncs[path] = self._failed_syncs.get(path, 0) + 1
                self._chunks.lose_unrecorded(path)
            return error
        return None

    def _open(self, path: str) -> int:
        return self._files.open(SafeRelPath(path))


def _is_right(chunk: Chunk, data: memoryview) -> bool:
    return data.nbytes == chunk.length and chunk_hash(data) == chunk.hash
