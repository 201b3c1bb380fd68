"""Adoption: chunks that lie on this disk already are taken by hash before the network is asked.

They come from the game's own files, in whatever version and under whatever names those are, and
from all stagings of the game. What the index or a record says of a file is a hint only, since it
may have changed: every chunk is verified as it lies in the staging. A file that cannot be read, or
is another by now, is passed over; the chunks are then fetched like all others.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby

from lanspread_peer.core.chunk_set import numbers_in
from lanspread_peer.model.errors import IntegrityError, StorageError
from lanspread_peer.model.ids import game_key
from lanspread_peer.model.manifest import HASH_BYTES, Chunk, chunk_size_of
from lanspread_peer.storage import beneath
from lanspread_peer.storage.game_dir import STAGING_FOLDER
from lanspread_peer.storage.index import Index
from lanspread_peer.storage.positional_file import PositionalFile
from lanspread_peer.storage.records import unchanged_rows
from lanspread_peer.storage.staging import Staging
from lanspread_peer.storage.staging_folder import read_staged, read_staged_manifest, staging_path
from lanspread_peer.storage.staging_record import read_recorded


def adopt(
    staging: Staging,
    folder: str,
    index: Index,
    *,
    is_cancelled: Callable[[], bool],
    on_chunk: Callable[[Chunk], None],
) -> None:
    """Fill the prepared files of the staging with chunks that are on this disk.

    `folder` is the name on disk of the game's folder, which may be missing. `on_chunk` is told each
    chunk that is verified now, `is_cancelled` asked before each is looked for. Nothing else may
    write to the staging meanwhile. Raises StorageError or DiskFull when the staging cannot be
    written, or the index not be read; what was adopted before stays.
    """
    adoption = _Adoption(staging, is_cancelled, on_chunk)
    for source in _sources(staging, folder, index):
        if not adoption.is_wanting or is_cancelled():
            return
        adoption.take_from(source)


@dataclass(frozen=True, slots=True)
class _Source:
    """A file below the game folder that may have chunks.

    `held` has the places of those in the file, counted from 0; None stands for all.
    """

    path: str
    size: int
    hashes: bytes
    held: frozenset[int] | None = None


class _Adoption:
    """One run; `_wanted` has the chunks that are missing by their hash."""

    def __init__(
        self,
        staging: Staging,
        is_cancelled: Callable[[], bool],
        on_chunk: Callable[[Chunk], None],
    ) -> None:
        self._staging = staging
        self._is_cancelled = is_cancelled
        self._on_chunk = on_chunk

    @cached_property
    def _wanted(self) -> dict[bytes, list[int]]:
        # Only once there is a source, as mostly there is none.
        wanted: dict[bytes, list[int]] = {}
        for chunk in self._staging.missing_chunks():
            wanted.setdefault(chunk.hash, []).append(chunk.number)
        return wanted

    @property
    def is_wanting(self) -> bool:
        return bool(self._wanted)

    def take_from(self, source: _Source) -> None:
        places = list(self._places(source))
        if not places:
            return
        opened = self._open(source)
        if opened is None:
            return
        try:
            for wanted_hash, offset in places:
                if self._is_cancelled():
                    return
                self._take(wanted_hash, opened, offset)
        finally:
            opened.close()

    def _places(self, source: _Source) -> Iterator[tuple[bytes, int]]:
        """Each wanted hash once, and where in the source it is."""
        chunk_size = chunk_size_of(source.size)
        seen: set[bytes] = set()
        for position in range(len(source.hashes) // HASH_BYTES):
            each = source.hashes[position * HASH_BYTES : (position + 1) * HASH_BYTES]
            if each not in self._wanted or each in seen:
                continue
            if source.held is None or position in source.held:
                seen.add(each)
                yield each, position * chunk_size

    def _open(self, source: _Source) -> PositionalFile | None:
        try:
            return PositionalFile(beneath.open_file(self._staging.game_dir.root, source.path))
        except StorageError:
            return None

    def _take(self, wanted_hash: bytes, source: PositionalFile, offset: int) -> None:
        """Every chunk of that hash; the same bytes may be wanted in several places."""
        left: list[int] = []
        for number in self._wanted.pop(wanted_hash):
            chunk = self._staging.manifest.chunk(number)
            if self._copy(chunk, source, offset):
                self._on_chunk(chunk)
            else:
                left.append(number)
        if left:
            self._wanted[wanted_hash] = left

    def _copy(self, chunk: Chunk, source: PositionalFile, offset: int) -> bool:
        if self._staging.copy_chunk(chunk, source, offset):
            return True
        try:
            data = source.read(offset, chunk.length)
        except OSError:
            return False
        try:
            self._staging.write_chunk(chunk, memoryview(data))
        except IntegrityError:
            return False
        return True


def _sources(staging: Staging, folder: str, index: Index) -> Iterator[_Source]:
    game_dir = staging.game_dir
    for path, row in unchanged_rows(game_dir, folder, index).items():
        yield _Source(f"{folder}/{path}", row.size, row.hashes)
    for name, _ in sorted(beneath.list_folder(game_dir.root, STAGING_FOLDER)):
        with suppress(IntegrityError, StorageError):
            yield from _staged_sources(staging, name)


def _staged_sources(staging: Staging, name: str) -> Iterator[_Source]:
    """The files of a staging of the same game that have recorded chunks."""
    game_dir = staging.game_dir
    staged = read_staged(game_dir, name)
    if game_key(staged.game_id) != game_key(staging.staged.game_id):
        return
    manifest = read_staged_manifest(game_dir, name, staged.content_id)
    record = f"{staging_path(name)}/record"
    recorded = read_recorded(game_dir, record, staged.content_id, manifest.totals.chunks)
    for entry, chunks in groupby(map(manifest.chunk, numbers_in(recorded)), lambda c: c.file):
        held = frozenset(chunk.offset // entry.chunk_size for chunk in chunks)
        path = f"{staging_path(name)}/files/{entry.path}"
        yield _Source(path, entry.size, entry.hashes, held)
