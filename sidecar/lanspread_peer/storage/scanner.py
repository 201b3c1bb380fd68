"""The scanner: which games lie in the game folder, and how their files look. It hashes nothing.

An unchanged rescan is what happens most, so per file it does little more than ask for its status:
what the previous scan knew is taken over, and a wholly unchanged game is the very same object.
Trouble in one game, even its folder vanishing meanwhile, stays that game's fault. In a sealed game
only the files of its manifest are looked at, so what else appears there costs and changes nothing.
"""

import os
import stat as stat_kinds
import sys
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import replace

from lanspread_peer.model.errors import InvalidField, StorageError
from lanspread_peer.model.game import Description
from lanspread_peer.model.ids import GameId, GameKey, parse_game_id
from lanspread_peer.model.limits import (
    MAX_GAME_BYTES,
    MAX_GAME_ID_BYTES,
    MAX_LIBRARY_GAMES,
    MAX_MANIFEST_BYTES,
    MAX_MANIFEST_ENTRIES,
)
from lanspread_peer.model.manifest import GAME_JSON, HASH_BYTES, VERSION_INI, chunk_size_of
from lanspread_peer.model.paths import SafeRelPath, first_collision, is_shared, path_fault
from lanspread_peer.model.version import Version
from lanspread_peer.storage import beneath
from lanspread_peer.storage.found import FoundFile, FoundGame
from lanspread_peer.storage.game_dir import GameDir, is_local_folder
from lanspread_peer.storage.game_files import read_description, read_version
from lanspread_peer.storage.records import Record
from lanspread_peer.storage.seal import NO_RECORD, look_at_seal
from lanspread_peer.storage.stamp import INODE_MASK, time_of

# The keys, quotes and brackets of a manifest line, and the decimal size.
_LINE_OVERHEAD_BYTES = 64


def survey(
    game_dir: GameDir, previous: Mapping[GameKey, FoundGame] | None = None
) -> list[FoundGame]:
    """The games in the folder by name; `previous` is what an earlier survey found.

    Of two folders that are one game, the first has it and the second a fault. Raises StorageError
    when the game folder itself cannot be listed.
    """
    known = {game.folder: game for game in (previous or {}).values() if game.game_dir == game_dir}
    listed = beneath.list_folder(game_dir.root, "")
    folders = sorted(name for name, is_folder in listed if is_folder and name[0] != ".")
    games: list[FoundGame] = []
    owners: dict[GameKey, str] = {}
    for folder in folders:
        game = survey_game(game_dir, folder, known.get(folder))
        if game is None:
            continue
        owner = owners.setdefault(game.key, folder)
        if owner != folder:
            game = replace(game, fault=f"{owner!a} is the same game")
        elif len(owners) > MAX_LIBRARY_GAMES:
            game = replace(game, fault=f"more than {MAX_LIBRARY_GAMES} games")
        games.append(game)
    return games


def survey_game(game_dir: GameDir, folder: str, known: FoundGame | None = None) -> FoundGame | None:
    """The game, or None when the folder holds none, or is gone."""
    if not _is_game(game_dir, folder):
        return None
    look = look_at_seal(game_dir, folder, NO_RECORD if known is None else known.look)
    # After a fault everything is looked at afresh: its reason may be gone. Under another seal,
    # other files count.
    if known is not None and (known.fault or known.look is not look):
        known = None
    walk = _Walk(game_dir, folder, known, look.seal)
    walk.run()
    if known is not None and walk.is_unchanged(known):
        return known
    try:
        version, description = _read_texts(game_dir, folder, walk, known)
    except StorageError as error:
        walk.fault = walk.fault or error.message
        version, description = Version(""), Description()
    game_id, id_fault = _id_of(folder)
    files = sorted(walk.files, key=lambda file: _byte_order(file.path))
    directories = tuple(sorted(walk.directories, key=_byte_order))
    fault = id_fault or walk.fault
    if look.seal is None:
        fault = fault or _fault_in(directories, files)
    else:
        files = _one_of_each(files)
        directories = look.seal.manifest.directories
        fault = fault or _fault_in_sealed(files)
    return FoundGame(
        game_dir,
        game_id,
        folder,
        version,
        walk.installed,
        description,
        tuple(files),
        directories,
        fault,
        look,
    )


def _is_game(game_dir: GameDir, folder: str) -> bool:
    try:
        status = beneath.stat(game_dir.root, f"{folder}/{VERSION_INI}")
    except StorageError:
        return False
    return status is not None and stat_kinds.S_ISREG(status.st_mode)


