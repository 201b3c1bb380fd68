"""Manifests of made-up games, from their files' bytes or from sizes alone."""

from collections.abc import Iterable, Mapping

from lanspread_peer.model.manifest import (
    HASH_BYTES,
    FileEntry,
    Manifest,
    chunk_hash,
    chunk_size_of,
)
from lanspread_peer.model.paths import SafeRelPath, parent_of, parse_path


def file_entry(path: str, data: bytes) -> FileEntry:
    """The entry of a file with these bytes."""
    size = chunk_size_of(len(data))
    hashes = (chunk_hash(data[start : start + size]) for start in range(0, len(data), size))
    return FileEntry(parse_path(path), len(data), b"".join(hashes))


def sized_entry(path: str, size: int) -> FileEntry:
    """The entry of a file of this size whose hashes are all zeros."""
    return FileEntry(SafeRelPath(path), size, bytes(-(-size // chunk_size_of(size)) * HASH_BYTES))


def manifest_of(entries: Iterable[FileEntry], directories: Iterable[str] = ()) -> Manifest:
    """The manifest of these files in their right order, with the folders they need."""
    files = sorted(entries, key=lambda entry: entry.path.encode())
    folders = {parse_path(path) for path in directories}
    for path in [*folders, *(entry.path for entry in files)]:
        parent = parent_of(path)
        while parent is not None:
            folders.add(parent)
            parent = parent_of(parent)
    return Manifest(tuple(sorted(folders, key=str.encode)), tuple(files))


def game_manifest(files: Mapping[str, bytes], version: bytes = b"20240229") -> Manifest:
    """The manifest of a game with these files and a `version.ini`."""
    whole = {"version.ini": version, **files}
    return manifest_of(file_entry(path, data) for path, data in whole.items())
