"""The bytes of a content that is still being downloaded, as far as they are right.

A staged chunk is given only while the staging says that it is verified. Files that the download
leaves where they are, and those that a publish has just moved, lie in the game folder where anybody
may change them, so each of their chunks is hashed again before any of it is given. A file of which
that fails once is given no more: whoever changed a part of it may be about to change the rest.
"""

import threading
from collections.abc import Collection, Iterable, Iterator
from typing import Self

from lanspread_peer.core.chunk_set import NO_CHUNKS, ChunkSet, chunk_set, contains
from lanspread_peer.core.run_slices import FileRange
from lanspread_peer.model.errors import NotFoundByPeer, Stale, StorageError
from lanspread_peer.model.manifest import Chunk, Manifest, chunk_hash
from lanspread_peer.model.paths import SafeRelPath
from lanspread_peer.storage import beneath
from lanspread_peer.storage.disk_errors import disk_errors, is_missing
from lanspread_peer.storage.game_dir import GameDir
from lanspread_peer.storage.positional_file import PositionalFile
from lanspread_peer.storage.staging import Staging


class PartialContent:
    """What one download has; any thread may ask, also after its staging is closed or gone.

    `kept` are the files in `folder` that were right when the download began.
    """

    def __init__(self, staging: Staging, folder: str, kept: Collection[SafeRelPath]) -> None:
        """Looks at the disk."""
        self.manifest: Manifest = staging.manifest
        self.game_dir: GameDir = staging.game_dir
        self._staging = staging
        self._folder = folder
        self._lost = NO_CHUNKS
        self._lock = threading.Lock()
        # The disk may spell a name in another way; such a file is not worth the search.
        there = [path for path in kept if beneath.stat(self.game_dir.root, self.path_of(path))]
        self._kept = chunk_set(
            chunk.number for path in there for chunk in self.manifest.chunks_of(path)
        )

    @property
    def held(self) -> ChunkSet:
        """The chunks that can be given."""
        return (self._kept | self._staging.verified) & ~self._lost

    @property
    def lost(self) -> ChunkSet:
        """The chunks of files that were not right any more when they were asked for."""
        return self._lost

    def path_of(self, path: SafeRelPath) -> str:
        """Where a file is, or will be, in the game, below the game folder."""
        return f"{self._folder}/{path}"

    def slices(self, slices: Iterable[Iterable[FileRange]]) -> Iterator[bytes]:
        """The bytes of each slice in turn, of chunks that are held.

        Raises NotFoundByPeer for others, StorageError, or Stale when they are not right any more,
        which is so once for each file, as it counts among those that are lost then.
        """
        with _Reading(self) as reading:
            for ranges in slices:
                yield b"".join(map(reading.read, ranges))

    def is_kept(self, chunk: Chunk) -> bool:
        """Whether it lies in the game folder, and not in the staging."""
        return contains(self._kept, chunk.number) and not contains(self._lost, chunk.number)

    def is_staged(self, chunk: Chunk) -> bool:
        """Whether it is verified, and still counts as such."""
        is_verified = contains(self._staging.verified, chunk.number)
        return is_verified and not contains(self._lost, chunk.number)

    def lose(self, path: SafeRelPath) -> None:
        """A file is not what it was."""
        numbers = chunk_set(chunk.number for chunk in self.manifest.chunks_of(path))
        with self._lock:
            self._lost |= numbers

    def staged_path_of(self, path: SafeRelPath) -> str:
        """Where a file of the staging is until it is published."""
        return self._staging.path_of(path)


class _Reading:
    """One request: one file open at a time, and one chunk of the game folder in memory."""

    def __init__(self, content: PartialContent) -> None:
        self._content = content
        self._path = ""
        self._file: PositionalFile | None = None
        self._hashed: tuple[int, bytes] = (-1, b"")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._leave()

    def read(self, part: FileRange) -> bytes:
        """These bytes."""
        try:
            return self._read_part(part)
        except Stale:
            self._content.lose(part.path)
            raise

    def _read_part(self, part: FileRange) -> bytes:
        chunks = self._content.manifest.chunks_over(part.path, part.offset, part.length)
        if all(map(self._content.is_kept, chunks)):
            return b"".join(self._part_of(chunk, part) for chunk in chunks)
        self._require_staged(chunks)
        try:
            data = self._read(self._content.staged_path_of(part.path), part.offset, part.length)
        except StorageError as error:
            if not is_missing(error):
                raise
            # Published since.
            return b"".join(self._part_of(chunk, part) for chunk in chunks)
        # The disk may have lost them meanwhile.
        self._require_staged(chunks)
        return data

    def _require_staged(self, chunks: Iterable[Chunk]) -> None:
        if not all(map(self._content.is_staged, chunks)):
            raise NotFoundByPeer("this chunk is not here yet")

    def _part_of(self, chunk: Chunk, part: FileRange) -> bytes:
        """What of the range lies in a chunk of the game folder."""
        number, data = self._hashed
        if number != chunk.number:
            path = self._content.path_of(chunk.file.path)
            try:
                data = self._read(path, chunk.offset, chunk.length)
            except StorageError as error:
                if is_missing(error):
                    raise _stale(chunk) from error
                raise
            if chunk_hash(data) != chunk.hash:
                raise _stale(chunk)
            self._hashed = (chunk.number, data)
        start = max(0, part.offset - chunk.offset)
        return data[start : part.offset + part.length - chunk.offset]

    def _read(self, path: str, offset: int, length: int) -> bytes:
        if self._file is None or path != self._path:
            self._leave()
            descriptor = beneath.open_file(self._content.game_dir.root, path)
            self._path, self._file = path, PositionalFile(descriptor)
        with disk_errors(f"read {path!a}"):
            data = self._file.read(offset, length)
        if len(data) != length:
            raise Stale(f"{path!a} is shorter than it was")
        return data

    def _leave(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()


def _stale(chunk: Chunk) -> Stale:
    return Stale(f"{chunk.file.path!a} changed since it was right")
