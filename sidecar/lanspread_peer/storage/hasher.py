"""The hasher: a found game becomes an indexed one, its manifest and content id known.

Only files without a valid row in the index are read, each chunk once, into one buffer. A file that
changes under the reader makes the whole game stale, because its manifest would describe a content
that never existed. A sealed game has the manifest it was downloaded with instead, and offers those
of its files that are still as that says.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from io import FileIO

from lanspread_peer.model.errors import InvalidManifest, Stale, StorageError, UnsafeGame
from lanspread_peer.model.game import LocalGame, LocalState
from lanspread_peer.model.ids import ContentId
from lanspread_peer.model.limits import INDEX_BATCH_BYTES, INDEX_BATCH_FILES
from lanspread_peer.model.manifest import (
    HASH_BYTES,
    VERSION_INI,
    FileEntry,
    Manifest,
    chunk_hash,
    chunk_size_of,
)
from lanspread_peer.model.paths import SafeRelPath
from lanspread_peer.storage import beneath
from lanspread_peer.storage.disk_errors import disk_errors, is_gone
from lanspread_peer.storage.found import FoundFile, FoundGame
from lanspread_peer.storage.game_dir import GameDir
from lanspread_peer.storage.index import FileRow, Index
from lanspread_peer.storage.positional_file import PositionalFile
from lanspread_peer.storage.records import Record
from lanspread_peer.storage.seal import NO_RECORD, drop_record
from lanspread_peer.storage.stamp import is_same, stamp_of
from lanspread_peer.wire.manifest_codec import content_id_of, encode_manifest


@dataclass(frozen=True, slots=True)
class HashPlan:
    """What hashing a game takes: `known` hashes by path on disk, and the files to read."""

    found: FoundGame
    known: Mapping[str, bytes]
    unhashed: tuple[FoundFile, ...]
    removed: tuple[str, ...]

    @property
    def bytes(self) -> int:
        """How much is to be read."""
        return sum(file.size for file in self.unhashed)


@dataclass(frozen=True, slots=True)
class IndexedGame:
    """A game that can be offered: its manifest, and by path the files that hold its content.

    `served` has every file of the manifest, or, in a sealed game, those that are as it says.
    """

    found: FoundGame
    manifest: Manifest
    manifest_bytes: bytes
    content_id: ContentId
    local: LocalGame
    served: Mapping[SafeRelPath, FoundFile]


def plan(found: FoundGame, index: Index) -> HashPlan:
    """Which files the index knows as they are, and which must be read.

    Raises UnsafeGame when the game has a fault, else StorageError.
    """
    if found.fault:
        raise UnsafeGame(f"{found.id!a} is not shared: {found.fault}", fault=found.fault)
    rows = index.rows_of(found.game_dir, found.folder)
    known: dict[str, bytes] = {}
    unhashed: list[FoundFile] = []
    for file in found.files:
        row = rows.get(file.disk_path)
        if row is not None and is_same(row, file) and _is_credible(row, file, found.look.seal):
            known[file.disk_path] = row.hashes
        elif _is_worth_reading(file, found.look.seal):
            unhashed.append(file)
    removed = tuple(rows.keys() - found.by_disk_path.keys())
    return HashPlan(found, known, tuple(unhashed), removed)


def hash_game(
    game_dir: GameDir,
    plan: HashPlan,
    index: Index,
    *,
    on_bytes: Callable[[int], None],
    is_cancelled: Callable[[], bool],
) -> IndexedGame | None:
    """Read what the plan says and index the game; None when it was cancelled.

    `on_bytes` gets the length of each chunk read. What was hashed before an end of any kind stays
    in the index. A file of a sealed game that cannot be read is only missing. A record that seals
    nothing is dropped once the game has a manifest. Raises Stale when a file is not the one found,
    so a new survey is due; UnsafeGame; or StorageError when the disk refuses.
    """
    hashing = _Hashing(game_dir, plan, index, on_bytes, is_cancelled)
    try:
        hashes = hashing.run()
    finally:
        hashing.store()
    if hashes is None:
        return None
    if plan.found.look.seal is not None:
        return _sealed(plan.found, plan.found.look.seal, {**plan.known, **hashes})
    game = _indexed(plan.found, {**plan.known, **hashes})
    if plan.found.look is not NO_RECORD:
        # It seals nothing, so it does no harm to stay either.
        with suppress(StorageError):
            drop_record(game_dir, plan.found.folder)
    return game


def what_stays(game: IndexedGame, found: FoundGame) -> IndexedGame | None:
    """What a game still surely offers, now that it is found otherwise; None when it is not sealed.

    Its changed files may turn out to be right, once they are hashed again.
    """
    seal = found.look.seal
    if found.fault or seal is None or seal.content_id != game.content_id:
        return None
    served = {
        path: file
        for path, file in game.served.items()
        if found.by_disk_path.get(file.disk_path) == file
    }
    if VERSION_INI not in served:
        return None
    return _offering(found, seal, served)


class _Hashing:
    """One run over a game's files."""

    def __init__(
        self,
        game_dir: GameDir,
        plan: HashPlan,
        index: Index,
        on_bytes: Callable[[int], None],
        is_cancelled: Callable[[], bool],
    ) -> None:
        self._game_dir = game_dir
        self._folder = plan.found.folder
        self._plan = plan
        self._index = index
        self._on_bytes = on_bytes
        self._is_cancelled = is_cancelled
        # As large as the largest chunk there is, which for small files is the file.
        sizes = (min(file.size, chunk_size_of(file.size)) for file in plan.unhashed)
        self._buffer = memoryview(bytearray(max(sizes, default=0)))
        self._rows: dict[str, FileRow] = {}
        self._stored_bytes = 0
        self._removed = list(plan.removed)

    def run(self) -> dict[str, bytes] | None:
        hashes: dict[str, bytes] = {}
        pending_bytes = 0
        for file in self._plan.unhashed:
            try:
                hashed = self._hash_file(file)
            except StorageError:
                if self._plan.found.look.seal is None:
                    raise
                # Or what an earlier reading found would still count as right.
                self._removed.append(file.disk_path)
                continue
            if hashed is None:
                return None
            hashes[file.disk_path] = hashed
            self._rows[file.disk_path] = FileRow(file.size, file.mtime_ns, file.inode, hashed)
            pending_bytes += file.size
            if pending_bytes >= INDEX_BATCH_BYTES or len(self._rows) >= INDEX_BATCH_FILES:
                self.store()
                pending_bytes = 0
        return hashes

    def store(self) -> None:
        if self._rows or self._removed:
            self._index.replace_rows(self._game_dir, self._folder, self._rows, self._removed)
        self._rows, self._removed = {}, []

    def _hash_file(self, file: FoundFile) -> bytes | None:
        path = f"{self._folder}/{file.disk_path}"
        try:
            descriptor = beneath.open_file(self._game_dir.root, path)
        except StorageError as error:
            if is_gone(error):
                raise _stale(file) from error
            raise
        opened = PositionalFile(descriptor)
        try:
            with disk_errors(f"read {path!a}"):
                _require_same(file, opened)
                hashes = self._read(descriptor, file)
                _require_same(file, opened)
        finally:
            opened.close()
        return hashes

    def _read(self, descriptor: int, file: FoundFile) -> bytes | None:
        hashes = bytearray()
        chunk_size = chunk_size_of(file.size)
        with FileIO(descriptor, "rb", closefd=False) as source:
            for offset in range(0, file.size, chunk_size):
                if self._is_cancelled():
                    return None
                chunk = self._buffer[: min(chunk_size, file.size - offset)]
                if _fill(chunk, source) < len(chunk):
                    raise _stale(file)
                hashes += chunk_hash(chunk)
                self._on_bytes(len(chunk))
        return bytes(hashes)


