"""Which record seals a game, and what becomes of one that does not."""

import os

import pytest

from lanspread_peer.model.errors import Stale, StorageError
from lanspread_peer.model.limits import MIN_CHUNK_BYTES
from lanspread_peer.storage import records, scanner, seal
from lanspread_peer.storage.hasher import hash_game, plan
from lanspread_peer.storage.seal import drop_record
from support.player import NEW, OLD, Player
from support.sealed import downloaded, find_again
from support.storage_folders import find_game, make_files

MANIFEST = ".lanspread/records/aoe2/manifest"


def test_a_downloaded_game_is_sealed_and_whole(player: Player) -> None:
    game = downloaded(player)
    assert game.content_id == player.offer(OLD).content_id
    assert game.manifest_bytes == player.offer(OLD).manifest_bytes
    assert game.local.sealed
    assert (game.local.missing_files, game.local.missing_bytes) == (0, 0)
    assert game.local.is_whole
    assert game.local.totals == game.manifest.totals
    assert game.found.local.sealed


def test_a_game_of_the_user_is_not_sealed(player: Player) -> None:
    make_files(player.root, OLD)
    game, _ = player.rescan()
    assert not game.local.sealed
    assert game.local.is_whole
    make_files(player.root, {"save": b"1"})
    assert player.rescan()[0].content_id != game.content_id


def test_an_update_seals_the_new_content(player: Player) -> None:
    downloaded(player)
    new = player.offer(NEW)
    player.download(new)
    make_files(player.root, {"dropped/gone": b"mine"})
    game, _ = player.rescan()
    assert (game.content_id, game.local.sealed) == (new.content_id, True)
    assert game.local.is_whole


def test_an_update_over_a_game_of_the_user_shares_none_of_his_files(player: Player) -> None:
    make_files(player.root, {**OLD, "data/mine": b"mine"})
    before, _ = player.rescan()
    new = player.offer(NEW)
    player.download(new)
    assert (player.root / "dropped/gone").exists()
    game, _ = player.rescan()
    assert game.content_id == new.content_id
    assert game.served.keys() == NEW.keys()
    assert find_again(player, before.found) == game.found


def test_another_version_ini_unseals_and_drops_the_record(player: Player) -> None:
    before = downloaded(player)
    make_files(player.root, {"version.ini": b"3", "patch": b"by hand"})
    found = find_again(player, before.found)
    assert found.look.seal is None
    assert (player.game_dir.root / MANIFEST).exists()
    game, read = player.rescan()
    assert read == len(b"3") + len(b"by hand")
    assert not game.local.sealed
    assert game.manifest.file("patch") is not None
    assert not (player.game_dir.root / MANIFEST).exists()


def test_a_version_ini_that_was_only_touched_keeps_the_seal(player: Player) -> None:
    before = downloaded(player)
    os.utime(player.root / "version.ini", ns=(1, 1))
    found = find_again(player, before.found)
    assert found.look.seal == before.found.look.seal
    game, read = player.rescan()
    assert (game.local, read) == (before.local, len(OLD["version.ini"]))


def test_a_row_of_version_ini_that_contradicts_the_seal_is_not_believed(player: Player) -> None:
    """As on a disk whose clock ticks slowly, where another text looks like the same file."""
    before = downloaded(player)
    row = player.index.rows_of(player.game_dir, "aoe2")["version.ini"]
    wrong = type(row)(row.size, row.mtime_ns, row.inode, bytes(32))
    player.index.replace_rows(player.game_dir, "aoe2", {"version.ini": wrong})
    assert player.rescan() == (before, len(OLD["version.ini"]))


def test_a_version_ini_that_changes_while_it_is_hashed_is_stale(player: Player) -> None:
    game = downloaded(player)
    os.utime(player.root / "version.ini", ns=(1, 1))
    found = find_again(player, game.found)
    status = (player.root / "version.ini").stat()
    (player.root / "version.ini").write_bytes(b"7")
    os.utime(player.root / "version.ini", ns=(1, status.st_mtime_ns))
    with pytest.raises(Stale):
        hash_game(
            player.game_dir,
            plan(found, player.index),
            player.index,
            on_bytes=lambda _: None,
            is_cancelled=lambda: False,
        )
    assert (player.game_dir.root / MANIFEST).exists()


