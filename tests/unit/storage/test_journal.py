from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanspread_peer.model.errors import IntegrityError, StorageError
from lanspread_peer.storage import journal as journal_module
from lanspread_peer.storage.journal import (
    Journal,
    JournalStep,
    decode_journal,
    encode_journal,
    journal_names,
    journal_path,
    read_journal,
    remove_journal,
    write_journal,
)
from lanspread_peer.storage.moves import DropFolder, MakeFolder, Move, SyncFolder
from lanspread_peer.storage.thing import Kind, Thing, digest_of
from support.storage_folders import make_game_dir

FILE = Thing(Kind.FILE, 5, 1_700_000_000_123_456_789, digest_of(b"x" * 32))
OLD = Thing(Kind.OTHER, 3, -1)
JOURNAL = Journal(
    "d1",
    "Cafe\u0301",
    (
        JournalStep(MakeFolder(".lanspread/displaced"), is_new=True),
        JournalStep(MakeFolder(".lanspread/displaced/d1"), is_new=True),
        JournalStep(Move("Cafe\u0301/version.ini", ".lanspread/displaced/d1/1"), OLD),
        JournalStep(Move("Cafe\u0301/save", ".lanspread/conflicts/Cafe\u0301/1/save"), OLD),
        JournalStep(Move(".lanspread/staging/d1/files/a/b", "Cafe\u0301/a/b"), FILE),
        JournalStep(Move(".lanspread/staging/d1/manifest", ".lanspread/records/Cafe\u0301/m"), OLD),
        JournalStep(DropFolder("Cafe\u0301/old")),
        JournalStep(SyncFolder("")),
        JournalStep(SyncFolder(".lanspread")),
        JournalStep(SyncFolder("Cafe\u0301")),
    ),
)


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    game_dir = make_game_dir(tmp_path / "games", {})
    assert journal_names(game_dir) == []
    write_journal(game_dir, JOURNAL)
    assert journal_names(game_dir) == ["d1"]
    assert read_journal(game_dir, "d1") == JOURNAL
    (game_dir.root / journal_path("d1")).rename(game_dir.root / journal_path("d2"))
    with pytest.raises(IntegrityError):
        read_journal(game_dir, "d2")
    remove_journal(game_dir, "d2")
    remove_journal(game_dir, "d2")
    assert journal_names(game_dir) == []


def test_a_torn_or_changed_journal_is_known() -> None:
    data = encode_journal(JOURNAL)
    for length in range(0, len(data), 7):
        with pytest.raises(IntegrityError, match="torn"):
            decode_journal(data[:length])
    with pytest.raises(IntegrityError, match="torn"):
        decode_journal(data.replace(b"version", b"VERSION"))


@given(st.binary(max_size=200))
def test_any_bytes_with_a_right_checksum_are_refused_or_decoded(body: bytes) -> None:
    with pytest.raises(IntegrityError):
        decode_journal(journal_module._checksum(body) + b"\n" + body)


FOREIGN = [
    "",
    "..",
    "../outside",
    "aoe2/../../outside",
    "/etc/passwd",
    "aoe2//x",
    "aoe2/./x",
    "aoe2/local",
    "aoe2/Local/game.exe",
    "aoe2\\x",
    "aoe2/a\0",
    "aoe2x/y",
    "other",
    "other/version.ini",
    ".lanspread",
    ".lanspread/lock",
    ".lanspread/staging",
    ".lanspread/staging/d1",
    ".lanspread/staging/d2/files/x",
    ".lanspread/displaced/d2/1",
    ".lanspread/conflicts/other/1/x",
    ".lanspread/records/other/manifest",
    ".lanspread/journal/d1",
]


@pytest.mark.parametrize("path", FOREIGN)
@pytest.mark.parametrize("end", ["old", "new"])
def test_a_move_leads_only_where_a_publish_has_business(path: str, end: str) -> None:
    step = Move(path, "aoe2/x") if end == "old" else Move("aoe2/x", path)
    with pytest.raises(IntegrityError):
        decode_journal(encode_journal(Journal("d1", "aoe2", (JournalStep(step, FILE),))))


@pytest.mark.parametrize("step", [MakeFolder, DropFolder, SyncFolder])
def test_no_other_step_leads_elsewhere_either(step: type[MakeFolder | DropFolder]) -> None:
    for path in ("..", "aoe2/../x", "/etc", "other", "aoe2/local/x", ".lanspread/journal"):
        with pytest.raises(IntegrityError):
            decode_journal(encode_journal(Journal("d1", "aoe2", (JournalStep(step(path)),))))


@pytest.mark.parametrize(
    ("name", "folder"), [("../d1", "aoe2"), ("", "aoe2"), ("d1", ".."), ("d1", ".lanspread")]
)
def test_names_that_are_none_are_refused(name: str, folder: str) -> None:
    with pytest.raises(IntegrityError):
        decode_journal(encode_journal(Journal(name, folder, ())))


@pytest.mark.parametrize(
    "step",
    [
        ["move", "aoe2/x", "aoe2/y"],
        ["move", "aoe2/x", "aoe2/y", ["file", 1, 1, "not hex"]],
        ["move", "aoe2/x", "aoe2/y", ["socket", 1, 1, ""]],
        ["delete", "aoe2/x"],
        ["make"],
        ["make", 1],
        [],
    ],
)
def test_a_step_that_makes_no_sense_is_refused(step: list[object]) -> None:
    raw = {"lanspread_journal": 1, "name": "d1", "folder": "aoe2", "steps": [step]}
    body = msgspec.json.encode(raw)
    with pytest.raises(IntegrityError):
        decode_journal(journal_module._checksum(body) + b"\n" + body)


def test_another_format_is_refused() -> None:
    body = b'{"lanspread_journal":2,"name":"d1","folder":"aoe2","steps":[]}'
    with pytest.raises(IntegrityError, match="format"):
        decode_journal(journal_module._checksum(body) + b"\n" + body)


def test_one_beyond_the_limit_is_neither_written_nor_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    game_dir = make_game_dir(tmp_path / "games", {})
    size = len(encode_journal(JOURNAL))
    monkeypatch.setattr(journal_module, "MAX_JOURNAL_BYTES", size)
    write_journal(game_dir, JOURNAL)
    assert read_journal(game_dir, "d1") == JOURNAL
    monkeypatch.setattr(journal_module, "MAX_JOURNAL_BYTES", size - 1)
    with pytest.raises(IntegrityError):
        read_journal(game_dir, "d1")
    with pytest.raises(StorageError):
        write_journal(game_dir, JOURNAL)
