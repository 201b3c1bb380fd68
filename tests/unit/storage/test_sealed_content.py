"""A sealed game keeps its content, whatever else happens in its folder."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from lanspread_peer.model.errors import NotFoundByPeer, Stale, StorageError
from lanspread_peer.model.paths import SafeRelPath
from lanspread_peer.storage import beneath, scanner
from lanspread_peer.storage.hasher import what_stays
from lanspread_peer.storage.served_file import open_served
from support.player import NEW, OLD, Player
from support.sealed import downloaded, find_again
from support.storage_folders import find_game, index_game, make_files

MANIFEST = ".lanspread/records/aoe2/manifest"


def test_saves_and_logs_are_neither_looked_at_nor_shared(player: Player) -> None:
    before = downloaded(player)
    saves = {"game.log": b"x", "saves/1/slot": b"save", "data/screenshot.tga": b"x" * 999}
    make_files(player.root, saves)
    (player.root / "mine").mkdir()
    found = find_again(player, before.found)
    assert found is before.found
    now, read = player.rescan()
    assert read == 0
    assert now == before
    assert player.index.rows_of(player.game_dir, "aoe2").keys() == OLD.keys()
    for path in saves:
        with pytest.raises(NotFoundByPeer):
            open_served(player.game_dir, now, path)


@pytest.mark.parametrize("name", ["CON.log", "GAME.ETI", "a:b", "d/" * 40 + "deep"])
def test_a_name_that_could_not_be_shared_does_no_harm_in_a_sealed_game(
    player: Player, name: str
) -> None:
    before = downloaded(player)
    make_files(player.root, {name: b"x"})
    assert player.rescan() == (before, 0)


def changed_size(path: Path) -> None:
    path.write_bytes(b"longer than it was")


def changed_bytes(path: Path) -> None:
    path.write_bytes(b"new"[: len(OLD["data/changed"])])


def swapped_for_a_link(path: Path) -> None:
    path.unlink()
    path.symlink_to("../same.pak")


def swapped_for_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


HARMS = [changed_size, changed_bytes, Path.unlink, swapped_for_a_link, swapped_for_a_folder]


@pytest.mark.parametrize("harm", HARMS)
def test_a_file_that_is_not_as_it_was_is_not_offered_and_the_rest_is(
    player: Player, harm: Callable[[Path], None]
) -> None:
    before = downloaded(player)
    harm(player.root / "data/changed")
    game, read = player.rescan()
    # One whose size is another needs no reading.
    assert read == (len(b"new") if harm is changed_bytes else 0)
    assert (game.content_id, game.manifest_bytes) == (before.content_id, before.manifest_bytes)
    assert (game.local.missing_files, game.local.missing_bytes) == (1, len(OLD["data/changed"]))
    assert not game.local.is_whole
    assert game.local.summary == before.local.summary
    with pytest.raises(NotFoundByPeer):
        open_served(player.game_dir, game, "data/changed")
    with open_served(player.game_dir, game, "game.eti") as served:
        assert served.read(0, 3) == b"old"
    # What was found out is not found out again.
    assert player.rescan() == (game, 0)


def test_a_file_that_changes_after_the_survey_is_stale(player: Player) -> None:
    game = downloaded(player)
    changed_bytes(player.root / "data/changed")
    with pytest.raises(Stale):
        open_served(player.game_dir, game, "data/changed")


def test_a_touched_file_that_is_equal_is_offered_after_it_was_read(player: Player) -> None:
    before = downloaded(player)
    os.utime(player.root / "game.eti", ns=(1, 1))
    game, read = player.rescan()
    assert read == len(OLD["game.eti"])
    assert game.local == before.local
    assert game.served.keys() == before.served.keys()
    assert player.rescan() == (game, 0)


def test_a_file_that_comes_back_is_offered_again(player: Player) -> None:
    before = downloaded(player)
    (player.root / "same.pak").unlink()
    assert player.rescan()[0].local.missing_files == 1
    make_files(player.root, {"same.pak": OLD["same.pak"]})
    assert player.rescan()[0].local == before.local


def test_a_selection_is_sealed_with_what_was_not_selected_missing(player: Player) -> None:
    offered = player.offer(OLD)
    player.download(offered, select=["version.ini", "game.eti"])
    game, read = player.rescan()
    assert read == 0
    assert game.content_id == offered.content_id
    assert game.served.keys() == {"version.ini", "game.eti"}
    assert game.local.missing_files == len(OLD) - 2
    assert game.local.missing_bytes == sum(
        len(content) for path, content in OLD.items() if path not in game.served
    )
    player.download(offered)
    assert player.rescan()[0].local.is_whole


def test_what_appears_in_a_sealed_game_is_not_even_asked_for_its_status(
    player: Player, monkeypatch: pytest.MonkeyPatch
) -> None:
    game = downloaded(player).found
    make_files(player.root, {f"saves/{number}": b"x" for number in range(50)})
    listed: list[str] = []
    looked_at: list[str] = []

    class Watched(scanner._Walk):
        def _list(self, folder: str) -> None:
            listed.append(folder)
            super()._list(folder)

        def _add_file(self, entry: "os.DirEntry[str]", path: str, normal: SafeRelPath) -> None:
            looked_at.append(path)
            super()._add_file(entry, path, normal)

    monkeypatch.setattr(scanner, "_Walk", Watched)
    assert find_again(player, game) is game
    assert set(listed) == {"", "data", "dropped", "dropped/deep"}
    assert looked_at == []


def test_of_two_names_in_different_normal_forms_the_manifests_own_counts(player: Player) -> None:
    files = {"version.ini": b"1", "\u00fc.pak": b"right"}
    player.download(player.offer(files))
    before = player.rescan()[0]
    make_files(player.root, {"u\u0308.pak": b"other"})
    if len(list(player.root.glob("*.pak"))) == 1:
        pytest.skip("this disk takes both for one")
    assert player.rescan()[0].local == before.local
    assert player.rescan()[0].served["\u00fc.pak"].disk_path == "\u00fc.pak"  # type: ignore[index]


def test_a_folder_that_vanished_clears_its_files_only(player: Player) -> None:
    before = downloaded(player)
    shutil.rmtree(player.root / "dropped")
    game, read = player.rescan()
    assert (read, game.content_id) == (0, before.content_id)
    assert game.local.missing_files == 2
    assert game.found.directories == before.found.directories


def test_an_empty_folder_that_goes_changes_nothing(player: Player) -> None:
    make_files(player.source.root / "aoe2", OLD)
    (player.source.root / "aoe2/empty").mkdir()
    player.download(index_game(player.source, "aoe2", player.source_index)[0])
    game = player.rescan()[0].found
    (player.root / "empty").rmdir()
    assert find_again(player, game) is game


def test_what_surely_stays_is_offered_before_anything_is_hashed_again(player: Player) -> None:
    before = downloaded(player)
    os.utime(player.root / "game.eti", ns=(1, 1))
    stays = what_stays(before, find_again(player, before.found))
    assert stays is not None
    assert stays.served.keys() == OLD.keys() - {"game.eti"}
    assert stays.local.missing_bytes == len(OLD["game.eti"])
    assert stays.local.summary == before.local.summary


def test_nothing_surely_stays_of_a_game_that_is_another_now(player: Player) -> None:
    before = downloaded(player)
    os.utime(player.root / "version.ini", ns=(1, 1))
    assert what_stays(before, find_again(player, before.found)) is None
    make_files(player.root, {"version.ini": b"4"})
    assert what_stays(before, find_again(player, before.found)) is None
    player.download(player.offer(OLD))
    before, _ = player.rescan()
    player.download(player.offer({**NEW, "version.ini": OLD["version.ini"]}))
    assert what_stays(before, find_again(player, before.found)) is None
    make_files(player.game_dir.root / "other", OLD)
    mine, _ = index_game(player.game_dir, "other", player.index)
    make_files(player.game_dir.root / "other", {"save": b"1"})
    assert what_stays(mine, find_game(player.game_dir, "other")) is None


def test_a_file_that_the_disk_cannot_read_is_only_missing(
    player: Player, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = downloaded(player)
    os.utime(player.root / "game.eti", ns=(1, 1))
    os.utime(player.root / "same.pak", ns=(1, 1))
    open_file = beneath.open_file

    def failing(root: Path, path: str) -> int:
        if path == "aoe2/game.eti":
            raise StorageError("cannot read", errno="EIO")
        return open_file(root, path)

    with monkeypatch.context() as patch:
        patch.setattr(beneath, "open_file", failing)
        game, _ = player.rescan()
    assert game.served.keys() == OLD.keys() - {"game.eti"}
    assert player.rescan()[0].local == before.local


def test_a_folder_that_cannot_be_listed_clears_its_files_only(
    player: Player, monkeypatch: pytest.MonkeyPatch
) -> None:
    downloaded(player)
    scandir = os.scandir

    def failing(path: str) -> object:
        if str(path).endswith("/data"):
            raise PermissionError
        return scandir(path)

    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", failing)
        game, _ = player.rescan()
    assert game.served.keys() == OLD.keys() - {"data/changed"}
