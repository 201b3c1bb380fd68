"""Game folders of random bytes, and whether a copy is whole."""

import os
import shutil
from pathlib import Path
from random import Random

import blake3

from bench.options import MIB

GAME = "game"
BIG_FILE = "game.eti"


def make_big_game(games: Path, size_bytes: int) -> Path:
    """A game whose bytes are in one file; the game's folder."""
    game = _begin(games)
    source = Random(size_bytes)
    left = size_bytes
    with (game / BIG_FILE).open("wb") as file:
        while left:
            left -= file.write(source.randbytes(min(left, MIB)))
    return game


def make_small_files(games: Path, count: int, size_bytes: int) -> Path:
    """A game of many files of one size, a hundred in each folder; the game's folder."""
    game = _begin(games)
    source = Random(count)
    for number in range(count):
        folder = game / f"part{number // 100:04}"
        if number % 100 == 0:
            folder.mkdir()
        (folder / f"file{number:06}").write_bytes(source.randbytes(size_bytes))
    return game


def hash_of(file: Path) -> str:
    """The BLAKE3 hash of a file."""
    return blake3.blake3().update_mmap(file).hexdigest()


def link_game(game: Path, games: Path) -> None:
    """The same game in another game folder, without another copy of its bytes."""
    shutil.copytree(game, games / game.name, copy_function=os.link)


def _begin(games: Path) -> Path:
    game = games / GAME
    game.mkdir(parents=True)
    (game / "version.ini").write_text("20240229\n", "utf-8")
    return game
