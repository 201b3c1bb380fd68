from dataclasses import replace
from pathlib import Path

import pytest

from lanspread_peer.model.errors import StorageError
from lanspread_peer.model.limits import KIB, MIB
from lanspread_peer.storage.game_dir import GameDir
from lanspread_peer.storage.staging_folder import remove_staging
from support.stagings import chunk_data, manifest_of, new_staging, read_stagings, staged_for
from support.storage_folders import make_files, make_game_dir, snapshot

FILES = {"big.eti": b"x" * MIB, "version.ini": b"1"}
MANIFEST = manifest_of(FILES)


@pytest.fixture
def game_dir(tmp_path: Path) -> GameDir:
    return make_game_dir(tmp_path / "games", {"aoe2": {"version.ini": b"1"}})


def _leave(game_dir: GameDir, name: str, recorded: int) -> Path:
    staging = new_staging(game_dir, MANIFEST, name)
    for number in range(recorded):
        staging.write_chunk(MANIFEST.chunk(number), chunk_data(MANIFEST, FILES, number))
    staging.record()
    staging.close()
    return game_dir.root / staging.folder


def test_none_is_found_where_there_never_was_one(game_dir: GameDir) -> None:
    assert read_stagings(game_dir) == []


def test_what_was_left_is_told(game_dir: GameDir) -> None:
    _leave(game_dir, "d2", 0)
    _leave(game_dir, "d1", 3)
    first, second = read_stagings(game_dir)
    assert (first.name, first.staged, first.fault) == ("d1", staged_for(MANIFEST, "d1"), "")
    assert first.recorded_bytes == 768 * KIB
    assert 768 * KIB <= first.disk_bytes < MIB
    assert (second.name, second.recorded_bytes) == ("d2", 0)
    assert second.disk_bytes < 256 * KIB


def test_the_broken_are_told_too(game_dir: GameDir, tmp_path: Path) -> None:
    outside = make_files(tmp_path / "outside", {"canary": b"canary"})
    staging = _leave(game_dir, "a", 3)
    (staging / "download.json").write_bytes(b"{}")
    (_leave(game_dir, "b", 3) / "manifest").unlink()
    (_leave(game_dir, "c", 3) / "record").unlink()
    make_files(game_dir.staging, {"file": b"x"})
    (game_dir.staging / "link").symlink_to(outside)
    make_files(game_dir.staging / ".new", {"x": b"x"})
    found = {each.name: each for each in read_stagings(game_dir)}
    assert found.keys() == {"a", "b", "c", "file", "link", ".new"}
    assert {name for name, each in found.items() if each.fault} == {
        "a",
        "b",
        "file",
        "link",
        ".new",
    }
    assert {name for name, each in found.items() if each.staged} == {"b", "c"}
    assert found["a"].disk_bytes > 0
    assert found["c"].recorded_bytes == 0
    for name in found:
        remove_staging(game_dir, name)
    assert read_stagings(game_dir) == []
    assert snapshot(game_dir.own) == {"scratch": None, "staging": None}
    assert snapshot(outside) == {"canary": b"canary"}


@pytest.mark.parametrize("name", ["", ".", "..", "../../aoe2", "d1/files", "/"])
def test_a_name_that_is_none_removes_nothing(game_dir: GameDir, name: str) -> None:
    _leave(game_dir, "d1", 1)
    before = snapshot(game_dir.root)
    with pytest.raises(StorageError):
        remove_staging(game_dir, name)
    assert snapshot(game_dir.root) == before


def test_removing_what_is_gone_is_no_error(game_dir: GameDir) -> None:
    remove_staging(game_dir, "d1")


def test_a_staging_that_was_taken_over_keeps_its_name(game_dir: GameDir) -> None:
    staging = new_staging(game_dir, MANIFEST, "d1")
    staging.set_staged(replace(staging.staged, id=staged_for(MANIFEST, "d2").id))
    staging.close()
    (found,) = read_stagings(game_dir)
    assert found.name == "d1"
    assert found.staged is not None
    assert found.staged.id == "d2"
