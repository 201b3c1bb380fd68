import os
from collections.abc import Callable
from pathlib import Path

import pytest

from lanspread_peer.model.limits import KIB
from lanspread_peer.model.manifest import chunk_hash
from lanspread_peer.storage.game_dir import GameDir
from lanspread_peer.storage.thing import (
    Kind,
    Thing,
    digest_of,
    digest_of_folder,
    is_at,
    thing_at,
)
from support.storage_folders import make_files, make_game_dir

CONTENT = os.urandom(300 * KIB)
HASHES = chunk_hash(CONTENT[: 256 * KIB]) + chunk_hash(CONTENT[256 * KIB :])


@pytest.fixture
def game_dir(tmp_path: Path) -> GameDir:
    game_dir = make_game_dir(
        tmp_path / "games", {"aoe2": {"a": CONTENT, "b/c": b"c", "b/d/e": b""}}
    )
    (game_dir.root / "aoe2/link").symlink_to("a")
    return game_dir


def _there(game_dir: GameDir, path: str) -> Thing:
    thing = thing_at(game_dir, path)
    assert thing is not None
    return thing


def test_each_kind_is_known_and_a_link_is_not_followed(game_dir: GameDir) -> None:
    kinds = {path: _there(game_dir, f"aoe2/{path}").kind for path in ("a", "b", "link")}
    assert kinds == {"a": Kind.FILE, "b": Kind.FOLDER, "link": Kind.OTHER}
    for path in ("aoe2/no", "aoe2/a/inner", "aoe2/link/inner", "no/no"):
        assert thing_at(game_dir, path) is None


def test_what_is_moved_is_the_same_thing(game_dir: GameDir) -> None:
    for path in ("a", "link"):
        thing = _there(game_dir, f"aoe2/{path}")
        assert is_at(game_dir, thing, f"aoe2/{path}")
        (game_dir.root / "aoe2" / path).rename(game_dir.root / path)
        assert is_at(game_dir, thing, path)
        assert not is_at(game_dir, thing, f"aoe2/{path}")


def test_another_time_size_or_kind_is_another_thing(game_dir: GameDir) -> None:
    path = game_dir.root / "aoe2/a"
    thing = _there(game_dir, "aoe2/a")
    os.utime(path, ns=(0, thing.mtime_ns + 1))
    assert not is_at(game_dir, thing, "aoe2/a")
    path.write_bytes(CONTENT[1:])
    os.utime(path, ns=(0, thing.mtime_ns))
    assert not is_at(game_dir, thing, "aoe2/a")
    assert not is_at(game_dir, thing, "aoe2/b")


def test_the_bytes_decide_where_the_time_does_not(game_dir: GameDir) -> None:
    path = game_dir.root / "aoe2/a"
    thing = Thing(Kind.FILE, len(CONTENT), 0, digest_of(HASHES))
    assert is_at(game_dir, thing, "aoe2/a")
    path.write_bytes(CONTENT[:-1] + bytes([CONTENT[-1] ^ 1]))
    assert not is_at(game_dir, thing, "aoe2/a")


def test_a_folder_is_the_same_while_all_in_it_is(game_dir: GameDir) -> None:
    before = digest_of_folder(game_dir, "aoe2/b")
    thing = Thing(Kind.FOLDER, 0, 0, before)
    (game_dir.root / "aoe2/b").rename(game_dir.root / "moved")
    assert is_at(game_dir, thing, "moved")
    edits: list[Callable[[], object]] = [
        lambda: make_files(game_dir.root, {"moved/x": b"x"}),
        lambda: (game_dir.root / "moved/x").rename(game_dir.root / "moved/y"),
        lambda: (game_dir.root / "moved/y").unlink(),
    ]
    seen = {before}
    for edit in edits[:2]:
        edit()
        assert not is_at(game_dir, thing, "moved")
        assert is_at(game_dir, Thing(Kind.FOLDER, 0, 0), "moved")
        seen.add(digest_of_folder(game_dir, "moved"))
    edits[2]()
    assert len(seen) == 3
    assert is_at(game_dir, thing, "moved")
