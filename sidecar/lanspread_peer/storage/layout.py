"""What lies in a game folder before a publish, and how its folders will be spelled after it.

A manifest may spell a folder in another case than the disk does. Left alone, a disk that respects
case would then hold both, which nobody could share, so such a folder is renamed to the manifest's
spelling. A spelling that differs in normal form only is the same name and stays.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from lanspread_peer.model.manifest import Manifest
from lanspread_peer.model.paths import fold_path
from lanspread_peer.storage import beneath
from lanspread_peer.storage.game_dir import GameDir, is_local_folder
from lanspread_peer.storage.records import normal_path


@dataclass(frozen=True, slots=True)
class Place:
    """Something on disk: its path now, and after the folders are respelled."""

    now: str
    then: str


@dataclass(frozen=True, slots=True)
class Layout:
    """All but `local/`, by folded path; paths are below the game's own folder.

    `others` are files, links and whatever else is no folder. `respelled` has the renames in order.
    """

    folders: Mapping[str, Place]
    others: Mapping[str, tuple[Place, ...]]
    respelled: tuple[tuple[str, str], ...]

    def within(self, folder: Place) -> list[Place]:
        """All others below a folder."""
        places = (place for places in self.others.values() for place in places)
        return [place for place in places if place.now.startswith(f"{folder.now}/")]


def read_layout(game_dir: GameDir, folder: str, manifest: Manifest) -> Layout:
    """The layout of a game folder, which may be missing yet; raises StorageError."""
    folders: list[str] = []
    others: list[str] = []
    if beneath.stat(game_dir.root, folder) is not None:
        folders, others = walk_game(game_dir, folder)
    places, respelled = _spell(folders, manifest)
    then_of = {"": "", **{place.now: place.then for place in places.values()}}
    for path in folders:
        # A second folder of one folded name keeps its own.
        then_of.setdefault(path, joined(then_of[parent(path)], name_in(path)))
    return Layout(places, _place_others(others, then_of), respelled)


def walk_game(game_dir: GameDir, folder: str) -> tuple[list[str], list[str]]:
    """All in a game but `local/`: folders, parents first, and others; raises StorageError."""
    folders: list[str] = []
    others: list[str] = []
    pending = [""]
    while pending:
        inner = pending.pop()
        for name, is_folder in beneath.list_folder(game_dir.root, joined(folder, inner)):
            if not inner and is_local_folder(name):
                continue
            path = joined(inner, name)
            if is_folder:
                folders.append(path)
                pending.append(path)
            else:
                others.append(path)
    return folders, others


def _spell(
    folders: Iterable[str], manifest: Manifest
) -> tuple[dict[str, Place], tuple[tuple[str, str], ...]]:
    wanted = {fold_path(path): path for path in manifest.directories}
    # The exact spelling first, so that it has the place and no other is renamed to it.
    exact = set(manifest.directories)
    order = sorted(folders, key=lambda path: (path.count("/"), normal_path(path) not in exact))
    places: dict[str, Place] = {}
    respelled: list[tuple[str, str]] = []
    for now in order:
        folded = fold_path(now)
        above = places.get(fold_path(parent(now)), Place("", ""))
        if folded in places or above.now != parent(now):
            continue
        spelled = wanted.get(folded)
        name = name_in(now)
        if spelled is not None and normal_path(name) != name_in(spelled):
            name = name_in(spelled)
            respelled.append((joined(above.then, name_in(now)), joined(above.then, name)))
        places[folded] = Place(now, joined(above.then, name))
    return places, tuple(respelled)


def _place_others(
    others: Iterable[str], then_of: Mapping[str, str]
) -> dict[str, tuple[Place, ...]]:
    places: dict[str, tuple[Place, ...]] = {}
    for now in others:
        place = Place(now, joined(then_of[parent(now)], name_in(now)))
        folded = fold_path(now)
        places[folded] = (*places.get(folded, ()), place)
    return places


def joined(folder: str, name: str) -> str:
    """The path of a name in a folder; either may be empty."""
    return f"{folder}/{name}" if folder and name else folder or name


def parent(path: str) -> str:
    """The folder part, empty at the top."""
    return path.rpartition("/")[0]


def name_in(path: str) -> str:
    """The last part."""
    return path.rpartition("/")[2]
