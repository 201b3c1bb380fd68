"""A staging after a stop: what was recorded counts, and nothing that was not."""

import os
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from lanspread_peer.core.chunk_set import chunk_set
from lanspread_peer.model.download import StagedState
from lanspread_peer.model.errors import IntegrityError, StorageError
from lanspread_peer.model.ids import DownloadId
from lanspread_peer.model.limits import KIB, MIB
from lanspread_peer.model.manifest import Chunk, Manifest
from lanspread_peer.storage.game_dir import GameDir
from lanspread_peer.storage.staging import Staging
from support.stagings import chunk_data, manifest_of, new_staging, staged_for
from support.storage_folders import make_files, make_game_dir, open_descriptors, snapshot

FILES = {
    "big.eti": os.urandom(MIB + 4),
    "data/empty": b"",
    "data/run.sh": b"#!/bin/sh",
    "data/small": b"small",
    "version.ini": b"1",
}
MANIFEST = manifest_of(FILES)
ALL = chunk_set(range(MANIFEST.totals.chunks))


@pytest.fixture
def game_dir(tmp_path: Path) -> Iterator[GameDir]:
    before = open_descriptors()
    yield make_game_dir(tmp_path / "games", {})
    assert open_descriptors() <= before


def _write(staging: Staging, *numbers: int) -> None:
    for number in numbers:
        staging.write_chunk(MANIFEST.chunk(number), chunk_data(MANIFEST, FILES, number))


def _left(game_dir: GameDir, *recorded: int) -> Path:
    """A staging of an earlier launch with these chunks recorded; where its files are."""
    staging = new_staging(game_dir, MANIFEST)
    _write(staging, *recorded)
    staging.record()
    staging.close()
    return game_dir.root / staging.folder / "files"


def _reopened(game_dir: GameDir, manifest: Manifest = MANIFEST) -> Staging:
    staging = Staging.reopen(game_dir, "d1")
    staging.prepare(manifest.files)
    return staging


def _salvaged(staging: Staging) -> list[int]:
    found: list[Chunk] = []
    staging.salvage(lambda: False, found.append)
    return [chunk.number for chunk in found]


def test_what_was_recorded_is_verified_again(game_dir: GameDir) -> None:
    _left(game_dir, 0, 3, 5)
    staging = _reopened(game_dir)
    assert staging.staged == staged_for(MANIFEST)
    assert staging.manifest == MANIFEST
    assert staging.verified == chunk_set([0, 3, 5])
    assert staging.verified_bytes == 512 * KIB + len(b"#!/bin/sh")
    assert staging.unrecorded_bytes == 0
    assert staging.is_complete(MANIFEST.files[1])
    assert not staging.is_complete(MANIFEST.files[0])
    _write(staging, 1, 2, 4, 6, 7)
    assert staging.verified == ALL
    assert all(map(staging.is_complete, MANIFEST.files))
    staging.sync()
    assert staging.unrecorded_bytes == 0
    staging.close()
    staging = _reopened(game_dir)
    assert staging.verified == ALL
    staging.discard()


def test_what_was_not_recorded_is_missing_after_a_stop(game_dir: GameDir) -> None:
    staging = new_staging(game_dir, MANIFEST)
    _write(staging, 0)
    staging.record()
    _write(staging, 1)
    assert staging.unrecorded_bytes == 256 * KIB
    staging.close()
    staging = _reopened(game_dir)
    assert staging.verified == chunk_set([0])
    staging.close()


@pytest.mark.parametrize("fault", ["gone", "shorter", "longer", "folder", "link"])
def test_a_file_that_is_not_there_in_full_size_has_nothing(
    game_dir: GameDir, tmp_path: Path, fault: str
) -> None:
    files = _left(game_dir, *range(8))
    big = files / "big.eti"
    match fault:
        case "shorter":
            os.truncate(big, 10)
        case "longer":
            os.truncate(big, 2 * MIB)
        case _:
            big.unlink()
    if fault == "folder":
        make_files(big, {"x": b"x"})
    if fault == "link":
        same_size = make_files(tmp_path / "outside", {"x": bytes(MIB + 4)})
        big.symlink_to(same_size / "x")
    staging = _reopened(game_dir)
    assert staging.verified == ALL & ~chunk_set(range(5))
    assert big.read_bytes() == bytes(MIB + 4)
    staging.close()
    # The new file has the size that the old record would have been true of.
    again = _reopened(game_dir)
    assert again.verified == ALL & ~chunk_set(range(5))
    _write(again, *range(5))
    again.sync()
    again.close()
    assert big.read_bytes() == FILES["big.eti"]
    assert (tmp_path / "outside").exists() == (fault == "link")


def test_only_prepared_files_count(game_dir: GameDir) -> None:
    _left(game_dir, *range(8))
    staging = Staging.reopen(game_dir, "d1")
    assert staging.verified == 0
    staging.prepare(MANIFEST.files[:1])
    assert staging.verified == chunk_set(range(5))
    staging.prepare(MANIFEST.files)
    assert staging.verified == ALL
    staging.close()


def test_bytes_on_disk_that_no_record_names_are_salvaged(game_dir: GameDir) -> None:
    files = _left(game_dir, 0)
    with (files / "big.eti").open("r+b") as file:
        for number in (1, 3, 4):
            file.seek(number * 256 * KIB)
            file.write(chunk_data(MANIFEST, FILES, number))
        # Half a chunk is no chunk.
        file.seek(2 * 256 * KIB)
        file.write(chunk_data(MANIFEST, FILES, 2)[: 128 * KIB])
    (files / "data/run.sh").write_bytes(FILES["data/run.sh"])
    (files / "data/small").write_bytes(b"SMALL")
    staging = _reopened(game_dir)
    assert _salvaged(staging) == [1, 3, 4, 5]
    assert staging.verified == chunk_set([0, 1, 3, 4, 5])
    assert staging.unrecorded_bytes == 512 * KIB + 4 + len(FILES["data/run.sh"])
    assert os.access(files / "data/run.sh", os.X_OK)
    staging.record()
    assert _salvaged(staging) == []
    staging.close()
    staging = _reopened(game_dir)
    assert staging.verified == chunk_set([0, 1, 3, 4, 5])
    staging.close()


