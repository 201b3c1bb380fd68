"""Chunks that are on this disk already are taken from there, and only right ones."""

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from random import Random

import pytest

from lanspread_peer.model.errors import DiskFull, StorageError
from lanspread_peer.model.limits import MIN_CHUNK_BYTES
from lanspread_peer.model.manifest import Chunk
from lanspread_peer.model.paths import SafeRelPath
from lanspread_peer.storage import positional_file
from lanspread_peer.storage.adopt import adopt
from lanspread_peer.storage.clone import clone_range
from lanspread_peer.storage.game_dir import GameDir
from lanspread_peer.storage.index import Index
from lanspread_peer.storage.positional_file import PositionalFile
from lanspread_peer.storage.records import unchanged_rows
from lanspread_peer.storage.staging import Staging
from support.stagings import chunk_data, manifest_of, new_staging
from support.storage_folders import index_game, make_files, make_game_dir, open_descriptors

CHUNK = MIN_CHUNK_BYTES
Files = Mapping[str, bytes]


def blocks(*seeds: int) -> bytes:
    """A file of one chunk per seed."""
    return b"".join(Random(seed).randbytes(CHUNK) for seed in seeds)


OLD = {"version.ini": b"1", "game.eti": blocks(*range(8)), "data/tail": blocks(20) + b"tail"}


class Disk:
    """A game folder, its index, and a staging that adopts from it."""

    def __init__(self, game_dir: GameDir, index: Index) -> None:
        self.game_dir = game_dir
        self.index = index
        self.adopted: list[Chunk] = []
        self.cancel_after = 1 << 30

    @property
    def game(self) -> Path:
        return self.game_dir.root / "aoe2"

    def has(self, files: Files) -> None:
        make_files(self.game, files)
        index_game(self.game_dir, "aoe2", self.index)

    def adopt_into(self, files: Files, name: str = "new") -> Staging:
        staging = new_staging(self.game_dir, manifest_of(files), name)
        self.adopt(staging)
        self.require_right(staging, files)
        return staging

    def adopt(self, staging: Staging) -> None:
        adopt(
            staging,
            "aoe2",
            self.index,
            is_cancelled=lambda: len(self.adopted) >= self.cancel_after,
            on_chunk=self.adopted.append,
        )

    def require_right(self, staging: Staging, files: Files) -> None:
        """What was told is what is verified, and what is verified is right."""
        numbers = [chunk.number for chunk in self.adopted]
        assert sum(1 << number for number in numbers) == staging.verified
        for chunk in self.adopted:
            staged = (self.game_dir.root / staging.path_of(chunk.file.path)).read_bytes()
            data = staged[chunk.offset : chunk.offset + chunk.length]
            assert data == chunk_data(staging.manifest, files, chunk.number)


@pytest.fixture(params=["in the kernel", "through memory"])
def disk(
    tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Disk]:
    if request.param == "through memory":
        monkeypatch.setattr(positional_file, "clone_range", lambda *_: False)
    before = open_descriptors()
    disk = Disk(make_game_dir(tmp_path / "games", {}), Index(tmp_path))
    yield disk
    disk.index.close()
    assert open_descriptors() <= before


