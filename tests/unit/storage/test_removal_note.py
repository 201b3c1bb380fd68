from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from lanspread_peer.model import limits
from lanspread_peer.model.errors import IntegrityError, StorageError
from lanspread_peer.storage import beneath, removal_note
from lanspread_peer.storage.removal_note import (
    Removal,
    decode_removal,
    encode_removal,
    forget_removal,
    read_removal,
    removal_folders,
    removal_path,
    removals_of,
    write_removal,
)
from lanspread_peer.storage.thing import Kind, Thing
from support.removals import Killed
from support.storage_folders import make_game_dir

THING = Thing(Kind.FILE, 10, 1_700_000_000_000_000_000)
REMOVAL = Removal("aoe2", THING, (("a/b", THING), ("c", THING)), ("a",), ("local", "Local"))


def changed(**values: object) -> bytes:
    return msgspec.json.encode(msgspec.json.decode(encode_removal(REMOVAL)) | values)


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    game_dir = make_game_dir(tmp_path / "games", {})
    assert read_removal(tmp_path, game_dir, "aoe2") is None
    assert removal_folders(tmp_path, game_dir) == []
    write_removal(tmp_path, game_dir, REMOVAL)
    assert removal_folders(tmp_path, game_dir) == ["aoe2"]
    assert read_removal(tmp_path, game_dir, "aoe2") == REMOVAL
    forget_removal(tmp_path, game_dir, "aoe2")
    assert removal_folders(tmp_path, game_dir) == []


def test_one_game_folder_knows_nothing_of_the_notes_about_another(tmp_path: Path) -> None:
    write_removal(tmp_path, make_game_dir(tmp_path / "games", {}), REMOVAL)
    other = make_game_dir(tmp_path / "others", {})
    assert read_removal(tmp_path, other, "aoe2") is None
    assert removal_folders(tmp_path, other) == []


def test_a_note_is_for_nobody_elses_eyes(tmp_path: Path) -> None:
    game_dir = make_game_dir(tmp_path / "games", {})
    write_removal(tmp_path, game_dir, REMOVAL)
    assert (tmp_path / removal_path(game_dir, "aoe2")).stat().st_mode & 0o077 == 0


def test_what_a_kill_left_of_writing_one_is_no_note_and_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def be_killed(*_: object, **__: object) -> None:
        raise Killed

    game_dir = make_game_dir(tmp_path / "games", {})
    with monkeypatch.context() as patch:
        # As after a kill, nobody removes it.
        patch.setattr(beneath, "rename", be_killed)
        patch.setattr(beneath, "remove_file", lambda *_: None)
        with pytest.raises(Killed):
            write_removal(tmp_path, game_dir, REMOVAL)
    assert list((tmp_path / removals_of(game_dir)).iterdir())
    assert removal_folders(tmp_path, game_dir) == []
    assert not list((tmp_path / removals_of(game_dir)).iterdir())


def test_it_tells_what_its_files_take() -> None:
    assert REMOVAL.bytes == 30


@pytest.mark.parametrize(
    "path",
    [
        *("..", "../x", "a/../../x", "/x", "a//b", "", ".", "a\\..\\x", "a\0b"),
        *("local", "LOCAL/x", ".profile", "a/.git/config", "a/desktop.ini"),
    ],
)
def test_paths_that_lead_elsewhere_or_are_never_shared_are_refused(path: str) -> None:
    for data in (changed(files=[[path, 1, 1]]), changed(folders=[path])):
        with pytest.raises(IntegrityError):
            decode_removal(data)


@pytest.mark.parametrize(
    "values",
    [
        {"lanspread_removal": 2},
        {"folder": "../aoe2"},
        {"folder": ".lanspread"},
        {"version": ["other.ini", 1, 1]},
        {"installed": ["data"]},
        {"installed": ["local/deep"]},
        {"more": 1},
        {"files": [["a", 1]]},
    ],
)
def test_what_we_never_write_is_refused(values: dict[str, object]) -> None:
    with pytest.raises(IntegrityError):
        decode_removal(changed(**values))


def test_a_note_for_another_game_is_refused(tmp_path: Path) -> None:
    game_dir = make_game_dir(tmp_path / "games", {})
    write_removal(tmp_path, game_dir, REMOVAL)
    notes = tmp_path / removals_of(game_dir)
    (notes / "aoe2").rename(notes / "doom")
    with pytest.raises(IntegrityError):
        read_removal(tmp_path, game_dir, "doom")


def test_a_name_that_is_no_text_cannot_be_noted(tmp_path: Path) -> None:
    odd = replace(REMOVAL, files=(("odd\udcff", THING),))
    with pytest.raises(StorageError):
        write_removal(tmp_path, make_game_dir(tmp_path / "games", {}), odd)


def test_the_largest_note_is_read_and_one_byte_more_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    game_dir = make_game_dir(tmp_path / "games", {})
    size = len(encode_removal(REMOVAL))
    assert limits.MAX_REMOVAL_BYTES >= limits.MAX_MANIFEST_ENTRIES * (limits.MAX_PATH_BYTES + 64)
    monkeypatch.setattr(removal_note, "MAX_REMOVAL_BYTES", size)
    write_removal(tmp_path, game_dir, REMOVAL)
    assert read_removal(tmp_path, game_dir, "aoe2") == REMOVAL
    monkeypatch.setattr(removal_note, "MAX_REMOVAL_BYTES", size - 1)
    with pytest.raises(StorageError):
        write_removal(tmp_path, game_dir, REMOVAL)
    with pytest.raises(IntegrityError):
        read_removal(tmp_path, game_dir, "aoe2")
