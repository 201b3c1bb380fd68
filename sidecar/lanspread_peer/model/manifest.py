"""Manifests: the list of a game's shared files with sizes and chunk hashes.

Invariants, whoever made the manifest: directories and files are in UTF-8 byte order of their
paths; no two paths collide on any system; the parent of every entry is listed as a directory;
`version.ini` is among the files; nothing is that is never shared, such as `local/`. Equal folders
on any system have equal manifests, so equal content ids. Chunks are numbered through the files in
order. The bytes are wire's business.
"""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import accumulate, pairwise

from blake3 import blake3

from lanspread_peer.model.errors import InvalidManifest
from lanspread_peer.model.limits import (
    MAX_CHUNK_BYTES,
    MAX_CHUNKS_PER_FILE,
    MAX_GAME_BYTES,
    MAX_MANIFEST_ENTRIES,
    MIN_CHUNK_BYTES,
)
from lanspread_peer.model.paths import SafeRelPath, first_collision, is_shared, parent_of

HASH_BYTES = 32
VERSION_INI = SafeRelPath("version.ini")
GAME_JSON = SafeRelPath("game.json")


def chunk_size_of(file_size: int) -> int:
    """The chunk size in bytes of a file: a function of its size alone (design section 4)."""
    size = MIN_CHUNK_BYTES
    while size < MAX_CHUNK_BYTES and size * MAX_CHUNKS_PER_FILE < file_size:
        size *= 2
    return size


def chunk_hash(data: bytes | bytearray | memoryview) -> bytes:
    """BLAKE3-256 of one chunk's bytes."""
    return blake3(data).digest()


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One shared file; `hashes` holds its chunk hashes end to end."""

    path: SafeRelPath
    size: int
    hashes: bytes

    @property
    def chunk_size(self) -> int:
        return chunk_size_of(self.size)

    @property
    def chunk_count(self) -> int:
        return -(-self.size // self.chunk_size)


@dataclass(frozen=True, slots=True)
class Chunk:
    """The unit of verification and retry: a range of one file, numbered through the manifest."""

    number: int
    file: FileEntry
    offset: int
    length: int

    @property
    def hash(self) -> bytes:
        start = self.offset // self.file.chunk_size * HASH_BYTES
        return self.file.hashes[start : start + HASH_BYTES]


@dataclass(frozen=True, slots=True)
class Totals:
    """What a manifest adds up to."""

    bytes: int
    files: int
    chunks: int


@dataclass(frozen=True)
class Manifest:
    """The files of one content id; raises InvalidManifest when an invariant does not hold."""

    directories: tuple[SafeRelPath, ...]
    files: tuple[FileEntry, ...]
    _first_chunks: list[int] = field(init=False, repr=False, compare=False)
    _positions: dict[SafeRelPath, int] = field(init=False, repr=False, compare=False)
    totals: Totals = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        _check_entries(self.directories, self.files)
        counts = accumulate((entry.chunk_count for entry in self.files), initial=0)
        object.__setattr__(self, "_first_chunks", list(counts))
        positions = {entry.path: position for position, entry in enumerate(self.files)}
        object.__setattr__(self, "_positions", positions)
        total_bytes = sum(entry.size for entry in self.files)
        totals = Totals(total_bytes, len(self.files), self._first_chunks[-1])
        object.__setattr__(self, "totals", totals)

    def file(self, path: str) -> FileEntry | None:
        """The file with this path, or None."""
        position = self._positions.get(SafeRelPath(path))
        return None if position is None else self.files[position]

    def chunk(self, number: int) -> Chunk:
        """The chunk with this number; raises IndexError outside 0 to totals.chunks - 1."""
        if not 0 <= number < self._first_chunks[-1]:
            raise IndexError(number)
        index = bisect_right(self._first_chunks, number) - 1
        entry = self.files[index]
        offset = (number - self._first_chunks[index]) * entry.chunk_size
        return Chunk(number, entry, offset, min(entry.chunk_size, entry.size - offset))

    def run(self, first: int, count: int) -> list[Chunk]:
        """So many chunks from this number on; none when there are not so many."""
        if first < 0 or first + count > self._first_chunks[-1]:
            return []
        return [self.chunk(number) for number in range(first, first + count)]

    def chunks_of(self, path: str) -> Iterator[Chunk]:
        """The chunks of one file in order; nothing when the file is empty or unknown."""
        position = self._positions.get(SafeRelPath(path))
        if position is None:
            return iter(())
        first, end = self._first_chunks[position : position + 2]
        return map(self.chunk, range(first, end))

    def chunks_over(self, path: str, offset: int, length: int) -> list[Chunk]:
        """The chunks that hold this range of a file's bytes.

        None where the file is unknown, or the range is empty or not inside the file.
        """
        position = self._positions.get(SafeRelPath(path))
        if position is None or offset < 0 or length < 1:
            return []
        entry = self.files[position]
        if offset + length > entry.size:
            return []
        before = self._first_chunks[position]
        first, last = offset // entry.chunk_size, (offset + length - 1) // entry.chunk_size
        return [self.chunk(before + index) for index in range(first, last + 1)]


def _check_entries(directories: tuple[SafeRelPath, ...], files: tuple[FileEntry, ...]) -> None:
    if len(directories) + len(files) > MAX_MANIFEST_ENTRIES:
        raise InvalidManifest(f"expected at most {MAX_MANIFEST_ENTRIES} entries")
    _check_order(directories, "directories")
    _check_order([entry.path for entry in files], "files")
    paths = [*directories, *(entry.path for entry in files)]
    collision = first_collision(paths)
    if collision:
        raise InvalidManifest(f"{collision[0]!r} and {collision[1]!r} are one name on some systems")
    known = set(directories)
    for path in paths:
        if not is_shared(path):
            raise InvalidManifest(f"{path!r} is never shared")
        parent = parent_of(path)
        if parent is not None and parent not in known:
            raise InvalidManifest(f"the folder of {path!r} is not listed")
    for entry in files:
        _check_file(entry)
    if sum(entry.size for entry in files) > MAX_GAME_BYTES:
        raise InvalidManifest(f"expected at most {MAX_GAME_BYTES} bytes")
    if VERSION_INI not in (entry.path for entry in files):
        raise InvalidManifest("expected a version.ini")


def _check_order(paths: tuple[SafeRelPath, ...] | list[SafeRelPath], what: str) -> None:
    encoded = [path.encode("utf-8") for path in paths]
    if any(left >= right for left, right in pairwise(encoded)):
        raise InvalidManifest(f"expected {what} in strict byte order of their paths")


def _check_file(entry: FileEntry) -> None:
    if not 0 <= entry.size <= MAX_GAME_BYTES:
        raise InvalidManifest(f"size of {entry.path!r}: expected 0 to {MAX_GAME_BYTES}")
    if len(entry.hashes) != entry.chunk_count * HASH_BYTES:
        raise InvalidManifest(f"hashes of {entry.path!r}: expected {entry.chunk_count}")
