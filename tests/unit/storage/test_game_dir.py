import os
import shutil
from collections import namedtuple
from pathlib import Path

import pytest

from lanspread_peer.model.errors import DiskFull, GameDirUnusable, StorageError
from lanspread_peer.model.ids import parse_game_id
from lanspread_peer.model.limits import FREE_SPACE_RESERVE_BYTES, MIB
from lanspread_peer.storage.game_dir import GameDir
from support.storage_folders import make_game_dir, snapshot

_Usage = namedtuple("_Usage", ["total", "used", "free"])


def test_a_writable_folder_is_opened_and_left_as_it_was(tmp_path: Path) -> None:
    game_dir = GameDir.open(str(tmp_path))
    assert game_dir.root == tmp_path.resolve()
    assert snapshot(tmp_path) == {}


@pytest.mark.parametrize("path", ["", "relative/folder", "\0", "/dev/null", "/nowhere/at/all"])
def test_an_unusable_folder_is_refused_with_its_path(path: str) -> None:
    with pytest.raises(GameDirUnusable) as caught:
        GameDir.open(path)
    assert caught.value.metadata == {"game_dir": path}


def test_a_folder_that_cannot_be_written_is_refused() -> None:
    with pytest.raises(GameDirUnusable, match="cannot be written"):
        GameDir.open("/proc")


def test_a_link_that_the_user_named_is_resolved_once(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    assert GameDir.open(str(tmp_path / "link")).root == (tmp_path / "real").resolve()


def test_the_own_folder_is_made_when_needed(tmp_path: Path) -> None:
    game_dir = GameDir.open(str(tmp_path))
    assert game_dir.make_own() == game_dir.own == tmp_path / ".lanspread"
    assert game_dir.make_own().is_dir()
    assert game_dir.staging == tmp_path / ".lanspread" / "staging"


def test_a_link_in_the_place_of_the_own_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "games").mkdir()
    (tmp_path / "games/.lanspread").symlink_to(tmp_path / "outside")
    with pytest.raises(StorageError):
        GameDir.open(str(tmp_path / "games")).make_own()


@pytest.mark.parametrize(
    ("total", "free", "needed", "fits"),
    [
        (10**12, 10**9, 10**9 - FREE_SPACE_RESERVE_BYTES, True),
        (10**12, 10**9, 10**9 - FREE_SPACE_RESERVE_BYTES + 1, False),
        (100 * MIB, 100 * MIB, 95 * MIB, True),
        (100 * MIB, 100 * MIB, 95 * MIB + 1, False),
        (100 * MIB, MIB, 1, False),
        (100 * MIB, MIB, 0, True),
    ],
)
def test_a_reserve_stays_free(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    total: int,
    free: int,
    needed: int,
    fits: bool,
) -> None:
    game_dir = GameDir.open(str(tmp_path))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: _Usage(total, total - free, free))
    if fits:
        game_dir.require_space(needed)
        return
    with pytest.raises(DiskFull) as caught:
        game_dir.require_space(needed)
    assert caught.value.metadata["needed"] == str(needed)
    assert int(caught.value.metadata["free"]) < needed


def test_the_real_disk_has_room_for_a_byte_and_not_for_an_exbibyte(tmp_path: Path) -> None:
    game_dir = GameDir.open(str(tmp_path))
    game_dir.require_space(1)
    with pytest.raises(DiskFull):
        game_dir.require_space(2**60)


def test_a_game_is_found_under_any_spelling_of_its_name(tmp_path: Path) -> None:
    game_dir = make_game_dir(tmp_path, {"Caf\u0065\u0301": {"version.ini": b"1"}})
    assert game_dir.folder_of(parse_game_id("CAFÉ")) == "Cafe\u0301"
    assert game_dir.folder_of(parse_game_id("aoe2")) is None


def test_of_two_spellings_the_downloaded_one_is_taken(tmp_path: Path) -> None:
    game_dir = make_game_dir(tmp_path, {"AOE2": {}, "aoe2": {"version.ini": b"1"}, "Aoe2": {}})
    assert game_dir.folder_of(parse_game_id("aoE2")) == "aoe2"
    (tmp_path / "aoe2/version.ini").unlink()
    assert game_dir.folder_of(parse_game_id("aoE2")) == "AOE2"


def test_a_link_or_file_is_no_game_folder(tmp_path: Path) -> None:
    game_dir = make_game_dir(tmp_path / "games", {})
    (tmp_path / "games/aoe2").symlink_to(tmp_path)
    (tmp_path / "games/AOE2").write_bytes(os.urandom(4))
    assert game_dir.folder_of(parse_game_id("aoe2")) is None
