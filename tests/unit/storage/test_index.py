import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lanspread_peer.model.errors import StorageError
from lanspread_peer.storage.game_dir import GameDir
from lanspread_peer.storage.index import INDEX_FILE, FileRow, Index

ROW = FileRow(5, 1_700_000_000_123_456_789, 2**63 - 1, b"\x01" * 32)
GAMES = GameDir(Path("/games"))
OTHER = GameDir(Path("/other"))


def test_rows_outlive_the_index_that_wrote_them(tmp_path: Path) -> None:
    index = Index(tmp_path)
    index.replace_rows(GAMES, "aoe2", {"a/b": ROW, "é": ROW})
    index.close()
    again = Index(tmp_path)
    assert again.rows_of(GAMES, "aoe2") == {"a/b": ROW, "é": ROW}
    again.close()


def test_rows_of_one_game_are_no_other_games(tmp_path: Path) -> None:
    index = Index(tmp_path)
    index.replace_rows(GAMES, "aoe2", {"a": ROW})
    assert index.rows_of(OTHER, "aoe2") == {}
    assert index.rows_of(GAMES, "AOE2") == {}
    index.close()


def test_rows_are_replaced_and_removed(tmp_path: Path) -> None:
    index = Index(tmp_path)
    index.replace_rows(GAMES, "aoe2", {"a": ROW, "b": ROW, "c": ROW})
    newer = FileRow(6, 0, 0, b"")
    index.replace_rows(GAMES, "aoe2", {"a": newer}, removed=["b", "missing"])
    assert index.rows_of(GAMES, "aoe2") == {"a": newer, "c": ROW}
    index.close()


def test_games_that_are_gone_are_forgotten_in_this_game_folder_only(tmp_path: Path) -> None:
    index = Index(tmp_path)
    for game_dir in (GAMES, OTHER):
        for folder in ("aoe2", "ut"):
            index.replace_rows(game_dir, folder, {"a": ROW})
    index.forget_other_games(GAMES, ["ut"])
    assert index.rows_of(GAMES, "aoe2") == {}
    assert index.rows_of(GAMES, "ut") == {"a": ROW}
    assert index.rows_of(OTHER, "aoe2") == {"a": ROW}
    index.close()


@pytest.mark.parametrize("content", [b"no database at all" * 100, b"SQLite format 3\0garbage"])
def test_a_corrupt_index_is_built_again(tmp_path: Path, content: bytes) -> None:
    (tmp_path / INDEX_FILE).write_bytes(content)
    index = Index(tmp_path)
    index.replace_rows(GAMES, "aoe2", {"a": ROW})
    assert index.rows_of(GAMES, "aoe2") == {"a": ROW}
    index.close()


def test_an_index_that_breaks_in_the_middle_is_built_again(tmp_path: Path) -> None:
    index = Index(tmp_path)
    index.replace_rows(GAMES, "aoe2", {str(number): ROW for number in range(5000)})
    index.close()
    file = tmp_path / INDEX_FILE
    content = file.read_bytes()
    file.write_bytes(content[:8192] + b"\xff" * (len(content) - 8192))
    again = Index(tmp_path)
    assert again.rows_of(GAMES, "aoe2") == {}
    again.replace_rows(GAMES, "aoe2", {"a": ROW})
    assert again.rows_of(GAMES, "aoe2") == {"a": ROW}
    again.close()


def test_an_index_of_another_format_is_built_again(tmp_path: Path) -> None:
    index = Index(tmp_path)
    index.replace_rows(GAMES, "aoe2", {"a": ROW})
    index.close()
    database = sqlite3.connect(tmp_path / INDEX_FILE)
    database.execute("PRAGMA user_version = 99")
    database.close()
    again = Index(tmp_path)
    assert again.rows_of(GAMES, "aoe2") == {}
    again.close()


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE files SET path = CAST(x'ed6f' AS TEXT)",
        "ALTER TABLE files DROP COLUMN hashes",
        "DROP TABLE files",
    ],
)
def test_an_index_whose_texts_or_tables_are_damaged_is_built_again(
    tmp_path: Path, damage: str
) -> None:
    index = Index(tmp_path)
    index.replace_rows(GAMES, "aoe2", {"a": ROW})
    index.close()
    database = sqlite3.connect(tmp_path / INDEX_FILE)
    with database:
        database.execute(damage)
    database.close()
    again = Index(tmp_path)
    assert again.rows_of(GAMES, "aoe2") == {}
    again.replace_rows(GAMES, "aoe2", {"a": ROW})
    assert again.rows_of(GAMES, "aoe2") == {"a": ROW}
    again.close()


def test_threads_take_turns(tmp_path: Path) -> None:
    index = Index(tmp_path)

    def write(number: int) -> None:
        index.replace_rows(GAMES, "aoe2", {str(number): ROW})
        index.rows_of(GAMES, "aoe2")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(64)))
    assert len(index.rows_of(GAMES, "aoe2")) == 64
    index.close()


def test_a_state_folder_that_cannot_hold_an_index_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError):
        Index(tmp_path / "missing")
    (tmp_path / INDEX_FILE).mkdir()
    with pytest.raises(StorageError):
        Index(tmp_path)
