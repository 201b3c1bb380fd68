import os
from pathlib import Path

import pytest

from lanspread_peer.model.errors import Stale, StorageError, UnsafeGame
from lanspread_peer.model.game import LocalState
from lanspread_peer.model.limits import MIB
from lanspread_peer.model.manifest import chunk_hash
from lanspread_peer.storage import hasher
from lanspread_peer.storage.hasher import hash_game, plan
from lanspread_peer.storage.index import FileRow, Index
from lanspread_peer.wire.manifest_codec import content_id_of, decode_manifest
from support.storage_folders import AOE2, find_game, index_game, make_files, make_game_dir

TOTAL = sum(map(len, AOE2.values()))


@pytest.fixture
def index(tmp_path: Path) -> Index:
    return Index(tmp_path)


def test_a_game_gets_its_manifest_and_content_id(tmp_path: Path, index: Index) -> None:
    game_dir = make_game_dir(tmp_path / "games", {"aoe2": AOE2})
    game, read = index_game(game_dir, "aoe2", index)
    assert read == TOTAL
    assert game.content_id == content_id_of(game.manifest_bytes)
    assert decode_manifest(game.manifest_bytes, game.content_id) == game.manifest
    assert {entry.path for entry in game.manifest.files} == AOE2.keys() == game.served.keys()
    for chunk in map(game.manifest.chunk, range(game.manifest.totals.chunks)):
        content = AOE2[chunk.file.path][chunk.offset : chunk.offset + chunk.length]
        assert chunk.hash == chunk_hash(content)
    assert game.local.state is LocalState.DOWNLOADED
    assert game.local.content_id == game.content_id
    assert game.local.totals == game.manifest.totals
    index.close()


def test_a_second_scan_hashes_nothing(tmp_path: Path, index: Index) -> None:
    game_dir = make_game_dir(tmp_path / "games", {"aoe2": AOE2})
    first, _ = index_game(game_dir, "aoe2", index)
    index.close()
    again = Index(tmp_path)
    second, read = index_game(game_dir, "aoe2", again)
    assert read == 0
    assert second == first
    again.close()


def test_only_a_changed_file_is_hashed_again(tmp_path: Path, index: Index) -> None:
    game_dir = make_game_dir(tmp_path / "games", {"aoe2": AOE2})
    first, _ = index_game(game_dir, "aoe2", index)
    make_files(tmp_path / "games/aoe2", {"data/empty": b"not any more", "data/new": b"new"})
    (tmp_path / "games/aoe2/data/maps/arena.rms").unlink()
    todo = plan(find_game(game_dir, "aoe2"), index)
    assert [file.path for file in todo.unhashed] == ["data/empty", "data/new"]
    assert todo.bytes == 15
    second, read = index_game(game_dir, "aoe2", index)
    assert read == 15
    assert second.content_id != first.content_id
    assert index.rows_of(game_dir, "aoe2").keys() == second.served.keys()
    index.close()


@pytest.mark.parametrize("field", ["size", "mtime", "inode"])
def test_each_sign_of_change_alone_is_enough(tmp_path: Path, index: Index, field: str) -> None:
    game_dir = make_game_dir(tmp_path / "games", {"aoe2": AOE2})
    index_game(game_dir, "aoe2", index)
    file = tmp_path / "games/aoe2/aoe2.eti"
    before = file.stat()
    if field == "inode":
        file.rename(tmp_path / "kept")
        file.write_bytes(AOE2["aoe2.eti"])
    if field == "size":
        os.truncate(file, before.st_size - 1)
    shift = 1000 if field == "mtime" else 0
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns + shift))
    assert [f.path for f in plan(find_game(game_dir, "aoe2"), index).unhashed] == ["aoe2.eti"]
    index.close()


def test_equal_folders_have_equal_content_ids(tmp_path: Path, index: Index) -> None:
    """Whatever their names' normal form, their times, modes, and what is not shared."""
    nfc = {"version.ini": b"1", "Caf\u00e9/\u00fc.pk3": b"x", "b": b"", "a/z": b"1"}
    nfd = {"a/z": b"1", "b": b"", "Cafe\u0301/u\u0308.pk3": b"x", "version.ini": b"1"}
    here = make_game_dir(tmp_path / "here", {"aoe2": nfc})
    there = make_game_dir(tmp_path / "there", {"AOE2": {**nfd, "local/x": b"x", ".dot": b""}})
    for path in (tmp_path / "there/AOE2").rglob("*"):
        os.utime(path, (1, 1))
        path.chmod(0o700)
    first, _ = index_game(here, "aoe2", index)
    second, _ = index_game(there, "AOE2", index)
    assert first.content_id == second.content_id
    make_files(tmp_path / "here/aoe2", {"b": b"!"})
    assert index_game(here, "aoe2", index)[0].content_id != second.content_id
    index.close()


def test_an_empty_folder_is_part_of_the_content(tmp_path: Path, index: Index) -> None:
    game_dir = make_game_dir(tmp_path / "games", {"aoe2": AOE2})
    first, _ = index_game(game_dir, "aoe2", index)
    (tmp_path / "games/aoe2/saves").mkdir()
    second, read = index_game(game_dir, "aoe2", index)
    assert read == 0
    assert second.content_id != first.content_id
    index.close()


