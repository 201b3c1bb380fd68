"""Records: what was downloaded into a game folder, so that an update knows its own files.

`.lanspread/records/<folder>/manifest` has the manifest's bytes. Together with the index it answers
which files are right already, which are ours to replace, and which an update leaves behind.
"""

import unicodedata
from dataclasses import dataclass, field
from stat import S_ISREG

from lanspread_peer.model.errors import PeerProtocolError, StorageError
from lanspread_peer.model.ids import ContentId
from lanspread_peer.model.limits import MAX_MANIFEST_BYTES
from lanspread_peer.model.manifest import Manifest
from lanspread_peer.model.paths import SafeRelPath
from lanspread_peer.storage import beneath
from lanspread_peer.storage.disk_errors import is_missing
from lanspread_peer.storage.game_dir import OWN_FOLDER, GameDir
from lanspread_peer.storage.index import FileRow, Index
from lanspread_peer.storage.stamp import is_same, stamp_of
from lanspread_peer.wire.manifest_codec import content_id_of, decode_manifest

RECORDS_FOLDER = f"{OWN_FOLDER}/records"


@dataclass(frozen=True, slots=True)
class Record:
    """What was downloaded into a game folder: its whole manifest, however much of it came."""

    content_id: ContentId
    manifest: Manifest = field(repr=False, compare=False)
    manifest_bytes: bytes = field(repr=False, compare=False)


def record_path(folder: str) -> str:
    """Where the record of a game folder is, below the root of the game folder."""
    return f"{RECORDS_FOLDER}/{folder}/manifest"


def read_record(game_dir: GameDir, folder: str) -> Manifest | None:
    """What was downloaded last, or None when nothing was or the record is broken.

    Raises StorageError.
    """
    record = load_record(game_dir, folder)
    return None if record is None else record.manifest


def load_record(game_dir: GameDir, folder: str) -> Record | None:
    """As read_record, with the bytes; takes a second for the largest manifest."""
    try:
        path = record_path(folder)
        data = beneath.read_file(game_dir.root, path, MAX_MANIFEST_BYTES + 1)
        content_id = content_id_of(data)
        return Record(content_id, decode_manifest(data, content_id), data)
    except PeerProtocolError:
        return None
    except StorageError as error:
        if is_missing(error):
            return None
        raise


def already_right(
    game_dir: GameDir, folder: str, manifest: Manifest, index: Index
) -> set[SafeRelPath]:
    """The files of the manifest that the game folder holds already, by the index.

    A name that differs in case does not count. Raises StorageError.
    """
    rows = unchanged_rows(game_dir, folder, index)
    return {normal_path(path) for path, row in rows.items() if _is_in(manifest, path, row)}


def obsolete_files(game_dir: GameDir, folder: str, manifest: Manifest, index: Index) -> list[str]:
    """Paths on disk of downloaded, unchanged files that the new manifest lacks.

    Nothing else in the game folder is ours to delete. Raises StorageError.
    """
    record = read_record(game_dir, folder)
    if record is None:
        return []
    rows = unchanged_rows(game_dir, folder, index)
    return sorted(
        disk_path
        for disk_path, row in rows.items()
        if manifest.file(normal_path(disk_path)) is None and _is_in(record, disk_path, row)
    )


def own_files(
    game_dir: GameDir, folder: str, index: Index, *, may_replace: bool
) -> dict[str, FileRow]:
    """The rows, by path on disk, of files that an update may replace.

    They are unchanged since they were hashed, and, after a download, what was downloaded. A file
    that a person changed is his, even when it has been hashed since; without a record all files
    are, unless `may_replace`. Raises StorageError.
    """
    record = read_record(game_dir, folder)
    rows = unchanged_rows(game_dir, folder, index)
    if record is None:
        return rows if may_replace else {}
    return {path: row for path, row in rows.items() if _is_in(record, path, row)}


def unchanged_rows(game_dir: GameDir, folder: str, index: Index) -> dict[str, FileRow]:
    """The rows of a game whose files are still the ones hashed; raises StorageError."""
    rows = index.rows_of(game_dir, folder)
    return {path: row for path, row in rows.items() if _is_unchanged(game_dir, folder, path, row)}


def normal_path(disk_path: str) -> SafeRelPath:
    """The path in a manifest of a file that was indexed."""
    return SafeRelPath(unicodedata.normalize("NFC", disk_path))


def _is_unchanged(game_dir: GameDir, folder: str, path: str, row: FileRow) -> bool:
    try:
        status = beneath.stat(game_dir.root, f"{folder}/{path}")
    except StorageError:
        return False
    return status is not None and S_ISREG(status.st_mode) and is_same(row, stamp_of(status))


def _is_in(manifest: Manifest, disk_path: str, row: FileRow) -> bool:
    entry = manifest.file(normal_path(disk_path))
    return entry is not None and entry.size == row.size and entry.hashes == row.hashes
