"""Things on disk as a journal knows them: whether what lies at a path is the one that was meant."""

import os
import stat as stat_kinds
from dataclasses import dataclass
from enum import Enum
from io import FileIO

from blake3 import blake3

from lanspread_peer.model.errors import StorageError
from lanspread_peer.model.manifest import chunk_hash, chunk_size_of
from lanspread_peer.storage import beneath
from lanspread_peer.storage.disk_errors import disk_errors, is_gone
from lanspread_peer.storage.game_dir import GameDir
from lanspread_peer.storage.stamp import time_of


class Kind(Enum):
    """What kind of thing; a link counts as itself."""

    FILE = "file"
    FOLDER = "folder"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Thing:
    """How a thing looked; moving it changes none of this.

    `digest` stands for the chunk hashes of a new file, or for all that is in a folder; it is empty
    where that is not known, or not meant. No inode: a game folder may be copied to another disk
    before the next start.
    """

    kind: Kind
    size: int
    mtime_ns: int
    digest: str = ""


def digest_of(hashes: bytes) -> str:
    """What stands for the chunk hashes of a file."""
    return blake3(hashes).hexdigest()


def thing_at(game_dir: GameDir, path: str) -> Thing | None:
    """What lies at a path, without a digest, or None; raises StorageError."""
    try:
        status = beneath.stat(game_dir.root, path)
    except StorageError as error:
        # A folder on the way became a file or a link.
        if is_gone(error):
            return None
        raise
    return None if status is None else thing_of(status)


def thing_of(status: os.stat_result) -> Thing:
    """The thing of that status, without a digest."""
    kind = _kind_of(status)
    if kind is Kind.FOLDER:
        # Size and time of a folder change with what is in it.
        return Thing(kind, 0, 0)
    return Thing(kind, status.st_size, time_of(status))


def is_at(game_dir: GameDir, thing: Thing, path: str) -> bool:
    """Whether this thing lies at a path; reads a file only where its time decides nothing.

    Raises StorageError.
    """
    there = thing_at(game_dir, path)
    if there is None or (there.kind, there.size) != (thing.kind, thing.size):
        return False
    if thing.kind is Kind.FOLDER:
        return not thing.digest or digest_of_folder(game_dir, path) == thing.digest
    if there.mtime_ns == thing.mtime_ns:
        return True
    return bool(thing.digest) and _digest_of_file(game_dir, path, thing.size) == thing.digest


def digest_of_folder(game_dir: GameDir, path: str) -> str:
    """What stands for the names, kinds, sizes and times of all in a folder; raises StorageError."""
    hasher = blake3()
    pending = [path]
    while pending:
        folder = pending.pop()
        for name, is_folder in sorted(beneath.list_folder(game_dir.root, folder)):
            inner = f"{folder}/{name}"
            hasher.update(f"{inner.removeprefix(path)}\0".encode("utf-8", "surrogateescape"))
            if is_folder:
                pending.append(inner)
            hasher.update(repr(thing_at(game_dir, inner)).encode("ascii"))
    return hasher.hexdigest()


def _kind_of(status: os.stat_result) -> Kind:
    attributes: int = getattr(status, "st_file_attributes", 0)
    if attributes & stat_kinds.FILE_ATTRIBUTE_REPARSE_POINT:
        return Kind.OTHER
    if stat_kinds.S_ISDIR(status.st_mode):
        return Kind.FOLDER
    return Kind.FILE if stat_kinds.S_ISREG(status.st_mode) else Kind.OTHER


def _digest_of_file(game_dir: GameDir, path: str, size: int) -> str:
    hashes = bytearray()
    with (
        FileIO(beneath.open_file(game_dir.root, path)) as file,
        disk_errors(f"read {path!a}"),
    ):
        while data := file.read(chunk_size_of(size)):
            hashes += chunk_hash(data)
    return digest_of(bytes(hashes))