def test_cancelling_stops_at_a_chunk_and_keeps_what_is_done(tmp_path: Path, index: Index) -> None:
    files = {"version.ini": b"1", "a": b"a" * MIB, "b": b"b" * MIB}
    game_dir = make_game_dir(tmp_path / "games", {"aoe2": files})
    todo = plan(find_game(game_dir, "aoe2"), index)
    read: list[int] = []

    def is_cancelled() -> bool:
        return sum(read) >= MIB + MIB // 2

    game = hash_game(game_dir, todo, index, on_bytes=read.append, is_cancelled=is_cancelled)
    assert game is None
    assert read == [MIB // 4] * 6
    left = plan(find_game(game_dir, "aoe2"), index)
    assert [file.path for file in left.unhashed] == ["b", "version.ini"]
    index.close()


def _grow(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"!")


def _link(path: Path) -> None:
    path.rename(path.with_name("moved"))
    path.symlink_to("moved")


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    "change",
    [_grow, lambda path: os.truncate(path, 10), lambda path: path.unlink(), _link, _folder],
    ids=["grown", "shorter", "gone", "a link", "a folder"],
)
def test_a_file_that_changed_since_the_survey_is_stale(
    tmp_path: Path, index: Index, change: object
) -> None:
    game_dir = make_game_dir(tmp_path / "games", {"aoe2": AOE2})
    todo = plan(find_game(game_dir, "aoe2"), index)
    assert callable(change)
    change(tmp_path / "games/aoe2/aoe2.eti")
    with pytest.raises(Stale):
        hash_game(game_dir, todo, index, on_bytes=lambda _: None, is_cancelled=lambda: False)
    assert "aoe2.eti" not in index.rows_of(game_dir, "aoe2")
    index.close()


@pytest.mark.parametrize("change", [_grow, lambda path: os.truncate(path, 10), os.utime])
def test_a_file_that_changes_under_the_reader_is_stale(
    tmp_path: Path, index: Index, change: object
) -> None:
    files = {"version.ini": b"1", "big": b"x" * MIB}
    game_dir = make_game_dir(tmp_path / "games", {"aoe2": files})
    os.utime(tmp_path / "games/aoe2/big", (1, 1))
    todo = plan(find_game(game_dir, "aoe2"), index)
    assert callable(change)

    def on_bytes(_: int) -> None:
        change(tmp_path / "games/aoe2/big")

    with pytest.raises(Stale):
        hash_game(game_dir, todo, index, on_bytes=on_bytes, is_cancelled=lambda: False)
    assert "big" not in index.rows_of(game_dir, "aoe2")
    index.close()


def test_a_folder_swapped_for_a_link_is_not_read(tmp_path: Path, index: Index) -> None:
    game_dir = make_game_dir(tmp_path / "games", {"aoe2": AOE2})
    todo = plan(find_game(game_dir, "aoe2"), index)
    maps = tmp_path / "games/aoe2/data/maps"
    maps.rename(tmp_path / "outside")
    maps.symlink_to(tmp_path / "outside")
    with pytest.raises(Stale):
        hash_game(game_dir, todo, index, on_bytes=lambda _: None, is_cancelled=lambda: False)
    index.close()


def test_a_game_with_a_fault_is_not_hashed(tmp_path: Path, index: Index) -> None:
    game_dir = make_game_dir(tmp_path / "games", {"aoe2": {**AOE2, "A": b"", "a": b""}})
    with pytest.raises(UnsafeGame) as caught:
        plan(find_game(game_dir, "aoe2"), index)
    assert "one name" in caught.value.metadata["fault"]
    index.close()


def test_a_row_with_too_few_hashes_is_not_believed(tmp_path: Path, index: Index) -> None:
    game_dir = make_game_dir(tmp_path / "games", {"aoe2": AOE2})
    index_game(game_dir, "aoe2", index)
    row = index.rows_of(game_dir, "aoe2")["aoe2.eti"]
    short = FileRow(row.size, row.mtime_ns, row.inode, row.hashes[:-32])
    index.replace_rows(game_dir, "aoe2", {"aoe2.eti": short})
    assert [f.path for f in plan(find_game(game_dir, "aoe2"), index).unhashed] == ["aoe2.eti"]
    index.close()


def test_an_inode_of_zero_is_taken_for_any(tmp_path: Path, index: Index) -> None:
    game_dir = make_game_dir(tmp_path / "games", {"aoe2": AOE2})
    index_game(game_dir, "aoe2", index)
    rows = index.rows_of(game_dir, "aoe2")
    index.replace_rows(
        game_dir,
        "aoe2",
        {path: FileRow(r.size, r.mtime_ns, 0, r.hashes) for path, r in rows.items()},
    )
    assert plan(find_game(game_dir, "aoe2"), index).unhashed == ()
    index.close()


def test_small_files_share_a_small_buffer(tmp_path: Path, index: Index) -> None:
    game_dir = make_game_dir(tmp_path / "games", {"aoe2": {"version.ini": b"1", "a": b"x" * 999}})
    todo = plan(find_game(game_dir, "aoe2"), index)
    hashing = hasher._Hashing(game_dir, todo, index, lambda _: None, lambda: False)
    assert len(hashing._buffer) == 999
    index.close()


def test_hashes_are_stored_in_batches(
    tmp_path: Path, index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hasher, "INDEX_BATCH_FILES", 2)
    files = {"version.ini": b"1", **{f"f{number}": b"x" for number in range(4)}}
    game_dir = make_game_dir(tmp_path / "games", {"aoe2": files})
    stored: list[int] = []

    def on_bytes(_: int) -> None:
        stored.append(len(index.rows_of(game_dir, "aoe2")))

    todo = plan(find_game(game_dir, "aoe2"), index)
    hash_game(game_dir, todo, index, on_bytes=on_bytes, is_cancelled=lambda: False)
    assert stored == [0, 0, 2, 2, 4]
    index.close()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_an_error(tmp_path: Path, index: Index) -> None:
    game_dir = make_game_dir(tmp_path / "games", {"aoe2": AOE2})
    (tmp_path / "games/aoe2/aoe2.eti").chmod(0)
    with pytest.raises(StorageError):
        index_game(game_dir, "aoe2", index)
    index.close()
