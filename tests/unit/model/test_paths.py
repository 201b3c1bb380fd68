"""Every hostile path is refused; what any system can hold is taken as it is."""

import unicodedata

import pytest

from lanspread_peer.model.errors import UnsafePath
from lanspread_peer.model.limits import MAX_PATH_BYTES, MAX_PATH_DEPTH, MAX_PATH_PART_BYTES
from lanspread_peer.model.paths import (
    SafeRelPath,
    first_collision,
    fold_path,
    is_shared,
    parent_of,
    parse_path,
    path_fault,
)
from support.hostile_paths import hostile_paths

GOOD = [
    "a",
    "version.ini",
    "data/maps/level 1.bsp",
    ".hidden",
    "..a",
    "a..b/c",
    "con1",
    "console.txt",
    "nulls",
    "com10",
    "aux-file.txt",
    "my.con",
    "caf\u00e9/\u00fcber.txt",
    "\u65e5\u672c\u8a9e.pak",
    "\U0001f3ae.sav",
    "a'b`c~!@#$%^&()_+-={}[];,",
    "stra\u00dfe",
    "\u0130stanbul",
]


@pytest.mark.parametrize(("fault", "path"), hostile_paths())
def test_a_hostile_path_is_refused(fault: str, path: str) -> None:
    with pytest.raises(UnsafePath) as caught:
        parse_path(path)
    assert caught.value.metadata["path"].isascii()
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("path", GOOD)
def test_a_path_that_every_system_holds_is_taken_unchanged(path: str) -> None:
    assert parse_path(path) == path
    assert path_fault(path) == ""


@pytest.mark.parametrize("character", ["a", "\u00e9", "\u65e5", "\U0001f3ae"])
def test_a_part_may_have_as_many_bytes_as_its_limit_and_no_more(character: str) -> None:
    width = len(character.encode())
    full = character * (MAX_PATH_PART_BYTES // width) + "x" * (MAX_PATH_PART_BYTES % width)
    assert len(full.encode()) == MAX_PATH_PART_BYTES
    assert path_fault(full) == ""
    assert f"{MAX_PATH_PART_BYTES} bytes" in path_fault(full + "x")
    assert f"{MAX_PATH_PART_BYTES} bytes" in path_fault(f"a/{full}x/b")


def test_a_path_may_have_as_many_bytes_as_its_limit_and_no_more() -> None:
    full = "/".join(["a" * 102] * 4 + ["a" * 100])
    assert len(full) == MAX_PATH_BYTES
    assert path_fault(full) == ""
    assert f"{MAX_PATH_BYTES} bytes" in path_fault(full + "a")


def test_a_path_may_have_as_many_parts_as_its_limit_and_no_more() -> None:
    assert path_fault("/".join(["a"] * MAX_PATH_DEPTH)) == ""
    assert f"{MAX_PATH_DEPTH} parts" in path_fault("/".join(["a"] * (MAX_PATH_DEPTH + 1)))


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a\ud800", "valid Unicode"),
        ("e\u0301", "NFC"),
        ("a\\b", "none of"),
        ("a\u202eb", "bidi"),
        ("a/../b", "'..' part"),
        ("a ", "dot or space"),
        ("aux.txt", "device"),
    ],
)
def test_the_fault_says_what_was_expected(path: str, expected: str) -> None:
    assert expected in path_fault(path)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("Readme.TXT", "readme.txt"),
        ("A/b", "a/B"),
        ("stra\u00dfe", "STRASSE"),
        ("\u00c9t\u00e9", "\u00e9t\u00e9"),
        ("\u03c3", "\u03c2"),
        ("e\u0301", "\u00c9"),
    ],
)
def test_names_that_some_system_holds_as_one_collide(left: str, right: str) -> None:
    assert fold_path(left) == fold_path(right)
    paths = [SafeRelPath("other"), SafeRelPath(left), SafeRelPath(right)]
    assert first_collision(paths) == (left, right)


def test_different_names_do_not_collide() -> None:
    assert first_collision(map(SafeRelPath, ["a", "b", "a/a", "ab", "\u00e9", "e"])) is None


def test_the_parent_is_the_folder_that_holds_a_path() -> None:
    assert parent_of(SafeRelPath("a/b/c")) == "a/b"
    assert parent_of(SafeRelPath("a/b")) == "a"
    assert parent_of(SafeRelPath("a")) is None


@pytest.mark.parametrize(
    "path",
    [
        "local",
        "local/save.dat",
        "Local/save.dat",
        "LOCAL/a/b",
        ".hidden",
        ".lanspread/journal",
        "a/.git/config",
        "a/.b",
        "desktop.ini",
        "a/Desktop.INI",
        "Thumbs.db",
        "a/b/thumbs.db",
    ],
)
def test_what_is_never_shared_is_told_apart(path: str) -> None:
    assert not is_shared(parse_path(path))


@pytest.mark.parametrize(
    "path", ["version.ini", "a/local/b", "locale/de.txt", "local.txt", "a.b/c", "my-thumbs.db"]
)
def test_what_only_looks_like_it_is_shared(path: str) -> None:
    assert is_shared(parse_path(path))


def test_the_corpus_holds_forms_that_normalising_would_hide() -> None:
    decomposed = [path for fault, path in hostile_paths() if fault == "decomposed"]
    assert all(path_fault(unicodedata.normalize("NFC", path)) == "" for path in decomposed)