@pytest.mark.parametrize("record", [b"", b"nonsense", b'{"entries":1}\n'])
def test_a_broken_record_seals_nothing_and_goes(player: Player, record: bytes) -> None:
    downloaded(player)
    (player.game_dir.root / MANIFEST).write_bytes(record)
    make_files(player.root, {"save": b"1"})
    game, _ = player.rescan()
    assert not game.local.sealed
    assert "save" in game.served
    assert not (player.game_dir.root / MANIFEST).exists()


def test_a_record_of_another_game_seals_nothing(player: Player) -> None:
    downloaded(player)
    make_files(player.root, {"version.ini": b"0"})
    player.rescan()
    foreign = player.offer({"version.ini": b"9", "other": b"x"})
    make_files(player.game_dir.root, {MANIFEST: foreign.manifest_bytes})
    game, _ = player.rescan()
    assert not game.local.sealed
    assert game.content_id != foreign.content_id


def test_a_record_that_cannot_be_read_seals_nothing_and_stays(player: Player) -> None:
    downloaded(player)
    (player.game_dir.root / MANIFEST).unlink()
    (player.game_dir.root / MANIFEST).symlink_to(player.source.root / "aoe2/version.ini")
    assert not player.rescan()[0].local.sealed
    assert (player.game_dir.root / MANIFEST).is_symlink()


def test_a_version_ini_of_any_size_is_read_to_a_bound(player: Player) -> None:
    downloaded(player)
    large = {**OLD, "version.ini": b"1" * (MIN_CHUNK_BYTES + 1)}
    player.download(player.offer(large))
    assert not player.rescan()[0].local.sealed


def test_a_record_that_seals_by_now_is_not_dropped(player: Player) -> None:
    """A publish may have put it there while the game before it was still being hashed."""
    downloaded(player)
    drop_record(player.game_dir, "aoe2")
    assert (player.game_dir.root / MANIFEST).exists()
    (player.root / "version.ini").unlink()
    with pytest.raises(StorageError):
        drop_record(player.game_dir, "aoe2")
    assert (player.game_dir.root / MANIFEST).exists()
    make_files(player.root, {"version.ini": b"8"})
    drop_record(player.game_dir, "aoe2")
    assert not (player.game_dir.root / MANIFEST).exists()


def test_an_unchanged_rescan_reads_the_record_no_more(
    player: Player, monkeypatch: pytest.MonkeyPatch
) -> None:
    game = downloaded(player).found
    read: list[str] = []
    monkeypatch.setattr(seal, "load_record", lambda _, folder: read.append(folder))
    assert find_again(player, game) is game
    make_files(player.root, {"save": b"1", "same.pak": b"changed"})
    game = find_again(player, game)
    os.utime(player.root / "version.ini", ns=(1, 1))
    game = find_again(player, game)
    assert game.look.seal is not None
    assert read == []
    os.utime(player.game_dir.root / MANIFEST, ns=(1, 1))
    assert find_again(player, game).look.seal is None
    assert read == ["aoe2"]


def test_a_record_larger_than_a_manifest_may_be_is_broken(
    player: Player, monkeypatch: pytest.MonkeyPatch
) -> None:
    downloaded(player)
    size = (player.game_dir.root / MANIFEST).stat().st_size
    monkeypatch.setattr(records, "MAX_MANIFEST_BYTES", size - 2)
    assert not player.rescan()[0].local.sealed


def test_a_version_ini_in_another_case_seals_nothing_that_peers_could_use(player: Player) -> None:
    """A disk that ignores case finds it all the same; here, a file of each case stands in."""
    downloaded(player)
    look = find_game(player.game_dir, "aoe2").look
    assert look.seal is not None
    walk = scanner._Walk(player.game_dir, "aoe2", None, look.seal)
    walk.run()
    others = [file for file in walk.files if file.path != "version.ini"]
    assert "version.ini" in scanner._fault_in_sealed(others)
    assert scanner._fault_in_sealed(walk.files) == ""
