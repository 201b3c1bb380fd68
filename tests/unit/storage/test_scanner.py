import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from lanspread_peer.model.errors import StorageError
from lanspread_peer.model.game import Description, LocalState
from lanspread_peer.model.ids import GameKey
from lanspread_peer.model.paths import SafeRelPath
from lanspread_peer.storage import scanner
from lanspread_peer.storage.found import FoundGame
from lanspread_peer.storage.game_dir import GameDir
from lanspread_peer.storage.scanner import survey
from support.storage_folders import AOE2, find_game, make_files, make_game_dir

VERSION = {"version.ini": b"1"}


def _shared(game: FoundGame) -> tuple[Sequence[str], Sequence[str]]:
    return [file.path for file in game.files], list(game.directories)


def _known(games: Sequence[FoundGame]) -> dict[GameKey, FoundGame]:
    return {game.key: game for game in games}


def test_a_game_is_found_with_all_that_is_shared(tmp_path: Path) -> None:
    game_dir = make_game_dir(tmp_path, {"aoe2": {**AOE2, "game.json": b'{"name": "Age"}'}})
    (game,) = survey(game_dir)
    assert (game.id, game.folder, game.version, game.fault) == ("aoe2", "aoe2", "20240229", "")
    assert game.description == Description(name="Age")
    assert _shared(game) == (
        ["aoe2.eti", "data/empty", "data/maps/arena.rms", "game.json", "version.ini"],
        ["data", "data/maps"],
    )
    assert not game.installed
    assert game.totals.bytes == sum(map(len, AOE2.values())) + 15
    assert game.local.state is LocalState.INDEXING
    status = (tmp_path / "aoe2/aoe2.eti").stat()
    eti = game.files[0]
    assert (eti.size, eti.mtime_ns, eti.inode) == (
        status.st_size,
        status.st_mtime_ns,
        status.st_ino,
    )


def test_what_is_never_shared_is_left_out(tmp_path: Path) -> None:
    hidden = {
        **VERSION,
        "LOCAL/game.exe": b"",
        ".git/config": b"",
        ".hidden": b"",
        "data/.hidden": b"",
        "data/Desktop.INI": b"",
        "data/THUMBS.db": b"",
        "data/local/kept": b"",
    }
    game_dir = make_game_dir(tmp_path / "games", {"aoe2": hidden})
    make_files(tmp_path / "outside", {"secret": b"secret"})
    game = tmp_path / "games/aoe2"
    (game / "link").symlink_to(tmp_path / "outside")
    (game / "data/link").symlink_to(tmp_path / "outside/secret")
    os.mkfifo(game / "data/pipe")
    found = find_game(game_dir, "aoe2")
    assert _shared(found) == (["data/local/kept", "version.ini"], ["data", "data/local"])
    assert found.installed
    assert found.fault == ""


def test_a_folder_without_a_real_version_ini_is_no_game(tmp_path: Path) -> None:
    game_dir = make_game_dir(
        tmp_path,
        {"none": {"a": b""}, ".hidden": VERSION, "inner": {"a/version.ini": b"1"}, "linked": {}},
    )
    make_files(tmp_path / "folder/version.ini", {"a": b""})
    (tmp_path / "linked/version.ini").symlink_to(tmp_path / ".hidden/version.ini")
    (tmp_path / "alias").symlink_to(tmp_path / ".hidden")
    (tmp_path / "version.ini").write_bytes(b"1")
    assert survey(game_dir) == []


def test_names_are_shared_in_one_normal_form(tmp_path: Path) -> None:
    nfd = "Cafe\u0301"
    game_dir = make_game_dir(tmp_path, {nfd: {**VERSION, f"{nfd}/{nfd}.pk3": b"x"}})
    (game,) = survey(game_dir)
    assert (game.id, game.folder) == ("Café", nfd)
    assert _shared(game) == (["Café/Café.pk3", "version.ini"], ["Café"])
    assert game.files[0].disk_path == f"{nfd}/{nfd}.pk3"


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        (b"a:b", "none of"),
        (b"back\\slash", "none of"),
        (b"con.txt", "reserved device"),
        (b"dot.", "ends with a dot"),
        (b"esc\x1b", "control"),
        (b"\xff", "valid Unicode"),
        ("rtl\u202e".encode(), "control, bidi"),
    ],
)
def test_a_name_that_some_system_cannot_hold_makes_the_game_unsafe(
    tmp_path: Path, name: bytes, fault: str
) -> None:
    game_dir = make_game_dir(tmp_path, {"aoe2": VERSION, "ut": VERSION})
    for parent in (b"", b"folder/"):
        target = os.fsencode(tmp_path / "aoe2") + b"/" + parent
        Path(os.fsdecode(target)).mkdir(exist_ok=True)
        Path(os.fsdecode(target + name)).write_bytes(b"")
        game, other = survey(game_dir)
        assert fault in game.fault
        assert game.version == "1"
        assert game.local.state is LocalState.UNSAFE
        assert game.local.summary is None
        assert game.fault.isprintable()
        assert other.fault == ""
        Path(os.fsdecode(target + name)).unlink()


