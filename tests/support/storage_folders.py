"""Game folders on a real disk: made from a mapping, scanned, staged, and compared byte by byte."""

from collections.abc import Mapping
from pathlib import Path

from lanspread_peer.storage.found import FoundGame
from lanspread_peer.storage.game_dir import GameDir
from lanspread_peer.storage.hasher import IndexedGame, hash_game, plan
from lanspread_peer.storage.index import Index
from lanspread_peer.storage.scanner import survey
from lanspread_peer.storage.staging import Staging

AOE2: Mapping[str, bytes] = {
    "version.ini": b"20240229\n",
    "aoe2.eti": b"archive" * 100_000,
    "data/empty": b"",
    "data/maps/arena.rms": b"arena",
}


def make_files(root: Path, files: Mapping[str, bytes]) -> Path:
    """Write files below a folder, which is made."""
    root.mkdir(parents=True, exist_ok=True)
    for path, content in files.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    return root


def make_game_dir(path: Path, games: Mapping[str, Mapping[str, bytes]]) -> GameDir:
    """A game folder with games by folder name."""
    path.mkdir(parents=True, exist_ok=True)
    for folder, files in games.items():
        make_files(path / folder, files)
    return GameDir.open(str(path))


def snapshot(root: Path) -> dict[str, bytes | str | None]:
    """All that lies below a folder: the bytes of files, the targets of links, None for folders."""
    tree: dict[str, bytes | str | None] = {}
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        if path.is_symlink():
            tree[name] = f"link to {path.readlink()}"
        else:
            tree[name] = None if path.is_dir() else path.read_bytes()
    return tree


def find_game(game_dir: GameDir, folder: str) -> FoundGame:
    """The one game of that folder name."""
    (game,) = (game for game in survey(game_dir) if game.folder == folder)
    return game


def index_game(game_dir: GameDir, folder: str, index: Index) -> tuple[IndexedGame, int]:
    """The indexed game, and how many bytes were read to make it."""
    read: list[int] = []
    game = hash_game(
        game_dir,
        plan(find_game(game_dir, folder), index),
        index,
        on_bytes=read.append,
        is_cancelled=lambda: False,
    )
    assert game is not None
    return game, sum(read)


def fill_staging(staging: Staging, source: IndexedGame) -> None:
    """Write every chunk of the staged files, as they lie in the source's game folder."""
    manifest = source.manifest
    root = source.found.game_dir.root / source.found.folder
    prepared = {chunk.file.path for chunk in staging.missing_chunks()}
    for path, file in source.served.items():
        content = (root / file.disk_path).read_bytes()
        if path not in prepared:
            continue
        for chunk in manifest.chunks_of(path):
            data = memoryview(content)[chunk.offset : chunk.offset + chunk.length]
            staging.write_chunk(chunk, data)


def open_descriptors() -> int:
    """How many descriptors this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))
