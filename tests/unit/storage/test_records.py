"""What storage knows of the files it downloaded."""

import os

from lanspread_peer.storage.records import already_right, obsolete_files, read_record
from support.player import NEW, OLD, Player
from support.storage_folders import make_files


def test_a_broken_record_is_no_record(player: Player) -> None:
    player.download(player.offer(OLD))
    record = player.game_dir.own / "records/aoe2/manifest"
    record.write_bytes(record.read_bytes()[:-5])
    assert read_record(player.game_dir, "aoe2") is None
    game = player.offer(NEW)
    assert obsolete_files(player.game_dir, "aoe2", game.manifest, player.index) == []
    player.download(game)
    assert read_record(player.game_dir, "aoe2") == game.manifest
    assert (player.root / "dropped/gone").exists()


def test_what_is_right_already_is_told_by_hash_and_by_disk(player: Player) -> None:
    player.download(player.offer(OLD))
    manifest = player.offer(NEW).manifest
    assert already_right(player.game_dir, "aoe2", manifest, player.index) == {"same.pak"}
    os.utime(player.root / "same.pak", (1, 1))
    assert already_right(player.game_dir, "aoe2", manifest, player.index) == set()
    assert already_right(player.game_dir, "missing", manifest, player.index) == set()


def test_obsolete_are_only_downloaded_and_unchangedfiles_in(player: Player) -> None:
    player.download(player.offer(OLD))
    make_files(player.root, {"mine": b"mine", "dropped/mine": b"mine"})
    player.rescan()
    manifest = player.offer(NEW).manifest
    assert obsolete_files(player.game_dir, "aoe2", manifest, player.index) == [
        "dropped/deep/gone",
        "dropped/gone",
    ]
    make_files(player.root, {"dropped/gone": b"mine"})
    assert obsolete_files(player.game_dir, "aoe2", manifest, player.index) == ["dropped/deep/gone"]
