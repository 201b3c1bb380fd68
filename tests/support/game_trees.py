"""Game folders made for tests, and comparing them."""

import filecmp
from pathlib import Path
from random import Random

MIB = 2**20


def make_game(
    root: Path, game_id: str = "aoe2", *, megabytes: int = 1, version: str = "20240229"
) -> Path:
    """A game with one large file, a few small ones, and installed content that is never shared."""
    source = Random(f"{game_id} {version}")
    game = root / game_id
    (game / "data" / "maps").mkdir(parents=True)
    with (game / f"{game_id}.eti").open("wb") as archive:
        for _ in range(megabytes):
            archive.write(source.randbytes(MIB))
    for number in range(5):
        (game / "data" / "maps" / f"map{number}").write_bytes(source.randbytes(3000 * number))
    (game / "local").mkdir()
    (game / "local" / "savegame").write_text("never shared")
    (game / "version.ini").write_text(f"{version}\n")
    return game


def shared_files(game: Path) -> dict[str, bytes]:
    """Path and bytes of every file that is to be shared."""
    return {
        path.relative_to(game).as_posix(): path.read_bytes()
        for path in sorted(game.rglob("*"))
        if path.is_file() and path.relative_to(game).parts[0] != "local"
    }


def differences(left: Path, right: Path, *, ignore: tuple[str, ...] = ("local",)) -> list[str]:
    """The relative paths that are not the same file or folder in both."""
    names = {
        path.relative_to(root)
        for root in (left, right)
        for path in root.rglob("*")
        if path.relative_to(root).parts[0] not in ignore
    }
    return sorted(name.as_posix() for name in names if not _are_equal(left / name, right / name))


def _are_equal(left: Path, right: Path) -> bool:
    if left.is_dir() or right.is_dir():
        return left.is_dir() and right.is_dir()
    return left.is_file() and right.is_file() and filecmp.cmp(left, right, shallow=False)