@pytest.mark.parametrize(
    "names", [("a/Data", "A/data"), ("é", "e\u0301"), ("straße", "STRASSE"), ("a", "A/x")]
)
def test_names_that_collide_somewhere_make_the_game_unsafe(
    tmp_path: Path, names: tuple[str, str]
) -> None:
    game_dir = make_game_dir(tmp_path, {"aoe2": {**VERSION, names[0]: b"", names[1]: b""}})
    assert "one name on some systems" in find_game(game_dir, "aoe2").fault


def test_a_name_that_is_no_game_id_is_listed_with_its_fault(tmp_path: Path) -> None:
    folders = ("bad:name", "con", os.fsdecode(b"raw\xff"), "fine")
    game_dir = make_game_dir(tmp_path, dict.fromkeys(folders, VERSION))
    games = survey(game_dir)
    assert [game.folder for game in games] == ["bad:name", "con", "fine", folders[2]]
    assert [bool(game.fault) for game in games] == [True, True, False, True]
    assert all(game.id.isascii() for game in games)


def test_of_two_folders_that_are_one_game_the_first_has_it(tmp_path: Path) -> None:
    game_dir = make_game_dir(tmp_path, {"AOE2": VERSION, "aoe2": VERSION})
    games = survey(game_dir)
    assert [(game.folder, game.fault) for game in games] == [
        ("AOE2", ""),
        ("aoe2", "'AOE2' is the same game"),
    ]
    shutil.rmtree(tmp_path / "AOE2")
    (left,) = survey(game_dir, _known(games))
    assert (left.folder, left.fault) == ("aoe2", "")


@pytest.mark.parametrize(
    ("limit", "value", "fault"),
    [
        ("MAX_MANIFEST_ENTRIES", 5, "more than 5 files"),
        ("MAX_GAME_BYTES", 100, "more than 100 bytes"),
        ("MAX_MANIFEST_BYTES", 500, "more than 500 bytes"),
    ],
)
def test_a_game_beyond_a_limit_is_unsafe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, value: int, fault: str
) -> None:
    game_dir = make_game_dir(tmp_path, {"aoe2": AOE2})
    monkeypatch.setattr(scanner, limit, value)
    assert fault in find_game(game_dir, "aoe2").fault


def test_exactly_as_many_entries_as_allowed_are_fine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    game_dir = make_game_dir(tmp_path, {"aoe2": AOE2})
    monkeypatch.setattr(scanner, "MAX_MANIFEST_ENTRIES", 6)
    assert find_game(game_dir, "aoe2").fault == ""


def test_a_library_beyond_the_limit_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scanner, "MAX_LIBRARY_GAMES", 2)
    game_dir = make_game_dir(tmp_path, {"a": VERSION, "b": VERSION, "c": VERSION})
    assert [game.fault for game in survey(game_dir)] == ["", "", "more than 2 games"]


def test_a_folder_too_deep_is_unsafe(tmp_path: Path) -> None:
    game_dir = make_game_dir(tmp_path, {"aoe2": {**VERSION, "d/" * 32 + "file": b""}})
    assert "at most 32 parts" in find_game(game_dir, "aoe2").fault


def test_an_unchanged_game_is_the_very_same_object(tmp_path: Path) -> None:
    game_dir = make_game_dir(tmp_path, {"aoe2": AOE2})
    before = survey(game_dir)
    assert survey(game_dir, _known(before))[0] is before[0]
    assert survey(game_dir)[0] == before[0]


