"""Seals: a game that was downloaded keeps its content id (design section 3).

A record seals its game folder while `version.ini` has the very bytes that the record says. Then the
content is the record's, whatever else comes to lie there. A record that is broken, or of another
version than the folder, seals nothing, and is dropped once the game has a new manifest.
"""

from dataclasses import dataclass, field

from lanspread_peer.model.errors import StorageError
from lanspread_peer.model.limits import MIN_CHUNK_BYTES
from lanspread_peer.model.manifest import VERSION_INI, Manifest, chunk_hash
from lanspread_peer.storage import beneath
from lanspread_peer.storage.game_dir import GameDir
from lanspread_peer.storage.records import Record, load_record, record_path
from lanspread_peer.storage.stamp import Stamp, stamp_of


@dataclass(frozen=True, slots=True)
class SealLook:
    """A look at a game's record; `seal` is None when it does not hold.

    The stamps say how the record and `version.ini` looked, None where there is none; they tell
    when another look is due, and are no part of what was found.
    """

    seal: Record | None = None
    record: Stamp | None = field(default=None, compare=False)
    version_ini: Stamp | None = field(default=None, compare=False)


NO_RECORD = SealLook()


def look_at_seal(game_dir: GameDir, folder: str, last: SealLook = NO_RECORD) -> SealLook:
    """What holds now; `last` itself while neither the record nor `version.ini` changed.

    The record is read only when it changed. Never raises: what cannot be read seals nothing.
    """
    try:
        return _look(game_dir, folder, last)
    except StorageError:
        return NO_RECORD


def drop_record(game_dir: GameDir, folder: str) -> None:
    """Remove a record that does not seal its folder; raises StorageError.

    Looks again first: a publish may just have put it there.
    """
    look = _look(game_dir, folder, NO_RECORD)
    if look.seal is None and look.version_ini is not None:
        beneath.remove_file(game_dir.root, record_path(folder))


def break_seal(game_dir: GameDir, folder: str) -> None:
    """Let what lies in a game folder be its content from now on; raises StorageError."""
    beneath.remove_file(game_dir.root, record_path(folder))


def _look(game_dir: GameDir, folder: str, last: SealLook) -> SealLook:
    record = _stamp(game_dir, record_path(folder))
    if record is None:
        return NO_RECORD
    version_ini = _stamp(game_dir, f"{folder}/{VERSION_INI}")
    if (record, version_ini) == (last.record, last.version_ini):
        return last
    known = last.seal if last.record == record else None
    candidate = known or load_record(game_dir, folder)
    holds = candidate is not None and _has_version_of(game_dir, folder, candidate.manifest)
    return SealLook(candidate if holds else None, record, version_ini)


def _stamp(game_dir: GameDir, path: str) -> Stamp | None:
    status = beneath.stat(game_dir.root, path)
    if status is None:
        return None
    stamp = stamp_of(status)
    return stamp if game_dir.has_stable_inodes else Stamp(stamp.size, stamp.mtime_ns, 0)


def _has_version_of(game_dir: GameDir, folder: str, manifest: Manifest) -> bool:
    entry = manifest.file(VERSION_INI)
    # Larger than a chunk, it tells nobody a version, and is not worth reading.
    data = beneath.read_file(game_dir.root, f"{folder}/{VERSION_INI}", MIN_CHUNK_BYTES + 1)
    hashes = chunk_hash(data) if data else b""
    return entry is not None and entry.size == len(data) and entry.hashes == hashes
