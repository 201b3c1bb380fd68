"""Publishing on a real disk: wholly or not at all, and nothing of a person's is lost."""

import os
from pathlib import Path

from lanspread_peer.model.manifest import VERSION_INI
from lanspread_peer.storage.moves import Move, QuickStep
from lanspread_peer.storage.publish import PublishResult
from lanspread_peer.storage.records import already_right, read_record
from support.player import NEW, OLD, Player, files_in
from support.storage_folders import make_files, snapshot


def test_a_fresh_download_becomes_the_game_and_is_never_hashed_again(player: Player) -> None:
    game = player.offer(OLD)
    assert player.download(game) == PublishResult(())
    assert snapshot(player.root) == snapshot(player.source.root / "aoe2")
    mine, read = player.rescan()
    assert read == 0
    assert mine.content_id == game.content_id
    assert read_record(player.game_dir, "aoe2") == game.manifest


def test_an_update_leaves_exactly_the_new_version(player: Player) -> None:
    player.download(player.offer(OLD))
    same = (player.root / "same.pak").stat().st_ino
    game = player.offer(NEW)
    assert player.download(game).conflicts == ()
    assert snapshot(player.root) == snapshot(player.source.root / "aoe2")
    assert (player.root / "same.pak").stat().st_ino == same
    assert os.access(player.root / "run.sh", os.X_OK)
    mine, read = player.rescan()
    assert (mine.content_id, read) == (game.content_id, 0)
    assert list(player.game_dir.staging.iterdir()) == []
    assert list((player.game_dir.own / "displaced").iterdir()) == []


def test_nothing_of_a_persons_is_lost_in_an_update(player: Player) -> None:
    player.download(player.offer(OLD))
    theirs = {
        "save.dat": b"my save",
        "dropped/note": b"my note",
        "local/game.exe": b"installed",
        ".hidden": b"hidden",
        "data/more": b"in the way of a folder",
        "run.sh/inner": b"in the way of a file",
        "game.eti": b"patched by me",
        "dropped/gone": b"kept by me",
    }
    make_files(player.root, theirs)
    (player.root / "link").symlink_to("save.dat")
    result = player.download(player.offer(NEW))
    conflicts = {path.split("/", 4)[4]: path for path in result.conflicts}
    assert conflicts.keys() == {"data/more", "run.sh", "game.eti"}
    for path in ("data/more", "run.sh/inner", "game.eti"):
        moved = player.game_dir.root / f".lanspread/conflicts/aoe2/1/{path}"
        assert moved.read_bytes() == theirs[path]
    for path in ("save.dat", "dropped/note", "local/game.exe", ".hidden", "dropped/gone"):
        assert (player.root / path).read_bytes() == theirs[path]
    assert (player.root / "link").is_symlink()
    assert {path: (player.root / path).read_bytes() for path in NEW} == NEW
    assert not (player.root / "dropped/deep").exists()


def test_a_file_changed_and_hashed_again_is_still_a_persons(player: Player) -> None:
    player.download(player.offer(OLD))
    make_files(player.root, {"data/changed": b"my settings", "dropped/gone": b"mine now"})
    player.rescan()
    result = player.download(player.offer(NEW))
    assert result.conflicts == (".lanspread/conflicts/aoe2/1/data/changed",)
    assert (player.game_dir.root / result.conflicts[0]).read_bytes() == b"my settings"
    assert (player.root / "dropped/gone").read_bytes() == b"mine now"


def test_a_game_that_a_person_copied_is_updated_in_place(player: Player) -> None:
    make_files(player.root, {**OLD, "extra": b"extra"})
    player.rescan()
    assert player.download(player.offer(NEW)).conflicts == ()
    assert files_in(player.root) == {
        **NEW,
        "extra": b"extra",
        "dropped/deep/gone": b"gone",
        "dropped/gone": b"gone",
    }


def test_a_file_that_was_never_hashed_is_a_persons(player: Player) -> None:
    make_files(player.root, {"game.eti": b"mine"})
    result = player.download(player.offer(OLD))
    assert result.conflicts == (".lanspread/conflicts/aoe2/1/game.eti",)
    make_files(player.root, {"same.pak": b"mine too"})
    again = player.download(player.offer(NEW))
    assert again.conflicts == (".lanspread/conflicts/aoe2/2/same.pak",)


