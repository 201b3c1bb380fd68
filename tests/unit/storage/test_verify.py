"""Reading a game again: what is found missing, changed and extra, and what is offered then."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from lanspread_peer.model.errors import (
    AccessDenied,
    DiskFailure,
    GameDirGone,
    Stale,
    StorageError,
    UnsafeGame,
)
from lanspread_peer.model.limits import MAX_FINDINGS_PER_KIND
from lanspread_peer.model.verification import Finding, FindingKind
from lanspread_peer.storage import beneath
from lanspread_peer.storage.hasher import IndexedGame
from lanspread_peer.storage.seal import break_seal
from lanspread_peer.storage.verify import Verified, plan_verification, verify
from support.player import OLD, Player
from support.sealed import downloaded
from support.storage_folders import make_files, snapshot

INTACT = Verified((), 0, 0, 0)


def put_there(player: Player, files: Mapping[str, bytes] = OLD) -> IndexedGame:
    """A game that was not downloaded."""
    player.game_dir.make_own()
    make_files(player.root, files)
    return player.rescan()[0]


def verified(player: Player, game: IndexedGame, *, all_is_read: bool = True) -> Verified:
    read: list[int] = []
    plan = plan_verification(player.game_dir, game)
    found = verify(
        player.game_dir,
        game,
        plan,
        player.index,
        on_bytes=read.append,
        is_cancelled=lambda: False,
    )
    assert found is not None
    assert (sum(read) == plan.bytes) is all_is_read
    return found


def rot(path: Path, content: bytes) -> None:
    """Other bytes of the same length, under the same name, time and inode."""
    status = path.stat()
    assert len(content) == status.st_size
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_an_intact_game_has_no_findings_and_stays_what_it_is(player: Player) -> None:
    game = downloaded(player)
    assert verified(player, game) == INTACT
    again, read = player.rescan()
    assert (again.content_id, again.local.missing_files, read) == (game.content_id, 0, 0)


def test_all_files_are_read_whatever_the_index_knows(player: Player) -> None:
    game = downloaded(player)
    plan = plan_verification(player.game_dir, game)
    assert plan.bytes == sum(map(len, OLD.values()))


def test_rot_that_no_survey_sees_is_found_and_offered_no_more(player: Player) -> None:
    game = downloaded(player)
    rot(player.root / "data" / "changed", b"0ld")
    assert player.rescan()[0].local.missing_files == 0
    found = verified(player, game)
    assert found == Verified((Finding("data/changed", FindingKind.CHANGED),), 0, 1, 0)
    assert not found.is_intact
    again, read = player.rescan()
    assert (again.content_id, again.local.missing_files, read) == (game.content_id, 1, 0)
    assert "data/changed" not in again.served


def test_missing_changed_and_extra_files_are_told_in_order(player: Player) -> None:
    game = downloaded(player)
    (player.root / "same.pak").unlink()
    (player.root / "game.eti").write_bytes(b"longer" * 1000)
    make_files(player.root, {"a.log": b"log", "zz/save": b"save", ".dot": b"", "local/x": b""})
    (player.root / "link").symlink_to("game.eti")
    found = verified(player, game)
    assert [(each.path, each.kind.value) for each in found.findings] == [
        ("a.log", "extra"),
        ("game.eti", "changed"),
        ("same.pak", "missing"),
        ("zz/save", "extra"),
    ]
    assert (found.missing, found.changed, found.extra) == (1, 1, 2)


def test_extra_files_alone_leave_a_game_intact(player: Player) -> None:
    game = downloaded(player)
    make_files(player.root, {"a.log": b"log"})
    assert verified(player, game).is_intact


def test_a_file_in_place_of_a_folder_and_a_link_in_place_of_a_file_are_findings(
    player: Player, tmp_path: Path
) -> None:
    game = downloaded(player)
    (player.root / "data" / "changed").unlink()
    (player.root / "data").rmdir()
    (player.root / "data").write_bytes(b"no folder")
    outside = make_files(tmp_path / "outside", {"same.pak": b"same"})
    (player.root / "same.pak").unlink()
    (player.root / "same.pak").symlink_to(outside / "same.pak")
    found = verified(player, game)
    assert [(each.path, each.kind.value) for each in found.findings] == [
        ("data", "extra"),
        ("data/changed", "missing"),
        ("same.pak", "missing"),
    ]


def test_rot_in_a_game_that_was_put_there_makes_another_content(player: Player) -> None:
    game = put_there(player)
    assert verified(player, game) == INTACT
    rot(player.root / "same.pak", b"s4me")
    found = verified(player, game)
    assert found == Verified((Finding("same.pak", FindingKind.CHANGED),), 0, 1, 0)
    again, read = player.rescan()
    assert again.content_id != game.content_id
    assert read == 0


def test_a_new_and_a_lost_file_of_a_game_that_was_put_there_are_told(player: Player) -> None:
    game = put_there(player)
    (player.root / "same.pak").rename(player.root / "other.pak")
    assert verified(player, game).findings == (
        Finding("other.pak", FindingKind.EXTRA),
        Finding("same.pak", FindingKind.MISSING),
    )


def fail_to_open(patch: pytest.MonkeyPatch, failing: str, error: StorageError) -> None:
    open_any = beneath.open_file

    def open_others(root: Path, path: str, **how: Any) -> int:
        if path == failing:
            raise error
        return open_any(root, path, **how)

    patch.setattr(beneath, "open_file", open_others)


def test_a_file_that_is_denied_ends_it_unless_the_game_is_sealed(
    player: Player, monkeypatch: pytest.MonkeyPatch
) -> None:
    game = put_there(player)
    fail_to_open(monkeypatch, "aoe2/same.pak", AccessDenied("denied", errno="EACCES"))
    with pytest.raises(AccessDenied):
        verified(player, game)


def test_a_file_of_a_sealed_game_that_fails_is_changed_and_offered_no_more(
    player: Player, monkeypatch: pytest.MonkeyPatch
) -> None:
    game = downloaded(player)
    with monkeypatch.context() as patch:
        fail_to_open(patch, "aoe2/same.pak", DiskFailure("bad sector", errno="EIO"))
        found = verified(player, game, all_is_read=False)
        assert found.findings == (Finding("same.pak", FindingKind.CHANGED),)
        again, _ = player.rescan()
        assert again.local.missing_files == 1
        assert "same.pak" not in again.served
    assert player.rescan()[0].local.missing_files == 0


def test_a_cancelled_one_finds_nothing_and_keeps_what_it_read(player: Player) -> None:
    game = downloaded(player)
    plan = plan_verification(player.game_dir, game)
    seen = 0

    def on_bytes(_count: int) -> None:
        nonlocal seen
        seen += 1

    found = verify(
        player.game_dir,
        game,
        plan,
        player.index,
        on_bytes=on_bytes,
        is_cancelled=lambda: seen >= 2,
    )
    assert (found, seen) == (None, 2)
    assert player.rescan()[0].local.missing_files == 0


def test_a_file_that_changes_meanwhile_ends_it(player: Player) -> None:
    game = put_there(player)
    plan = plan_verification(player.game_dir, game)
    (player.root / "same.pak").write_bytes(b"another")
    with pytest.raises(Stale):
        verify(
            player.game_dir,
            game,
            plan,
            player.index,
            on_bytes=lambda _: None,
            is_cancelled=lambda: False,
        )


def test_another_content_and_no_game_at_all_cannot_be_compared(player: Player) -> None:
    game = downloaded(player)
    (player.root / "version.ini").write_bytes(b"9")
    with pytest.raises(Stale):
        plan_verification(player.game_dir, game)
    (player.root / "version.ini").unlink()
    with pytest.raises(Stale):
        plan_verification(player.game_dir, game)


def test_rot_in_the_version_itself_breaks_the_seal(player: Player) -> None:
    game = downloaded(player)
    rot(player.root / "version.ini", b"3")
    with pytest.raises(Stale):
        verified(player, game)
    again, _ = player.rescan()
    assert not again.local.sealed


def test_a_game_that_became_unsafe_cannot_be_compared(player: Player) -> None:
    game = put_there(player)
    make_files(player.root, {"SAME.pak": b"other"})
    with pytest.raises(UnsafeGame):
        plan_verification(player.game_dir, game)


def test_a_folder_that_is_gone_is_no_game_full_of_missing_files(
    player: Player, tmp_path: Path
) -> None:
    game = downloaded(player)
    plan = plan_verification(player.game_dir, game)
    away = tmp_path / "unplugged"

    def unplug(_count: int) -> None:
        if not away.exists():
            player.game_dir.root.rename(away)

    with pytest.raises(GameDirGone):
        verify(
            player.game_dir,
            game,
            plan,
            player.index,
            on_bytes=unplug,
            is_cancelled=lambda: False,
        )
    with pytest.raises(GameDirGone):
        plan_verification(player.game_dir, game)


def test_a_broken_seal_makes_what_is_there_the_content(player: Player) -> None:
    game = downloaded(player)
    make_files(player.root, {"mod.pak": b"mod"})
    break_seal(player.game_dir, "aoe2")
    again, read = player.rescan()
    assert not again.local.sealed
    assert again.content_id != game.content_id
    assert again.manifest.file("mod.pak") is not None
    assert read == len(b"mod")


def test_of_each_kind_the_first_ones_are_listed_and_all_are_counted(player: Player) -> None:
    game = downloaded(player)
    names = [f"{number:04}.log" for number in range(MAX_FINDINGS_PER_KIND + 1)]
    make_files(player.root, dict.fromkeys(names, b""))
    (player.root / "same.pak").unlink()
    found = verified(player, game)
    assert (found.extra, found.missing) == (MAX_FINDINGS_PER_KIND + 1, 1)
    extra = [each.path for each in found.findings if each.kind is FindingKind.EXTRA]
    assert extra == names[:MAX_FINDINGS_PER_KIND]
    assert Finding("same.pak", FindingKind.MISSING) in found.findings


def test_a_name_that_is_no_text_is_told_as_text(player: Player) -> None:
    game = downloaded(player)
    Path(os.fsdecode(os.fsencode(player.root) + b"/odd\xff.log")).touch()
    assert verified(player, game).findings == (Finding("odd?.log", FindingKind.EXTRA),)


def test_nothing_on_disk_is_written(player: Player) -> None:
    game = downloaded(player)
    make_files(player.root, {"a.log": b"log"})
    before = snapshot(player.game_dir.root)
    verified(player, game)
    assert snapshot(player.game_dir.root) == before