def test_every_kind_of_change_is_seen(tmp_path: Path) -> None:
    game_dir = make_game_dir(tmp_path, {"aoe2": {**AOE2, "game.json": b"{}"}})
    root = tmp_path / "aoe2"
    changes: list[Callable[[], object]] = [
        lambda: os.utime(root / "aoe2.eti", ns=(1, 1)),
        lambda: (root / "data/empty").write_bytes(b"grown"),
        lambda: (root / "data/new").write_bytes(b""),
        lambda: (root / "data/new").rename(root / "data/renamed"),
        lambda: (root / "data/renamed").unlink(),
        lambda: (root / "folder").mkdir(),
        lambda: (root / "folder").rmdir(),
        lambda: (root / "local").mkdir(),
        lambda: (root / "local").rmdir(),
        lambda: (root / "version.ini").write_bytes(b"20250101"),
        lambda: (root / "game.json").write_bytes(b'{"name": "Age"}'),
        lambda: (root / "game.json").unlink(),
    ]
    (game,) = survey(game_dir)
    for number, change in enumerate(changes):
        change()
        (now,) = survey(game_dir, {game.key: game})
        assert now != game, number
        assert [now] == survey(game_dir), number
        game = now
    assert game.version == "20250101"


def test_a_size_that_changed_within_one_tick_of_the_clock_is_seen(tmp_path: Path) -> None:
    game_dir = make_game_dir(tmp_path, {"aoe2": AOE2})
    before = survey(game_dir)
    file = tmp_path / "aoe2/aoe2.eti"
    status = file.stat()
    os.truncate(file, 10)
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert survey(game_dir, _known(before))[0].files[0].size == 10


def test_a_fault_goes_with_its_reason(tmp_path: Path) -> None:
    game_dir = make_game_dir(tmp_path, {"aoe2": {**VERSION, "a": b"", "A": b""}})
    games = survey(game_dir)
    (tmp_path / "aoe2/A").unlink()
    assert games[0].fault
    assert survey(game_dir, _known(games))[0].fault == ""


def test_what_vanishes_while_walking_is_not_there_and_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    game_dir = make_game_dir(tmp_path, {"a": AOE2, "b": AOE2, "c": AOE2})
    real_scandir = os.scandir

    def scandir_then_vanish(path: "str | int") -> object:
        if path == f"{tmp_path}/b/":
            shutil.rmtree(tmp_path / "b")
        if path == f"{tmp_path}/c/data":
            shutil.rmtree(tmp_path / "c/data")
        return real_scandir(path)

    monkeypatch.setattr(os, "scandir", scandir_then_vanish)
    games = survey(game_dir)
    assert [game.folder for game in games] == ["a", "b", "c"]
    assert _shared(games[2])[0] == ["aoe2.eti", "version.ini"]
    monkeypatch.undo()
    assert [game.folder for game in survey(game_dir)] == ["a", "c"]


def test_a_file_that_vanishes_hides_no_other(tmp_path: Path) -> None:
    """It vanishes between its listing and the look at it."""
    game_dir = make_game_dir(tmp_path, {"aoe2": {**VERSION, "a": b"", "b": b"", "c": b""}})

    class Vanishing(scanner._Walk):
        def _add_file(self, entry: "os.DirEntry[str]", path: str, normal: SafeRelPath) -> None:
            if entry.name == "b":
                Path(entry.path).unlink()
            super()._add_file(entry, path, normal)

    walk = Vanishing(game_dir, "aoe2", None)
    walk.run()
    assert sorted(file.path for file in walk.files) == ["a", "c", "version.ini"]
    assert walk.fault == ""


def test_a_missing_game_folder_is_an_error(tmp_path: Path) -> None:
    game_dir = make_game_dir(tmp_path / "games", {})
    (tmp_path / "games").rmdir()
    with pytest.raises(StorageError):
        survey(game_dir)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_cannot_be_read_makes_the_game_unsafe(tmp_path: Path) -> None:
    game_dir = make_game_dir(tmp_path, {"aoe2": AOE2})
    (tmp_path / "aoe2/data").chmod(0)
    assert "cannot read" in find_game(game_dir, "aoe2").fault
    (tmp_path / "aoe2/data").chmod(0o700)


def test_inodes_count_only_where_they_are_stable(tmp_path: Path) -> None:
    make_files(tmp_path / "aoe2", AOE2)
    unstable = GameDir(tmp_path, has_stable_inodes=False)
    assert {file.inode for file in find_game(unstable, "aoe2").files} == {0}
