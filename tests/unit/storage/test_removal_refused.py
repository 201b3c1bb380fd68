"""Removing games while the disk refuses: what is left then, and goes with a later try."""

import errno
from pathlib import Path
from typing import Any

import pytest

from lanspread_peer.model.errors import FileLocked
from lanspread_peer.storage import beneath, removal
from lanspread_peer.storage.disk_errors import storage_error
from lanspread_peer.storage.game_dir import GameDir
from lanspread_peer.storage.records import record_path
from lanspread_peer.storage.removal import FinishedRemoval, Removed, finish_removals
from lanspread_peer.storage.removal_note import removals_of
from lanspread_peer.storage.scanner import survey
from support.player import OLD, Player, files_in
from support.removals import GAME_BYTES, notes, own_files, refuse, removed
from support.storage_folders import make_files, snapshot


def test_when_the_version_is_held_nothing_has_happened(
    player: Player, monkeypatch: pytest.MonkeyPatch
) -> None:
    player.download(player.offer(OLD))
    before = snapshot(player.root)
    with monkeypatch.context() as patch:
        refuse(patch, "version.ini")
        with pytest.raises(FileLocked):
            removed(player)
    assert snapshot(player.root) == before
    assert own_files(player) == [record_path("aoe2").removeprefix(".lanspread/")]
    game, read = player.rescan()
    assert (game.local.missing_files, read) == (0, 0)


def test_a_file_that_is_held_is_left_and_goes_with_the_next_try(
    player: Player, monkeypatch: pytest.MonkeyPatch
) -> None:
    for finish in (removed, lambda each: finish_removals(each.game_dir, each.index)):
        player.download(player.offer(OLD))
        with monkeypatch.context() as patch:
            refuse(patch, "game.eti")
            result = removed(player)
            assert result == Removed(GAME_BYTES - len(OLD["game.eti"]), 1)
            assert finish_removals(player.game_dir, player.index) == [FinishedRemoval("aoe2", 1)]
        assert set(files_in(player.root)) == {"game.eti"}
        assert survey(player.game_dir) == []
        assert finish(player)
        assert not player.root.exists()
        assert own_files(player) == []


def removed_but_one(player: Player, patch: pytest.MonkeyPatch) -> None:
    """The game and what is installed of it, but for a file that is held."""
    player.download(player.offer(OLD))
    make_files(player.root, {"local/aoe2.exe": b"installed"})
    refuse(patch, "game.eti")
    result = removed(player, remove_installed=True)
    assert result is not None
    assert result.left_files == 1
    assert set(files_in(player.root)) == {"game.eti"}


def test_what_is_installed_after_a_removal_that_left_a_file_stays_at_a_start(
    player: Player, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        removed_but_one(player, patch)
        make_files(player.root, {"local/anew": b"installed"})
        assert finish_removals(player.game_dir, player.index) == [FinishedRemoval("aoe2", 1)]
    assert finish_removals(player.game_dir, player.index) == [FinishedRemoval("aoe2", 0)]
    assert files_in(player.root) == {"local/anew": b"installed"}


def test_a_later_try_decides_itself_on_what_is_installed(
    player: Player, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        removed_but_one(player, patch)
        make_files(player.root, {"local/anew": b"installed"})
        assert removed(player) == Removed(len(OLD["version.ini"]), 1)
        assert set(files_in(player.root)) == {"game.eti", "local/anew"}
    assert removed(player, remove_installed=True) is not None
    assert not player.root.exists()


def test_installed_content_that_could_not_go_stays_when_the_next_try_says_so(
    player: Player, monkeypatch: pytest.MonkeyPatch
) -> None:
    player.download(player.offer(OLD))
    make_files(player.root, {"local/aoe2.exe": b"installed"})
    with monkeypatch.context() as patch:
        patch.setattr(removal, "bury", hold)
        assert removed(player, remove_installed=True) == Removed(GAME_BYTES, 1)
        assert finish_removals(player.game_dir, player.index) == [FinishedRemoval("aoe2", 1)]
    assert removed(player) is not None
    assert files_in(player.root) == {"local/aoe2.exe": b"installed"}
    assert own_files(player) == []


def hold(*_: object) -> None:
    raise FileLocked("held", errno="EBUSY")


def test_once_the_game_is_there_again_nobody_knows_of_its_removal(
    player: Player, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        removed_but_one(player, patch)
    assert notes(player) == ["aoe2"]
    player.download(player.offer(OLD))
    assert notes(player) == []


def test_a_full_disk_keeps_nobody_from_making_room(
    player: Player, monkeypatch: pytest.MonkeyPatch
) -> None:
    player.download(player.offer(OLD))

    def write_nothing(*_: object, **__: object) -> None:
        raise storage_error(OSError(errno.ENOSPC, "no space"), "write")

    monkeypatch.setattr(beneath, "write_file", write_nothing)
    assert removed(player) == Removed(GAME_BYTES, 0)
    assert not player.root.exists()


def test_a_file_that_is_held_while_the_disk_is_full_goes_with_the_next_try(
    player: Player, monkeypatch: pytest.MonkeyPatch
) -> None:
    player.download(player.offer(OLD))
    write_file = beneath.write_file

    def write_once_there_is_room(*args: Any, **how: Any) -> None:
        if (player.root / "version.ini").exists():
            raise storage_error(OSError(errno.ENOSPC, "no space"), "write")
        write_file(*args, **how)

    monkeypatch.setattr(beneath, "write_file", write_once_there_is_room)
    with monkeypatch.context() as patch:
        refuse(patch, "game.eti")
        assert removed(player) == Removed(GAME_BYTES - len(OLD["game.eti"]), 1)
    assert finish_removals(player.game_dir, player.index) == [FinishedRemoval("aoe2", 0)]
    assert not player.root.exists()


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff", b"[" * 100_000])
def test_a_note_that_makes_no_sense_removes_nothing(player: Player, content: bytes) -> None:
    player.download(player.offer(OLD))
    (player.root / "version.ini").unlink()
    before = snapshot(player.root)
    make_files(player.index.state_dir / removals_of(player.game_dir), {"aoe2": content})
    [finished] = finish_removals(player.game_dir, player.index)
    assert finished.fault
    assert snapshot(player.root) == before
    assert finish_removals(player.game_dir, player.index) == []


def test_a_note_that_makes_no_sense_and_cannot_go_is_told_and_no_more(
    player: Player, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_files(player.index.state_dir / removals_of(player.game_dir), {"aoe2": b"{}"})
    refuse(monkeypatch, "aoe2")
    [finished] = finish_removals(player.game_dir, player.index)
    assert finished.fault


def test_a_link_in_place_of_a_note_is_not_read(player: Player, tmp_path: Path) -> None:
    target = make_files(tmp_path / "outside", {"note": b"{}"})
    folder = player.index.state_dir / removals_of(player.game_dir)
    folder.mkdir(parents=True)
    (folder / "aoe2").symlink_to(target / "note")
    [finished] = finish_removals(GameDir.open(str(player.game_dir.root)), player.index)
    assert finished.fault
    assert (target / "note").read_bytes() == b"{}"
