"""What lies among a staging's files when they are to be published.

A folder is whole when it holds the files to be published and folders that are whole, each under
the very name, and nothing else: whoever moves it moves exactly those. What an earlier selection
left there, or anybody else, makes a folder one that is not.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from lanspread_peer.model.errors import StorageError
from lanspread_peer.model.manifest import FileEntry
from lanspread_peer.model.paths import SafeRelPath
from lanspread_peer.storage import beneath
from lanspread_peer.storage.disk_errors import is_gone
from lanspread_peer.storage.game_dir import GameDir
from lanspread_peer.storage.layout import joined, name_in, parent
from lanspread_peer.storage.thing import Kind, Thing, thing_of


@dataclass(frozen=True, slots=True)
class StagedTree:
    """How the files look, by their path below the game folder, and the folders that are whole."""

    things: Mapping[str, Thing]
    whole: Collection[SafeRelPath]


def look_at_staged(
    game_dir: GameDir, staged: str, directories: Sequence[SafeRelPath], files: Sequence[FileEntry]
) -> StagedTree:
    """Look at the `files` to be published, which lie in `staged`; raises StorageError.

    `directories` are the manifest's, parents first.
    """
    wanted: dict[str, set[str]] = {path: set() for path in ("", *directories)}
    for path in (*directories, *(entry.path for entry in files)):
        wanted[parent(path)].add(name_in(path))
    things: dict[str, Thing] = {}
    fitting = {path for path in directories if wanted[path]}
    for inner, names in wanted.items():
        folder = joined(staged, inner)
        found = _things_in(game_dir, folder)
        if found.keys() != names:
            fitting.discard(SafeRelPath(inner))
        things |= {f"{folder}/{name}": each for name, each in found.items()}
    for entry in files:
        there = things.get(f"{staged}/{entry.path}")
        if there is None or (there.kind, there.size) != (Kind.FILE, entry.size):
            fitting.discard(SafeRelPath(parent(entry.path)))
    return StagedTree(things, _whole(fitting, directories))


def _whole(fitting: set[SafeRelPath], directories: Sequence[SafeRelPath]) -> set[SafeRelPath]:
    """Those that fit and hold none that does not."""
    whole = set(fitting)
    for path in reversed(directories):
        if path not in whole:
            whole.discard(SafeRelPath(parent(path)))
    return whole


def _things_in(game_dir: GameDir, path: str) -> dict[str, Thing]:
    """By name, and none where there is no folder."""
    try:
        statuses = beneath.list_statuses(game_dir.root, path)
    except StorageError as error:
        if is_gone(error):
            return {}
        raise
    return {name: thing_of(status) for name, status in statuses.items()}
