import errno
import os
from pathlib import Path

import pytest

from lanspread_peer.model.errors import FileLocked, StorageError
from lanspread_peer.storage import beneath_posix
from lanspread_peer.storage.game_dir import GameDir
from lanspread_peer.storage.scratch import bury, clear_scratch, things_in_scratch
from support.storage_folders import make_files, make_game_dir, snapshot


@pytest.fixture
def game_dir(tmp_path: Path) -> GameDir:
    return make_game_dir(tmp_path / "games", {"aoe2": {"a": b"a", "b/c": b"c"}})


def test_what_is_buried_is_gone(game_dir: GameDir) -> None:
    bury(game_dir, "aoe2")
    bury(game_dir, "aoe2")
    assert snapshot(game_dir.root) == {".lanspread": None, ".lanspread/scratch": None}


def test_it_is_gone_at_once_or_not_at_all(
    game_dir: GameDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object, **__: object) -> None:
        raise OSError("the power is off")

    with monkeypatch.context() as patch:
        patch.setattr(beneath_posix, "remove_tree", stop)
        with pytest.raises(StorageError):
            bury(game_dir, "aoe2")
    assert not (game_dir.root / "aoe2").exists()
    clear_scratch(game_dir)
    assert snapshot(game_dir.own) == {"scratch": None}


def test_what_cannot_be_buried_is_removed_where_it_is(
    game_dir: GameDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(os, "mkdir", refuse)
    bury(game_dir, "aoe2")
    assert snapshot(game_dir.root) == {}


def test_links_are_removed_and_not_followed(game_dir: GameDir, tmp_path: Path) -> None:
    outside = make_files(tmp_path / "outside", {"canary": b"canary"})
    clear_scratch(game_dir)
    (game_dir.root / "link").symlink_to(outside)
    bury(game_dir, "link")
    (game_dir.own / "scratch/link").symlink_to(outside)
    (game_dir.own / "scratch/file").write_bytes(b"x")
    clear_scratch(game_dir)
    assert snapshot(game_dir.own) == {"scratch": None}
    assert snapshot(outside) == {"canary": b"canary"}


def test_what_cannot_be_removed_keeps_nothing_else_there(
    game_dir: GameDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_files(game_dir.own / "scratch", {"1": b"", "held/file": b"", "held/more": b"", "z": b""})
    unlink = os.unlink

    def unlink_others(path: str, *, dir_fd: int | None = None) -> None:
        if path == "file":
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))
        unlink(path, dir_fd=dir_fd)

    monkeypatch.setattr(os, "unlink", unlink_others)
    with pytest.raises(FileLocked):
        clear_scratch(game_dir)
    assert things_in_scratch(game_dir) == ["held"]
    assert snapshot(game_dir.own / "scratch") == {"held": None, "held/file": b""}
