"""The note of a removal: what of a game is to go, on disk before the first file goes.

`removals/<digest of the game folder's path>/<folder of the game>` in the state folder has one JSON
value. It lies there, and not with the games, so that no other user of this PC can write one that
has things deleted. Each file is told by size and time, so that a start that finishes a removal
deletes nothing that came to lie there since.
"""

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec
from blake3 import blake3

from lanspread_peer.model.errors import IntegrityError, StorageError
from lanspread_peer.model.limits import MAX_REMOVAL_BYTES
from lanspread_peer.model.manifest import VERSION_INI
from lanspread_peer.model.paths import is_shared
from lanspread_peer.storage import beneath
from lanspread_peer.storage.disk_errors import is_missing
from lanspread_peer.storage.game_dir import GameDir, is_local_folder
from lanspread_peer.storage.records import normal_path
from lanspread_peer.storage.staged_json import is_folder_name
from lanspread_peer.storage.thing import Kind, Thing

REMOVALS_FOLDER = "removals"

_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Removal:
    """What goes of the game in `folder`; all paths are below that folder.

    `version` is its `version.ini`, whose end makes it no game; `folders` go, deepest first, where
    nothing is left in them; `installed` are the folders of its installed content.
    """

    folder: str
    version: Thing
    files: tuple[tuple[str, Thing], ...]
    folders: tuple[str, ...]
    installed: tuple[str, ...] = ()

    @property
    def bytes(self) -> int:
        """What the files take, installed content aside."""
        return self.version.size + sum(thing.size for _, thing in self.files)


class _FileJson(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    path: str
    size: int
    mtime_ns: int


class _RemovalJson(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    lanspread_removal: int
    folder: str
    version: _FileJson
    files: list[_FileJson]
    folders: list[str]
    installed: list[str]


_decoder = msgspec.json.Decoder(_RemovalJson)
_encoder = msgspec.json.Encoder()


def write_removal(state_dir: Path, game_dir: GameDir, removal: Removal) -> None:
    """Put it on disk for good; raises StorageError."""
    data = encode_removal(removal)
    if len(data) > MAX_REMOVAL_BYTES:
        raise StorageError(f"its files take more than {MAX_REMOVAL_BYTES} bytes to note")
    beneath.make_folders(state_dir, removals_of(game_dir))
    for folder in ("", REMOVALS_FOLDER):
        beneath.sync_folder(state_dir, folder)
    path = removal_path(game_dir, removal.folder)
    beneath.write_file(state_dir, path, data, mode=beneath.PRIVATE_MODE)


def read_removal(state_dir: Path, game_dir: GameDir, folder: str) -> Removal | None:
    """The one of this folder, or None; raises IntegrityError when it makes no sense, StorageError.

    `folder` may be any name that a disk has.
    """
    try:
        path = removal_path(game_dir, folder)
        data = beneath.read_file(state_dir, path, MAX_REMOVAL_BYTES + 1)
    except StorageError as error:
        if is_missing(error):
            return None
        raise
    removal = decode_removal(data)
    if removal.folder != folder:
        raise IntegrityError(f"the removal {folder!a} is for {removal.folder!a}")
    return removal


def forget_removal(state_dir: Path, game_dir: GameDir, folder: str) -> None:
    """Take it from the disk; nothing happens when there is none. Raises StorageError."""
    beneath.remove_file(state_dir, removal_path(game_dir, folder))


def removal_folders(state_dir: Path, game_dir: GameDir) -> list[str]:
    """The folders that have a removal, in order; raises StorageError.

    What a kill left of writing a note is no note, and is removed.
    """
    try:
        names = [name for name, _ in beneath.list_folder(state_dir, removals_of(game_dir))]
    except StorageError as error:
        if is_missing(error):
            return []
        raise
    for name in names:
        if not is_folder_name(name):
            with suppress(StorageError):
                beneath.remove_tree(state_dir, removal_path(game_dir, name))
    return sorted(filter(is_folder_name, names))


def removals_of(game_dir: GameDir) -> str:
    """Where the notes about a game folder are, below the state folder."""
    return f"{REMOVALS_FOLDER}/{blake3(os.fsencode(game_dir.root)).hexdigest(16)}"


def removal_path(game_dir: GameDir, folder: str) -> str:
    """Where the note of a game's folder is, below the state folder."""
    return f"{removals_of(game_dir)}/{folder}"


def encode_removal(removal: Removal) -> bytes:
    """The bytes on disk; raises StorageError for a name that JSON cannot say."""
    try:
        return _encoder.encode(
            _RemovalJson(
                _FORMAT,
                removal.folder,
                _to_json(VERSION_INI, removal.version),
                [_to_json(path, thing) for path, thing in removal.files],
                list(removal.folders),
                list(removal.installed),
            )
        )
    except UnicodeEncodeError as error:
        raise StorageError(f"a name in {removal.folder!a} is no text", errno="EILSEQ") from error


def decode_removal(data: bytes) -> Removal:
    """The removal in `data`; raises IntegrityError unless we could have written it."""
    if len(data) > MAX_REMOVAL_BYTES:
        raise IntegrityError(f"removal: expected at most {MAX_REMOVAL_BYTES} bytes")
    try:
        raw = _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise IntegrityError(f"removal: {error}") from error
    if raw.lanspread_removal != _FORMAT or not is_folder_name(raw.folder):
        raise IntegrityError(f"removal: expected format {_FORMAT} and the name of a game's folder")
    shared = [raw.version.path, *(file.path for file in raw.files), *raw.folders]
    odd = [path for path in shared if not _is_below(path) or not is_shared(normal_path(path))]
    odd += [name for name in raw.installed if not _is_below(name) or not is_local_folder(name)]
    if odd or raw.version.path != VERSION_INI:
        raise IntegrityError(f"removal: {(odd or [raw.version.path])[0]!a} is no path of it")
    return Removal(
        raw.folder,
        _to_thing(raw.version),
        tuple((file.path, _to_thing(file)) for file in raw.files),
        tuple(raw.folders),
        tuple(raw.installed),
    )


def _to_json(path: str, thing: Thing) -> _FileJson:
    return _FileJson(path, thing.size, thing.mtime_ns)


def _to_thing(file: _FileJson) -> Thing:
    return Thing(Kind.FILE, file.size, file.mtime_ns)


def _is_below(path: str) -> bool:
    parts = path.split("/")
    return not any(part in ("", ".", "..") or "\0" in part or "\\" in part for part in parts)