def places(disk: Disk) -> list[tuple[str, int]]:
    return [(chunk.file.path, chunk.offset // CHUNK) for chunk in disk.adopted]


def test_an_update_adopts_all_chunks_that_did_not_change(disk: Disk) -> None:
    content = blocks(*range(100))
    disk.has({"version.ini": b"1", "game.eti": content})
    new = bytearray(content)
    for changed in (0, 50, 99):
        new[changed * CHUNK] ^= 1
    files = {"version.ini": b"2", "game.eti": bytes(new)}
    staging = disk.adopt_into(files)
    assert places(disk) == [("game.eti", n) for n in range(100) if n not in (0, 50, 99)]
    assert staging.verified_bytes == 97 * CHUNK
    assert len(list(staging.missing_chunks())) == 3 + 1
    staging.close()


def test_chunks_are_found_under_other_names_and_in_other_places(disk: Disk) -> None:
    disk.has(OLD)
    files = {
        "version.ini": b"2",
        "renamed.pak": OLD["game.eti"],
        "moved": blocks(99, 3, 2, 20),
        "data/other": OLD["data/tail"],
    }
    staging = disk.adopt_into(files)
    missing = {(c.file.path, c.offset // CHUNK) for c in staging.missing_chunks()}
    assert missing == {("version.ini", 0), ("moved", 0)}
    assert staging.is_complete(staging.manifest.files[-2])
    staging.close()


def test_one_chunk_on_disk_serves_every_place_that_wants_it(disk: Disk) -> None:
    disk.has({"version.ini": b"1", "a": blocks(1)})
    staging = disk.adopt_into({"version.ini": b"1", "b": blocks(1, 1, 2, 1), "c": blocks(1)})
    assert sorted(places(disk)) == [("b", 0), ("b", 1), ("b", 3), ("c", 0), ("version.ini", 0)]
    staging.close()


def test_what_is_verified_already_is_not_adopted_again(disk: Disk) -> None:
    disk.has(OLD)
    staging = new_staging(disk.game_dir, manifest_of(OLD), "new")
    chunk = staging.manifest.chunk(3)
    staging.write_chunk(chunk, chunk_data(staging.manifest, OLD, 3))
    disk.adopt(staging)
    assert chunk not in disk.adopted
    assert len(disk.adopted) == staging.manifest.totals.chunks - 1
    disk.adopted.clear()
    disk.adopt(staging)
    assert disk.adopted == []
    staging.close()


def test_only_prepared_files_are_filled(disk: Disk) -> None:
    disk.has(OLD)
    manifest = manifest_of(OLD)
    entry = manifest.file("data/tail")
    assert entry is not None
    staging = new_staging(disk.game_dir, manifest, "new", files=[entry])
    disk.adopt(staging)
    assert places(disk) == [("data/tail", 0), ("data/tail", 1)]
    staging.close()


def change_in_place(path: Path) -> None:
    status = path.stat()
    with path.open("r+b") as file:
        file.seek(2 * CHUNK)
        file.write(b"changed")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_a_change_that_the_index_did_not_see_is_never_adopted(disk: Disk) -> None:
    disk.has(OLD)
    change_in_place(disk.game / "game.eti")
    staging = disk.adopt_into(OLD)
    assert ("game.eti", 2) not in places(disk)
    assert len(disk.adopted) == staging.manifest.totals.chunks - 1
    staging.close()


def touch(path: Path) -> None:
    os.utime(path, ns=(1, 1))


def link_outside(path: Path) -> None:
    outside = path.parents[3] / "outside"
    path.rename(outside)
    path.symlink_to(outside)


@pytest.mark.parametrize("change", [touch, Path.unlink, link_outside])
def test_a_file_that_is_not_the_one_hashed_is_passed_over(
    disk: Disk, change: Callable[[Path], None]
) -> None:
    disk.has(OLD)
    change(disk.game / "game.eti")
    staging = disk.adopt_into(OLD)
    assert {path for path, _ in places(disk)} == {"version.ini", "data/tail"}
    staging.close()


@pytest.mark.parametrize("change", [Path.unlink, link_outside])
def test_a_file_that_is_swapped_after_it_was_looked_at_is_passed_over(
    disk: Disk, change: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    disk.has(OLD)
    look = unchanged_rows

    def look_then_swap(game_dir: GameDir, folder: str, index: Index) -> object:
        rows = look(game_dir, folder, index)
        change(disk.game / "game.eti")
        return rows

    monkeypatch.setattr("lanspread_peer.storage.adopt.unchanged_rows", look_then_swap)
    staging = disk.adopt_into(OLD)
    assert {path for path, _ in places(disk)} == {"version.ini", "data/tail"}
    staging.close()


def test_a_file_that_gets_shorter_meanwhile_costs_its_own_chunks_only(disk: Disk) -> None:
    disk.has(OLD)
    staging = new_staging(disk.game_dir, manifest_of(OLD), "new")

    def cut(chunk: Chunk) -> None:
        disk.adopted.append(chunk)
        if chunk.file.path == "game.eti":
            os.truncate(disk.game / "game.eti", 5 * CHUNK + 7)

    adopt(staging, "aoe2", disk.index, is_cancelled=lambda: False, on_chunk=cut)
    disk.require_right(staging, OLD)
    lost = {(c.file.path, c.offset // CHUNK) for c in staging.missing_chunks()}
    assert lost == {("game.eti", 5), ("game.eti", 6), ("game.eti", 7)}
    staging.close()


def test_a_disk_error_at_a_source_skips_that_chunk(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk.has(OLD)
    read, cloned = PositionalFile.read, clone_range

    def failing_read(file: PositionalFile, offset: int, length: int) -> bytes:
        if offset == 4 * CHUNK:
            raise OSError(5, "input/output error")
        return read(file, offset, length)

    def failing_clone(source: int, at: int, target: int, to: int, length: int) -> bool:
        return at != 4 * CHUNK and cloned(source, at, target, to, length)

    monkeypatch.setattr(PositionalFile, "read", failing_read)
    monkeypatch.setattr(positional_file, "clone_range", failing_clone)
    staging = disk.adopt_into(OLD)
    assert [(c.file.path, c.offset // CHUNK) for c in staging.missing_chunks()] == [("game.eti", 4)]
    staging.close()


def test_a_crashed_staging_of_another_version_gives_what_it_recorded(disk: Disk) -> None:
    crashed = new_staging(disk.game_dir, manifest_of(OLD), "crashed")
    for number in range(crashed.manifest.totals.chunks - 2):
        data = chunk_data(crashed.manifest, OLD, number)
        crashed.write_chunk(crashed.manifest.chunk(number), data)
    crashed.record()
    last = crashed.manifest.totals.chunks - 2
    crashed.write_chunk(crashed.manifest.chunk(last), chunk_data(crashed.manifest, OLD, last))
    crashed.close()
    new = {"version.ini": b"2", "renamed": OLD["game.eti"], "x": OLD["data/tail"]}
    staging = disk.adopt_into(new)
    assert len(disk.adopted) == crashed.manifest.totals.chunks - 2
    assert (disk.game_dir.root / crashed.folder).exists()
    staging.close()


def _break_manifest(folder: Path) -> None:
    (folder / "manifest").write_bytes(b"nonsense")


def _break_json(folder: Path) -> None:
    (folder / "download.json").write_bytes(b"{}")


def _break_record(folder: Path) -> None:
    (folder / "record").write_bytes(b"0-99999999 forged\n")


def _another_game(folder: Path) -> None:
    text = (folder / "download.json").read_text().replace("aoe2", "doom")
    (folder / "download.json").write_text(text)


@pytest.mark.parametrize("harm", [_break_manifest, _break_json, _break_record, _another_game])
def test_a_staging_that_makes_no_sense_is_passed_over(
    disk: Disk, harm: Callable[[Path], None]
) -> None:
    crashed = new_staging(disk.game_dir, manifest_of(OLD), "crashed")
    crashed.write_chunk(crashed.manifest.chunk(0), chunk_data(crashed.manifest, OLD, 0))
    crashed.record()
    crashed.close()
    harm(disk.game_dir.root / crashed.folder)
    make_files(disk.game_dir.staging, {"a file": b"", ".odd/x": b""})
    staging = disk.adopt_into(OLD)
    assert disk.adopted == []
    staging.close()


def test_wrong_bytes_in_another_staging_are_not_adopted(disk: Disk) -> None:
    crashed = new_staging(disk.game_dir, manifest_of(OLD), "crashed")
    for number in range(crashed.manifest.totals.chunks):
        data = chunk_data(crashed.manifest, OLD, number)
        crashed.write_chunk(crashed.manifest.chunk(number), data)
    crashed.record()
    crashed.close()
    change_in_place(disk.game_dir.root / crashed.path_of(crashed.manifest.files[1].path))
    staging = disk.adopt_into(OLD)
    assert [(c.file.path, c.offset // CHUNK) for c in staging.missing_chunks()] == [("game.eti", 2)]
    staging.close()


def test_a_copy_whose_first_source_changed_comes_from_the_second(disk: Disk) -> None:
    disk.has({**OLD, "a copy": OLD["game.eti"]})
    change_in_place(disk.game / "a copy")
    staging = disk.adopt_into(OLD)
    assert list(staging.missing_chunks()) == []
    staging.close()


def test_what_a_staging_has_in_one_place_serves_its_other_places(disk: Disk) -> None:
    files = {"version.ini": b"1", "a": blocks(1), "b": blocks(2, 1)}
    staging = new_staging(disk.game_dir, manifest_of(files), "new")
    staging.write_chunk(staging.manifest.chunk(0), chunk_data(staging.manifest, files, 0))
    staging.record()
    disk.adopt(staging)
    assert places(disk) == [("b", 1)]
    staging.close()


@pytest.mark.parametrize("after", [0, 1, 5])
def test_cancelling_stops_at_once_and_keeps_what_came(disk: Disk, after: int) -> None:
    disk.has(OLD)
    disk.cancel_after = after
    staging = disk.adopt_into(OLD)
    assert len(disk.adopted) == after
    disk.cancel_after = 1 << 30
    disk.adopt(staging)
    assert list(staging.missing_chunks()) == []
    staging.close()


def test_a_full_disk_is_told_and_keeps_what_came(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk.has(OLD)
    write, cloned = PositionalFile.write, clone_range

    def full_write(file: PositionalFile, data: bytes | memoryview, offset: int) -> None:
        if offset >= 3 * CHUNK:
            raise OSError(28, "no space left on device")
        write(file, data, offset)

    def full_clone(source: int, at: int, target: int, to: int, length: int) -> bool:
        return to < 3 * CHUNK and cloned(source, at, target, to, length)

    monkeypatch.setattr(PositionalFile, "write", full_write)
    monkeypatch.setattr(positional_file, "clone_range", full_clone)
    staging = new_staging(disk.game_dir, manifest_of(OLD), "new")
    with pytest.raises(DiskFull):
        disk.adopt(staging)
    disk.require_right(staging, OLD)
    assert disk.adopted
    staging.close()


def test_a_staging_that_is_gone_is_an_error(disk: Disk) -> None:
    disk.has(OLD)
    staging = new_staging(disk.game_dir, manifest_of(OLD), "new")
    (disk.game_dir.root / staging.path_of(staging.manifest.files[1].path)).unlink()
    with pytest.raises(StorageError):
        disk.adopt(staging)
    staging.close()


@pytest.mark.skipif(os.name != "posix", reason="only POSIX has the bit")
def test_an_adopted_program_can_be_run(disk: Disk) -> None:
    program = {"version.ini": b"1", "run.sh": b"#!/bin/sh\n", "no.sh": b"echo"}
    disk.has(program)
    staging = disk.adopt_into(program)
    modes = {
        path: (disk.game_dir.root / staging.path_of(SafeRelPath(path))).stat().st_mode & 0o111
        for path in program
    }
    assert modes == {"version.ini": 0, "run.sh": 0o111, "no.sh": 0}
    staging.close()


def test_a_game_that_is_not_here_yet_has_nothing_to_give(disk: Disk) -> None:
    staging = disk.adopt_into(OLD)
    assert disk.adopted == []
    staging.close()