def test_a_record_that_is_lost_costs_no_byte(game_dir: GameDir) -> None:
    files = _left(game_dir, *range(8))
    (files.parent / "record").write_bytes(b"nonsense\n" * 100)
    staging = _reopened(game_dir)
    assert staging.verified == 0
    assert _salvaged(staging) == list(range(8))
    staging.record()
    staging.close()
    staging = _reopened(game_dir)
    assert staging.verified == ALL
    staging.close()


def test_salvage_can_be_stopped_and_reads_no_hole(
    game_dir: GameDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = _left(game_dir)
    read: list[int] = []
    real_pread = os.pread

    def pread(descriptor: int, length: int, offset: int) -> bytes:
        read.append(offset)
        return real_pread(descriptor, length, offset)

    monkeypatch.setattr(os, "pread", pread)
    staging = _reopened(game_dir)
    assert _salvaged(staging) == []
    assert read == []
    (files / "big.eti").write_bytes(FILES["big.eti"])
    found: list[Chunk] = []
    staging.salvage(lambda: len(found) == 2, found.append)
    assert [chunk.number for chunk in found] == [0, 1]
    staging.close()


def test_a_disk_that_does_not_tell_holes_is_not_read(
    game_dir: GameDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = _left(game_dir)
    (files / "big.eti").write_bytes(FILES["big.eti"])
    staging = _reopened(game_dir)
    real_lseek = os.lseek

    def lseek(descriptor: int, offset: int, how: int) -> int:
        # As a file system without holes answers.
        if how == os.SEEK_DATA:
            return offset
        return (
            os.fstat(descriptor).st_size
            if how == os.SEEK_HOLE
            else real_lseek(descriptor, offset, how)
        )

    monkeypatch.setattr(os, "lseek", lseek)
    assert _salvaged(staging) == []
    staging.close()


def test_what_a_staging_is_for_can_change(game_dir: GameDir) -> None:
    _left(game_dir, 0)
    staging = _reopened(game_dir)
    other = replace(staging.staged, id=DownloadId("d2"), state=StagedState.PAUSED, request_id="r")
    staging.set_staged(other)
    assert staging.staged == other
    staging.close()
    staging = _reopened(game_dir)
    assert (staging.name, staging.staged) == ("d1", other)
    assert staging.verified == chunk_set([0])
    staging.close()


@pytest.mark.parametrize("broken", ["download.json", "manifest"])
@pytest.mark.parametrize("content", [b"", b"{}", b"\xff\0" * 100, None])
def test_a_staging_that_makes_no_sense_is_refused_and_left_as_it_is(
    game_dir: GameDir, broken: str, content: bytes | None
) -> None:
    files = _left(game_dir, 0)
    if content is None:
        (files.parent / broken).unlink()
    else:
        (files.parent / broken).write_bytes(content)
    before = snapshot(files.parent)
    with pytest.raises(StorageError if content is None else IntegrityError):
        Staging.reopen(game_dir, "d1")
    assert snapshot(files.parent) == before


def test_a_manifest_of_other_content_is_refused(game_dir: GameDir) -> None:
    files = _left(game_dir, 0)
    other = new_staging(game_dir, manifest_of({"version.ini": b"2"}), "d2")
    other.close()
    (files.parent / "manifest").write_bytes((game_dir.staging / "d2/manifest").read_bytes())
    with pytest.raises(IntegrityError):
        Staging.reopen(game_dir, "d1")


@pytest.mark.parametrize("name", ["", "..", ".", "../staging/d1", "d1/", "/d1", "d1/files", "no"])
def test_a_name_that_is_none_opens_nothing(game_dir: GameDir, name: str) -> None:
    _left(game_dir, 0)
    with pytest.raises(StorageError):
        Staging.reopen(game_dir, name)


def test_any_stops_cost_only_what_was_not_recorded(game_dir: GameDir) -> None:
    seed = random.randrange(10**9)
    chance = random.Random(seed)
    new_staging(game_dir, MANIFEST).close()
    recorded: set[int] = set()
    missing = set(range(8))
    while missing:
        staging = _reopened(game_dir)
        assert staging.verified == chunk_set(recorded), seed
        written = chance.sample(sorted(missing), chance.randint(0, len(missing)))
        split = chance.randint(0, len(written))
        _write(staging, *written[:split])
        staging.record()
        _write(staging, *written[split:])
        staging.close()
        recorded |= set(written[:split])
        missing -= recorded
    staging = _reopened(game_dir)
    assert staging.verified == ALL, seed
    staging.discard()


def test_preparing_can_be_stopped_and_goes_on_later(game_dir: GameDir) -> None:
    files = {f"file{number}": bytes(MIB) for number in range(5)}
    manifest = manifest_of({**files, "version.ini": b""})
    staging = Staging.create(game_dir, staged_for(manifest), manifest)
    asked = 0

    def is_cancelled() -> bool:
        nonlocal asked
        asked += 1
        return asked > 2

    with pytest.raises(StorageError):
        staging.prepare(manifest.files, is_cancelled)
    folder = game_dir.root / staging.folder / "files"
    assert len(list(folder.iterdir())) == 2
    staging.prepare(manifest.files)
    assert {path.name for path in folder.iterdir()} == {entry.path for entry in manifest.files}
    staging.discard()
