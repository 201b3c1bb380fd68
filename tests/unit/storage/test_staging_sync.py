"""Group syncs: the record never names what the disk might not hold."""

import errno
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lanspread_peer.core.chunk_set import chunk_set
from lanspread_peer.model.errors import DiskFull, StorageError
from lanspread_peer.model.limits import KIB, MIB
from lanspread_peer.storage.game_dir import GameDir
from lanspread_peer.storage.positional_file import PositionalFile
from lanspread_peer.storage.staging import Staging
from support.stagings import chunk_data, manifest_of, new_staging
from support.storage_folders import make_game_dir, open_descriptors

FILES = {
    "big.eti": os.urandom(MIB),
    "data/empty": b"",
    "data/small": b"small",
    "version.ini": b"1",
}
MANIFEST = manifest_of(FILES)


@pytest.fixture
def game_dir(tmp_path: Path) -> Iterator[GameDir]:
    before = open_descriptors()
    yield make_game_dir(tmp_path / "games", {})
    assert open_descriptors() <= before


@pytest.fixture
def staging(game_dir: GameDir) -> Iterator[Staging]:
    staging = new_staging(game_dir, MANIFEST)
    yield staging
    staging.discard()


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of what was synced."""
    names: list[str] = []
    real_fsync = os.fsync

    def fsync(descriptor: int) -> None:
        real_fsync(descriptor)
        names.append(_name(descriptor))

    monkeypatch.setattr(os, "fsync", fsync)
    return names


def _name(descriptor: int) -> str:
    return Path(f"/proc/self/fd/{descriptor}").readlink().name


def _write(staging: Staging, *numbers: int) -> None:
    for number in numbers:
        staging.write_chunk(MANIFEST.chunk(number), chunk_data(MANIFEST, FILES, number))


def _recorded(staging: Staging) -> int:
    """What a start after a crash would count on."""
    again = Staging.reopen(staging.game_dir, staging.name)
    again.prepare(MANIFEST.files)
    again.close()
    return again.verified


def _refuse(monkeypatch: pytest.MonkeyPatch, name: str, code: int = errno.EIO) -> None:
    real_fsync = os.fsync

    def fsync(descriptor: int) -> None:
        if _name(descriptor) == name:
            raise OSError(code, os.strerror(code))
        real_fsync(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)


def test_data_is_synced_before_the_record_and_names_before_both(
    staging: Staging, synced: list[str]
) -> None:
    _write(staging, 0, 4)
    staging.record()
    assert set(synced[:2]) == {"files", "data"}
    assert set(synced[2:-1]) == {"big.eti", "small"}
    assert synced[-1] == "record"
    synced.clear()
    staging.record()
    assert synced == []
    _write(staging, 1)
    staging.record()
    assert synced == ["big.eti", "record"]
    synced.clear()
    staging.sync()
    assert synced == ["empty"]
    staging.sync()
    assert synced == ["empty"]


def test_a_chunk_is_written_once_only(staging: Staging, synced: list[str]) -> None:
    _write(staging, 0, 0)
    assert staging.verified_bytes == 256 * KIB
    staging.record()
    synced.clear()
    _write(staging, 0)
    staging.record()
    assert synced == []


def test_what_a_failed_sync_may_have_lost_is_missing_again(
    staging: Staging, monkeypatch: pytest.MonkeyPatch
) -> None:
    _write(staging, 0)
    staging.record()
    _write(staging, 1, 2, 4)
    with monkeypatch.context() as patch:
        _refuse(patch, "big.eti")
        with pytest.raises(StorageError):
            staging.record()
    assert staging.verified == chunk_set([0, 4]) == _recorded(staging)
    assert staging.verified_bytes == 256 * KIB + len(b"small")
    assert staging.unrecorded_bytes == 0
    staging.record()
    assert staging.verified == chunk_set([0, 4])
    _write(staging, 1, 2, 3, 5)
    staging.record()
    assert staging.verified == chunk_set(range(6)) == _recorded(staging)


@pytest.mark.parametrize("name", ["data", "record"])
def test_a_chunk_is_not_recorded_when_its_name_or_the_record_may_be_lost(
    staging: Staging, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    _write(staging, 0, 4)
    with monkeypatch.context() as patch:
        _refuse(patch, name, errno.ENOSPC)
        with pytest.raises(DiskFull):
            staging.record()
    assert staging.unrecorded_bytes == 256 * KIB + len(b"small")
    _write(staging, 1)
    staging.record()
    assert staging.unrecorded_bytes == 0
    assert staging.verified == chunk_set([0, 1, 4]) == _recorded(staging)


def test_a_failed_sync_of_an_empty_file_is_tried_again(
    staging: Staging, monkeypatch: pytest.MonkeyPatch, synced: list[str]
) -> None:
    with monkeypatch.context() as patch:
        _refuse(patch, "empty")
        with pytest.raises(StorageError):
            staging.sync()
    staging.sync()
    assert synced.count("empty") == 1


def test_a_write_during_a_sync_waits_for_the_next_one(
    staging: Staging, monkeypatch: pytest.MonkeyPatch
) -> None:
    real_fsync = os.fsync

    def fsync(descriptor: int) -> None:
        if _name(descriptor) == "big.eti":
            _write(staging, 1)
        real_fsync(descriptor)

    _write(staging, 0)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        staging.record()
    assert staging.verified == chunk_set([0, 1])
    assert _recorded(staging) == chunk_set([0])
    staging.record()
    assert _recorded(staging) == chunk_set([0, 1])


def test_a_write_that_a_failed_sync_overtakes_is_lost(
    staging: Staging, monkeypatch: pytest.MonkeyPatch
) -> None:
    _write(staging, 0)
    real_write = PositionalFile.write

    def write(file: PositionalFile, data: memoryview, offset: int) -> None:
        real_write(file, data, offset)
        # The bytes are written, and before anybody knows it, a sync of the file fails.
        if offset:
            with pytest.raises(StorageError):
                staging.record()

    with monkeypatch.context() as patch:
        _refuse(patch, "big.eti")
        patch.setattr(PositionalFile, "write", write)
        with pytest.raises(StorageError):
            _write(staging, 1)
    assert staging.verified == 0
    _write(staging, 0, 1)
    staging.record()
    assert _recorded(staging) == chunk_set([0, 1])


def test_threads_may_write_and_record_at_once(staging: Staging) -> None:
    def work(number: int) -> None:
        _write(staging, number % 6)
        staging.record()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(48)))
    assert _recorded(staging) == staging.verified == chunk_set(range(6))