def test_a_link_in_the_place_of_a_file_is_moved_and_not_followed(
    player: Player, tmp_path: Path
) -> None:
    outside = make_files(tmp_path / "outside", {"canary": b"canary"})
    player.root.mkdir()
    (player.root / "game.eti").symlink_to(outside / "canary")
    (player.root / "data").symlink_to(outside)
    result = player.download(player.offer(OLD))
    assert len(result.conflicts) == 2
    assert (player.game_dir.root / result.conflicts[0]).is_symlink()
    assert snapshot(player.root) == snapshot(player.source.root / "aoe2")
    assert snapshot(outside) == {"canary": b"canary"}


def test_a_folder_in_another_case_takes_the_new_spelling(player: Player) -> None:
    player.download(player.offer({"version.ini": b"1", "data/Maps/a": b"a", "data/b": b"b"}))
    make_files(player.root, {"data/Maps/mine": b"mine"})
    game = player.offer({"version.ini": b"2", "Data/maps/A": b"a", "Data/b": b"b"})
    player.download(game)
    assert files_in(player.root) == {
        "version.ini": b"2",
        "Data/maps/A": b"a",
        "Data/b": b"b",
        "Data/maps/mine": b"mine",
    }
    (player.root / "Data/maps/mine").unlink()
    mine, read = player.rescan()
    assert (mine.content_id, read) == (game.content_id, 0)


def test_a_folder_in_another_normal_form_is_the_same_folder(player: Player) -> None:
    nfd = {"version.ini": b"1", "Cafe\u0301/a": b"a", "Cafe\u0301/b": b"b"}
    make_files(player.root, nfd)
    player.rescan()
    game = player.offer({"version.ini": b"2", "Caf\u00e9/a": b"a", "Caf\u00e9/b": b"B"})
    assert already_right(player.game_dir, "aoe2", game.manifest, player.index) == {"Café/a"}
    player.download(game)
    assert sorted(path.name for path in player.root.iterdir()) == ["Cafe\u0301", "version.ini"]
    mine, read = player.rescan()
    assert (mine.content_id, read) == (game.content_id, 0)


def test_only_selected_files_are_published(player: Player) -> None:
    game = player.offer(NEW)
    player.download(game, select={"version.ini", "data/changed"})
    assert files_in(player.root) == {"version.ini": b"2", "data/changed": b"new"}
    player.download(game)
    assert files_in(player.root) == NEW


def test_the_version_is_the_first_to_go_and_the_last_to_come(player: Player) -> None:
    for files in (OLD, NEW):
        game = player.offer(files)
        seen: list[tuple[QuickStep, dict[str, bytes | str]]] = []

        def before_step(
            step: QuickStep, seen: list[tuple[QuickStep, dict[str, bytes | str]]] = seen
        ) -> None:
            seen.append((step, files_in(player.root)))

        player.download(game, before_step=before_step)
        moves = [step for step, _ in seen if isinstance(step, Move)]
        assert moves[-1].new == "aoe2/version.ini"
        assert files is OLD or moves[0].old == "aoe2/version.ini"
        states = [state for _, state in seen]
        complete = [state for state in states if "version.ini" in state]
        assert all(state in (states[0], files_in(player.root)) for state in complete)


def test_a_version_that_stays_still_vanishes_meanwhile(player: Player) -> None:
    player.download(player.offer({**OLD, "version.ini": b"2"}))
    present: list[bool] = []
    game = player.offer(NEW)
    assert VERSION_INI in already_right(player.game_dir, "aoe2", game.manifest, player.index)
    player.download(
        game,
        before_step=lambda _: present.append((player.root / "version.ini").exists()),
    )
    # There until the first move, gone for all others, and back for the last step, a sync.
    gone = present.count(False)
    assert present == [True] * (len(present) - gone - 1) + [False] * gone + [True]
    assert gone > 10
    assert files_in(player.root) == NEW