def _fill(chunk: memoryview, source: FileIO) -> int:
    filled = 0
    while filled < len(chunk):
        count = source.readinto(chunk[filled:])
        if not count:
            break
        filled += count
    return filled


def _require_same(file: FoundFile, opened: PositionalFile) -> None:
    if not is_same(file, stamp_of(opened.stat())):
        raise _stale(file)


def _stale(file: FoundFile) -> Stale:
    return Stale(f"{file.disk_path!a} changed", path=ascii(file.disk_path))


def _is_credible(row: FileRow, file: FoundFile, seal: Record | None) -> bool:
    if seal is not None and file.path == VERSION_INI and not _is_right(file, row.hashes, seal):
        # The seal holds because it was read just now, and was right.
        return False
    return len(row.hashes) == -(-row.size // chunk_size_of(row.size)) * HASH_BYTES


def _is_worth_reading(file: FoundFile, seal: Record | None) -> bool:
    entry = None if seal is None else seal.manifest.file(file.path)
    return entry is None or entry.size == file.size


def _is_right(file: FoundFile, hashes: bytes | None, seal: Record) -> bool:
    entry = seal.manifest.file(file.path)
    return entry is not None and entry.size == file.size and entry.hashes == hashes


def _sealed(found: FoundGame, seal: Record, hashes: Mapping[str, bytes]) -> IndexedGame:
    served = {
        file.path: file for file in found.files if _is_right(file, hashes.get(file.disk_path), seal)
    }
    if VERSION_INI not in served:
        raise Stale(f"the version.ini of {found.id!a} changed", path=VERSION_INI)
    return _offering(found, seal, served)


def _offering(
    found: FoundGame, seal: Record, served: Mapping[SafeRelPath, FoundFile]
) -> IndexedGame:
    totals = seal.manifest.totals
    local = replace(
        found.local,
        state=LocalState.DOWNLOADED,
        content_id=seal.content_id,
        missing_files=totals.files - len(served),
        missing_bytes=totals.bytes - sum(file.size for file in served.values()),
    )
    return IndexedGame(found, seal.manifest, seal.manifest_bytes, seal.content_id, local, served)


def _indexed(found: FoundGame, hashes: Mapping[str, bytes]) -> IndexedGame:
    entries = (FileEntry(file.path, file.size, hashes[file.disk_path]) for file in found.files)
    try:
        manifest = Manifest(found.directories, tuple(entries))
    except InvalidManifest as error:
        raise UnsafeGame(f"{found.id!a} is not shared: {error}", fault=error.message) from error
    data = encode_manifest(manifest)
    content_id = content_id_of(data)
    local = LocalGame(
        found.id,
        LocalState.DOWNLOADED,
        found.version,
        found.installed,
        content_id,
        manifest.totals,
        found.description,
    )
    served = {file.path: file for file in found.files}
    return IndexedGame(found, manifest, data, content_id, local, served)