class _Walk:
    """One game folder being walked."""

    def __init__(
        self, game_dir: GameDir, folder: str, known: FoundGame | None, seal: Record | None = None
    ) -> None:
        self._top = f"{game_dir.root}{os.sep}{folder}"
        self._known: Mapping[str, FoundFile] = {} if known is None else known.by_disk_path
        self._inode_mask = INODE_MASK if game_dir.has_stable_inodes else 0
        self._sealed = None if seal is None else seal.manifest
        self._sealed_folders = frozenset(() if seal is None else seal.manifest.directories)
        self._folders = [""]
        self._reused = 0
        self.files: list[FoundFile] = []
        self.directories: list[SafeRelPath] = []
        self.installed = False
        self.fault = ""

    def run(self) -> None:
        while self._folders and not self.fault:
            folder = self._folders.pop()
            try:
                self._list(folder)
            except FileNotFoundError:
                # It vanished meanwhile, so it is not there.
                continue
            except OSError as error:
                if self._sealed is not None:
                    # What is in there is missing, and the rest is still what it was.
                    continue
                self.fault = f"cannot read {folder!a}: {error.strerror}"

    def is_unchanged(self, known: FoundGame) -> bool:
        return (
            self._reused == len(self.files) == len(known.files)
            and not self.fault
            and self.installed == known.installed
            and (self._sealed is not None or set(self.directories) == set(known.directories))
        )

    def _list(self, folder: str) -> None:
        known, mask = self._known, self._inode_mask
        prefix = f"{folder}/" if folder else ""
        with os.scandir(f"{self._top}/{folder}") as entries:
            for entry in entries:
                path = prefix + entry.name
                file = known.get(path)
                if file is None or not entry.is_file(follow_symlinks=False):
                    self._add(entry, path)
                    if self.fault:
                        return
                    continue
                try:
                    status = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue
                if (
                    file.mtime_ns == time_of(status)
                    and file.size == status.st_size
                    and file.inode == status.st_ino & mask
                ):
                    self._reused += 1
                    self.files.append(file)
                else:
                    self._add(entry, path)

    def _add(self, entry: "os.DirEntry[str]", path: str) -> None:
        """Take in what the previous scan did not know like this."""
        is_folder = entry.is_dir(follow_symlinks=False)
        if is_folder and path == entry.name and is_local_folder(path):
            self.installed = self.installed or not _is_reparse_point(entry)
            return
        is_file = entry.is_file(follow_symlinks=False)
        normal = _normal(path)
        if not (is_file or is_folder) or not is_shared(normal) or _is_reparse_point(entry):
            return
        if self._sealed is not None and not self._is_sealed_in(normal, is_folder=is_folder):
            return
        fault = path_fault(normal)
        if fault:
            self.fault = f"{path[:120]!a}: expected {fault}"
        elif len(self.files) + len(self.directories) >= MAX_MANIFEST_ENTRIES:
            self.fault = f"more than {MAX_MANIFEST_ENTRIES} files and folders"
        elif is_folder:
            self.directories.append(normal)
            self._folders.append(path)
        else:
            self._add_file(entry, path, normal)

    def _is_sealed_in(self, path: SafeRelPath, *, is_folder: bool) -> bool:
        assert self._sealed is not None
        return path in self._sealed_folders if is_folder else self._sealed.file(path) is not None

    def _add_file(self, entry: "os.DirEntry[str]", path: str, normal: SafeRelPath) -> None:
        try:
            status = entry.stat(follow_symlinks=False)
        except FileNotFoundError:
            return
        inode = status.st_ino & self._inode_mask
        self.files.append(FoundFile(path, normal, status.st_size, time_of(status), inode))


def _is_reparse_point(entry: "os.DirEntry[str]") -> bool:
    """On Windows, junctions and their like pass for real folders otherwise."""
    attributes = 0
    if sys.platform == "win32":
        attributes = entry.stat(follow_symlinks=False).st_file_attributes
    return bool(attributes & stat_kinds.FILE_ATTRIBUTE_REPARSE_POINT)


def _normal(path: str) -> SafeRelPath:
    return SafeRelPath(path if path.isascii() else unicodedata.normalize("NFC", path))


def _byte_order(path: SafeRelPath) -> bytes:
    return path.encode("utf-8", "surrogateescape")


def _id_of(folder: str) -> tuple[GameId, str]:
    """The game id, or, for people only, something like it and its fault."""
    try:
        return parse_game_id(folder), ""
    except InvalidField as error:
        escaped = folder.encode("ascii", "backslashreplace").decode("ascii")
        return GameId(escaped[:MAX_GAME_ID_BYTES]), f"the folder's name: expected {error.expected}"


def _read_texts(
    game_dir: GameDir, folder: str, walk: _Walk, known: FoundGame | None
) -> tuple[Version, Description]:
    """Both texts, read again only where their file changed."""
    now = {file.disk_path: file for file in walk.files if "/" not in file.disk_path}
    before = {} if known is None else known.by_disk_path
    if known is not None and now.get(VERSION_INI) is before.get(VERSION_INI):
        version = known.version
    else:
        version = read_version(game_dir, folder)
    if known is not None and now.get(GAME_JSON) is before.get(GAME_JSON):
        return version, known.description
    return version, read_description(game_dir, folder) if GAME_JSON in now else Description()


def _one_of_each(files: list[FoundFile]) -> list[FoundFile]:
    """One file per path: of names that differ in normal form only, the manifest's own spelling."""
    order = sorted(files, key=lambda file: (file.disk_path == file.path, file.disk_path))
    by_path = {file.path: file for file in order}
    return sorted(by_path.values(), key=lambda file: _byte_order(file.path))


def _fault_in_sealed(files: list[FoundFile]) -> str:
    # A disk that ignores case finds it under another spelling, which no other peer would.
    if all(file.path != VERSION_INI for file in files):
        return f"expected a file of exactly the name {VERSION_INI!r}"
    return ""


def _fault_in(directories: Iterable[SafeRelPath], files: list[FoundFile]) -> str:
    """Why a game whose paths are safe one by one cannot be shared all the same."""
    collision = first_collision([*directories, *(file.path for file in files)])
    if collision:
        return f"{collision[0]!a} and {collision[1]!a} are one name on some systems"
    if sum(file.size for file in files) > MAX_GAME_BYTES:
        return f"more than {MAX_GAME_BYTES} bytes"
    lines = [*directories, *(file.path for file in files)]
    text = sum(2 * len(line.encode("utf-8")) + _LINE_OVERHEAD_BYTES for line in lines)
    chunks = sum(-(-file.size // chunk_size_of(file.size)) for file in files)
    if text + chunks * HASH_BYTES * 2 > MAX_MANIFEST_BYTES:
        return f"its manifest would have more than {MAX_MANIFEST_BYTES} bytes"
    return ""
