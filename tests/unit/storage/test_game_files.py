import json
from pathlib import Path

import pytest

from lanspread_peer.model.errors import StorageError
from lanspread_peer.model.game import Description
from lanspread_peer.model.limits import MAX_DESCRIPTION_TEXT_BYTES, MAX_GAME_JSON_BYTES
from lanspread_peer.storage.game_files import parse_description, read_description, read_version
from support.storage_folders import make_game_dir

FULL = Description("Age of Empires II", "A classic.", "Microsoft", 1999, "Strategy", 8)


def test_the_version_is_read(tmp_path: Path) -> None:
    games = {"a": {"version.ini": b"20240229\r\n"}, "b": {"version.ini": b"x=1\nversion=1.2\n"}}
    game_dir = make_game_dir(tmp_path, games)
    assert read_version(game_dir, "a") == "20240229"
    assert read_version(game_dir, "b") == "1.2"


def test_a_missing_or_linked_version_is_an_error(tmp_path: Path) -> None:
    game_dir = make_game_dir(tmp_path / "games", {"a": {}})
    with pytest.raises(StorageError):
        read_version(game_dir, "a")
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / "games/a/version.ini").symlink_to(tmp_path / "secret")
    with pytest.raises(StorageError):
        read_version(game_dir, "a")


def test_a_description_is_read_in_full(tmp_path: Path) -> None:
    fields = {name: getattr(FULL, name) for name in FULL.__slots__}
    content = b"\xef\xbb\xbf" + json.dumps({**fields, "unknown": [1]}).encode()
    game_dir = make_game_dir(tmp_path, {"a": {"game.json": content}, "b": {}})
    assert read_description(game_dir, "a") == FULL
    assert read_description(game_dir, "b") == Description()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"null",
        b"[]",
        b'{"name": 1}',
        b'{"name": "x", "max_players": "many"}',
        b'{"name": "\xff"}',
        b'{"name": "\\ud800"}',
        b'{"name": "x", "deep": ' + b"[" * 30_000 + b"]" * 30_000 + b"}",
        b'{"name": "x", "pad": "' + b"x" * MAX_GAME_JSON_BYTES + b'"}',
    ],
)
def test_wrong_content_gives_an_empty_description(tmp_path: Path, content: bytes) -> None:
    game_dir = make_game_dir(tmp_path, {"a": {"game.json": content}})
    assert read_description(game_dir, "a") == Description()


@pytest.mark.parametrize("text", ["a\x1b[2J", "a\nb", "\u202egame", "zero\u200bwidth", "a\u2028b"])
def test_a_text_that_plays_tricks_is_dropped_and_never_cleaned(text: str) -> None:
    content = json.dumps({"name": text, "genre": "Strategy"}).encode()
    assert parse_description(content) == Description(genre="Strategy")


def test_texts_and_numbers_are_bounded() -> None:
    longest = "é" * (MAX_DESCRIPTION_TEXT_BYTES // 2)
    assert parse_description(json.dumps({"name": longest}).encode()).name == longest
    assert parse_description(json.dumps({"name": longest + "e"}).encode()).name == ""
    years = (0, 9999, 10_000, -1)
    parsed = [parse_description(json.dumps({"release_year": y}).encode()) for y in years]
    assert [description.release_year for description in parsed] == [0, 9999, 0, 0]
    players = (1_000_000, 1_000_001)
    parsed = [parse_description(json.dumps({"max_players": p}).encode()) for p in players]
    assert [description.max_players for description in parsed] == [1_000_000, 0]


def test_spaces_of_other_scripts_are_text_and_numbers_may_be_quoted() -> None:
    content = '{"name": "東方\u3000紅魔郷", "release_year": "2002"}'.encode()
    assert parse_description(content) == Description(name="東方\u3000紅魔郷", release_year=2002)
