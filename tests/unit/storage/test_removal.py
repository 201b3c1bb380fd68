"""Removing games from a real disk: what goes, what stays, and what a cut leaves."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from lanspread_peer.model.errors import DiskFailure, GameDirGone
from lanspread_peer.storage import beneath
from lanspread_peer.storage.records import record_path
from lanspread_peer.storage.removal import (
    FinishedRemoval,
    RemovalStep,
    Removed,
    finish_removals,
    remove_game,
)
from lanspread_peer.storage.removal_note import (
    removal_path,
)
from lanspread_peer.storage.scanner import survey
from support.player import OLD, Player, files_in
from support.removals import GAME_BYTES, Killed, kill_before, notes, own_files, removed
from support.storage_folders import make_files, snapshot

PERSONS = {
    "saves/one.sav": b"hours of work",
    "debug.log": b"log",
    ".hidden": b"hidden",
    "local/aoe2.exe": b"installed",
}


def downloaded_with_persons_files(player: Player) -> None:
    shutil.rmtree(player.root, ignore_errors=True)
    player.download(player.offer(OLD))
    make_files(player.root, PERSONS)
    (player.root / "link").symlink_to("saves")


def test_of_a_downloaded_game_only_what_was_downloaded_goes(player: Player) -> None:
    downloaded_with_persons_files(player)
    assert removed(player) == Removed(GAME_BYTES, 0)
    assert set(files_in(player.root)) == {*PERSONS, "link"}
    assert not (player.root / "dropped").exists()
    assert own_files(player) == []
    assert player.index.rows_of(player.game_dir, "aoe2") == {}
    assert survey(player.game_dir) == []


def test_a_changed_version_makes_no_saves_part_of_what_was_downloaded(player: Player) -> None:
    downloaded_with_persons_files(player)
    (player.root / "version.ini").write_bytes(b"1\n")
    assert removed(player) == Removed(GAME_BYTES + 1, 0)
    assert set(files_in(player.root)) == {*PERSONS, "link"}


def test_while_nobody_can_read_what_was_downloaded_nothing_goes(
    player: Player, monkeypatch: pytest.MonkeyPatch
) -> None:
    downloaded_with_persons_files(player)
    before, open_any = snapshot(player.root), beneath.open_file

    def open_others(root: Path, path: str, **how: Any) -> int:
        if path == record_path("aoe2"):
            raise DiskFailure("bad sector", errno="EIO")
        return open_any(root, path, **how)

    monkeypatch.setattr(beneath, "open_file", open_others)
    with pytest.raises(DiskFailure):
        removed(player)
    assert snapshot(player.root) == before


def test_without_other_files_the_folder_goes_too(player: Player) -> None:
    player.download(player.offer(OLD))
    assert removed(player) == Removed(GAME_BYTES, 0)
    assert not player.root.exists()


def test_a_changed_file_of_the_content_goes_too(player: Player) -> None:
    player.download(player.offer(OLD))
    (player.root / "data" / "changed").write_bytes(b"broken")
    assert removed(player) == Removed(GAME_BYTES + len("broken") - len("old"), 0)
    assert not player.root.exists()


def test_of_a_game_that_was_put_there_all_that_is_shared_goes(player: Player) -> None:
    make_files(player.root, {**OLD, **PERSONS})
    (player.root / "empty" / "within").mkdir(parents=True)
    (player.root / "link").symlink_to("saves")
    assert removed(player) is not None
    assert set(files_in(player.root)) == {".hidden", "local/aoe2.exe", "link"}
    assert not (player.root / "empty").exists()


def test_installed_content_goes_when_that_is_asked_for(player: Player) -> None:
    player.download(player.offer(OLD))
    make_files(player.root, {"local/deep/aoe2.exe": b"installed"})
    assert removed(player, remove_installed=True) == Removed(GAME_BYTES, 0)
    assert not player.root.exists()


def test_a_link_in_place_of_installed_content_stays(player: Player, tmp_path: Path) -> None:
    outside = make_files(tmp_path / "outside", {"mine": b"mine"})
    player.download(player.offer(OLD))
    (player.root / "local").symlink_to(outside)
    assert removed(player, remove_installed=True) is not None
    assert (player.root / "local").is_symlink()
    assert snapshot(outside) == {"mine": b"mine"}


def test_a_folder_without_a_game_is_left_alone(player: Player) -> None:
    make_files(player.root, {"notes.txt": b"mine"})
    assert removed(player) is None
    assert set(files_in(player.root)) == {"notes.txt"}


def test_a_link_in_place_of_the_version_is_no_game(player: Player, tmp_path: Path) -> None:
    outside = make_files(tmp_path / "outside", {"version.ini": b"1"})
    make_files(player.root, {"aoe2.eti": b"mine"})
    (player.root / "version.ini").symlink_to(outside / "version.ini")
    assert removed(player) is None
    assert set(files_in(player.root)) == {"aoe2.eti", "version.ini"}


def test_a_kill_before_any_step_leaves_the_game_or_none_and_the_rest_follows(
    player: Player,
) -> None:
    outcomes: list[bool] = []
    for number in range(100):
        downloaded_with_persons_files(player)
        before = snapshot(player.root)
        try:
            remove_game(
                player.game_dir,
                "aoe2",
                player.index,
                remove_installed=True,
                before_step=kill_before(number),
            )
        except Killed:
            pass
        else:
            break
        is_there = (player.root / "version.ini").exists()
        outcomes.append(is_there)
        if is_there:
            assert snapshot(player.root) == before
            assert finish_removals(player.game_dir, player.index) == []
            assert snapshot(player.root) == before
            assert removed(player, remove_installed=True) is not None
        else:
            assert survey(player.game_dir) == []
            assert finish_removals(player.game_dir, player.index) == [FinishedRemoval("aoe2", 0)]
        assert set(files_in(player.root)) == {"saves/one.sav", "debug.log", ".hidden", "link"}
        assert own_files(player) == []
        assert finish_removals(player.game_dir, player.index) == []
    # The note, the version, the record, six files, local/, four folders, the note again.
    assert outcomes == [True] * 2 + [False] * 12


def test_a_kill_while_a_start_finishes_it_is_finished_by_the_next(player: Player) -> None:
    for number in range(5):
        downloaded_with_persons_files(player)
        with pytest.raises(Killed):
            remove_game(player.game_dir, "aoe2", player.index, before_step=kill_before(2))
        with pytest.raises(Killed):
            finish_removals(player.game_dir, player.index, before_step=kill_before(number))
        finish_removals(player.game_dir, player.index)
        assert set(files_in(player.root)) == {*PERSONS, "link"}


def test_what_came_to_lie_there_since_the_kill_stays(player: Player) -> None:
    player.download(player.offer(OLD))
    with pytest.raises(Killed):
        remove_game(player.game_dir, "aoe2", player.index, before_step=kill_before(3))
    (player.root / "game.eti").write_bytes(b"of a person")
    assert finish_removals(player.game_dir, player.index) == [FinishedRemoval("aoe2", 0)]
    assert files_in(player.root) == {"game.eti": b"of a person"}


def test_a_game_that_came_since_the_kill_stays_whole(player: Player) -> None:
    player.download(player.offer(OLD))
    with pytest.raises(Killed):
        remove_game(player.game_dir, "aoe2", player.index, before_step=kill_before(3))
    (player.root / "version.ini").write_bytes(b"2")
    before = snapshot(player.root)
    assert finish_removals(player.game_dir, player.index) == []
    assert snapshot(player.root) == before
    assert own_files(player) == []


def test_a_note_that_somebody_put_to_the_games_counts_for_nothing(player: Player) -> None:
    player.download(player.offer(OLD))
    with pytest.raises(Killed):
        remove_game(player.game_dir, "aoe2", player.index, before_step=kill_before(2))
    ours = player.index.state_dir / removal_path(player.game_dir, "aoe2")
    before = snapshot(player.root)
    make_files(player.game_dir.root / ".lanspread/removals", {"aoe2": ours.read_bytes()})
    ours.unlink()
    assert finish_removals(player.game_dir, player.index) == []
    assert removed(player, remove_installed=True) is None
    assert snapshot(player.root) == before


def test_what_was_cut_waits_while_the_disk_of_the_games_is_not_mounted(
    player: Player, tmp_path: Path
) -> None:
    player.download(player.offer(OLD))
    with pytest.raises(Killed):
        remove_game(player.game_dir, "aoe2", player.index, before_step=kill_before(3))
    root = player.game_dir.root
    root.rename(tmp_path / "unplugged")
    root.mkdir()
    assert finish_removals(player.game_dir, player.index) == []
    root.rmdir()
    (tmp_path / "unplugged").rename(root)
    assert finish_removals(player.game_dir, player.index) == [FinishedRemoval("aoe2", 0)]
    assert not player.root.exists()


def test_a_folder_that_is_never_shared_stays_and_does_not_hinder(player: Player) -> None:
    make_files(player.root, OLD)
    (player.root / ".git" / "refs").mkdir(parents=True)
    with pytest.raises(Killed):
        remove_game(player.game_dir, "aoe2", player.index, before_step=kill_before(2))
    assert finish_removals(player.game_dir, player.index) == [FinishedRemoval("aoe2", 0)]
    assert snapshot(player.root) == {".git": None, ".git/refs": None}


def test_a_folder_that_becomes_a_link_meanwhile_leads_nowhere(
    player: Player, tmp_path: Path
) -> None:
    player.download(player.offer(OLD))
    data, outside = player.root / "data", tmp_path / "outside"

    def swap(step: RemovalStep) -> None:
        if step is RemovalStep.REMOVE_VERSION:
            # The very same files, sizes and times, but elsewhere.
            data.rename(outside)
            data.symlink_to(outside)

    result = remove_game(player.game_dir, "aoe2", player.index, before_step=swap)
    assert result is not None
    assert result.left_files == 0
    assert snapshot(outside) == {"changed": b"old"}
    assert data.is_symlink()


def test_a_game_folder_that_becomes_a_link_meanwhile_leads_nowhere(
    player: Player, tmp_path: Path
) -> None:
    player.download(player.offer(OLD))
    before, outside = snapshot(player.root), tmp_path / "outside"

    def swap(step: RemovalStep) -> None:
        if step is RemovalStep.REMOVE_VERSION:
            player.root.rename(outside)
            player.root.symlink_to(outside)

    with pytest.raises(Exception, match=r"version\.ini"):
        remove_game(player.game_dir, "aoe2", player.index, before_step=swap)
    assert snapshot(outside) == before
    assert notes(player) == []


def test_a_game_folder_that_is_gone_is_an_error(player: Player, tmp_path: Path) -> None:
    player.download(player.offer(OLD))
    player.game_dir.root.rename(tmp_path / "unplugged")
    with pytest.raises(GameDirGone):
        removed(player)
    assert (tmp_path / "unplugged" / "aoe2" / "version.ini").exists()
