import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest

from lanspread_peer.core.run_slices import FileRange
from lanspread_peer.model.errors import NotFoundByPeer, Stale, StorageError
from lanspread_peer.model.paths import SafeRelPath
from lanspread_peer.storage.game_dir import GameDir
from lanspread_peer.storage.hasher import IndexedGame
from lanspread_peer.storage.index import Index
from lanspread_peer.storage.served_file import ServedFile, open_served, read_served
from support.storage_folders import AOE2, index_game, make_files, make_game_dir, open_descriptors

ETI = AOE2["aoe2.eti"]


@pytest.fixture
def game_dir(tmp_path: Path) -> GameDir:
    make_files(tmp_path / "games", {"outside": b"canary", "other/version.ini": b"1"})
    return make_game_dir(tmp_path / "games", {"aoe2": {**AOE2, "local/x": b"x", ".dot": b"."}})


@pytest.fixture
def game(game_dir: GameDir, tmp_path: Path) -> Iterator[IndexedGame]:
    index = Index(tmp_path)
    game, _ = index_game(game_dir, "aoe2", index)
    index.close()
    before = open_descriptors()
    yield game
    assert open_descriptors() <= before


def test_any_range_inside_the_file_is_read(game_dir: GameDir, game: IndexedGame) -> None:
    with open_served(game_dir, game, "aoe2.eti") as served:
        assert served.size == len(ETI)
        assert served.read(0, len(ETI)) == ETI
        assert served.read(7, 9) == ETI[7:16]
        assert served.read(len(ETI), 0) == b""
        assert served.is_unchanged()
    served.close()


@pytest.mark.parametrize(
    "path",
    [
        "",
        "missing",
        "../outside",
        "../other/version.ini",
        "data",
        "data/../aoe2.eti",
        "./aoe2.eti",
        "AOE2.ETI",
        "local/x",
        ".dot",
        "/etc/passwd",
        "aoe2.eti\0",
        "aoe2.eti/",
    ],
)
def test_only_paths_in_the_index_are_served(
    game_dir: GameDir, game: IndexedGame, path: str
) -> None:
    with pytest.raises(NotFoundByPeer):
        open_served(game_dir, game, path)


@pytest.mark.parametrize("span", [(-1, 1), (0, -1), (0, len(ETI) + 1), (len(ETI), 1), (2**70, 1)])
def test_a_range_outside_the_file_is_refused(
    game_dir: GameDir, game: IndexedGame, span: tuple[int, int]
) -> None:
    with open_served(game_dir, game, "aoe2.eti") as served, pytest.raises(NotFoundByPeer):
        served.read(*span)


def test_a_file_that_changed_is_stale(game_dir: GameDir, game: IndexedGame) -> None:
    file = game_dir.root / "aoe2/aoe2.eti"
    with open_served(game_dir, game, "aoe2.eti") as served:
        os.utime(file, ns=(1, 1))
        assert not served.is_unchanged()
        os.truncate(file, 10)
        with pytest.raises(Stale):
            served.read(0, 11)
    with pytest.raises(Stale):
        open_served(game_dir, game, "aoe2.eti")


def test_another_file_of_the_same_size_and_time_is_stale(
    game_dir: GameDir, game: IndexedGame
) -> None:
    file = game_dir.root / "aoe2/aoe2.eti"
    status = file.stat()
    file.rename(file.with_name("old"))
    file.write_bytes(bytes(len(ETI)))
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    with pytest.raises(Stale):
        open_served(game_dir, game, "aoe2.eti")


def test_a_link_in_the_place_of_a_file_or_folder_is_stale(
    game_dir: GameDir, game: IndexedGame, tmp_path: Path
) -> None:
    for path in ("aoe2/aoe2.eti", "aoe2/data/maps"):
        moved = tmp_path / Path(path).name
        (game_dir.root / path).rename(moved)
        (game_dir.root / path).symlink_to(moved)
    for path in ("aoe2.eti", "data/maps/arena.rms"):
        with pytest.raises(Stale):
            open_served(game_dir, game, path)


def test_a_file_that_is_gone_is_stale(game_dir: GameDir, game: IndexedGame) -> None:
    (game_dir.root / "aoe2/aoe2.eti").unlink()
    with pytest.raises(Stale):
        open_served(game_dir, game, "aoe2.eti")


def test_threads_read_one_file_and_a_close_harms_none(game_dir: GameDir, game: IndexedGame) -> None:
    served = open_served(game_dir, game, "aoe2.eti")

    closing = Event()

    def read(number: int) -> bool:
        if number == 300:
            closing.set()
            served.close()
        try:
            return served.read(number, 5000) == ETI[number : number + 5000]
        except StorageError:
            return closing.is_set()

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(read, range(400)))


def test_ranges_of_several_files_are_read_one_after_the_other(
    game_dir: GameDir, game: IndexedGame
) -> None:
    version = FileRange(SafeRelPath("version.ini"), 0, len(AOE2["version.ini"]))
    part = FileRange(SafeRelPath("aoe2.eti"), 7, 9)
    data = read_served(game_dir, game, [version, part, part])
    assert data == AOE2["version.ini"] + 2 * ETI[7:16]


def test_ranges_of_a_file_that_changes_while_it_is_read_are_stale(
    game_dir: GameDir, game: IndexedGame, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = ServedFile.read

    def read_and_change(served: ServedFile, offset: int, length: int) -> bytes:
        data = read(served, offset, length)
        (Path(game_dir.root) / "aoe2" / "aoe2.eti").write_bytes(b"changed")
        return data

    monkeypatch.setattr(ServedFile, "read", read_and_change)
    with pytest.raises(Stale):
        read_served(game_dir, game, [FileRange(SafeRelPath("aoe2.eti"), 0, 5)])


def test_one_walk_leads_to_the_small_files_of_a_folder_and_links_are_still_refused(
    game_dir: GameDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"many/deep/{number}" for number in range(20)]
    make_files(game_dir.root / "aoe2", dict.fromkeys(names, b"x"))
    index = Index(tmp_path)
    game, _ = index_game(game_dir, "aoe2", index)
    index.close()
    ranges = [FileRange(SafeRelPath(name), 0, 1) for name in names]
    opened: list[object] = []
    real_open = os.open

    def count(path: str, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        opened.append(path)
        return real_open(path, flags, mode, dir_fd=dir_fd)

    before = open_descriptors()
    with monkeypatch.context() as patch:
        patch.setattr(os, "open", count)
        assert read_served(game_dir, game, ranges) == b"x" * 20
    # The root, three folders below it, and each file.
    assert len(opened) == 4 + 20
    assert open_descriptors() <= before
    folder = game_dir.root / "aoe2/many/deep"
    folder.rename(game_dir.root / "elsewhere")
    folder.symlink_to(game_dir.root / "elsewhere")
    with pytest.raises(Stale):
        read_served(game_dir, game, ranges)
