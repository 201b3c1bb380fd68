import errno
import os
import resource
import stat
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lanspread_peer.model.errors import DiskFull, IntegrityError, StorageError
from lanspread_peer.model.limits import MAX_OPEN_STAGING_FILES, MIB
from lanspread_peer.model.manifest import FileEntry, Manifest
from lanspread_peer.model.paths import SafeRelPath
from lanspread_peer.storage import beneath
from lanspread_peer.storage.game_dir import GameDir
from lanspread_peer.storage.scratch import clear_scratch
from lanspread_peer.storage.staging import Staging
from support.stagings import chunk_data, manifest_of, new_staging, read_stagings, staged_for
from support.storage_folders import make_files, make_game_dir, open_descriptors, snapshot

FILES = {
    "big.eti": os.urandom(MIB) + b"tail",
    "data/deep/empty": b"",
    "data/small": b"small",
    "version.ini": b"1",
}


def _files_in(staging: Staging) -> set[str]:
    root = _staged(staging)
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


def _write_all(staging: Staging, manifest: Manifest, files: dict[str, bytes]) -> None:
    for number in range(manifest.totals.chunks):
        staging.write_chunk(manifest.chunk(number), chunk_data(manifest, files, number))


def _write_file(staging: Staging, manifest: Manifest, files: dict[str, bytes], path: str) -> None:
    for chunk in manifest.chunks_of(path):
        staging.write_chunk(chunk, chunk_data(manifest, files, chunk.number))


@pytest.fixture
def game_dir(tmp_path: Path) -> Iterator[GameDir]:
    before = open_descriptors()
    yield make_game_dir(tmp_path / "games", {})
    assert open_descriptors() <= before


@pytest.fixture
def staging(game_dir: GameDir) -> Iterator[Staging]:
    staging = new_staging(game_dir, manifest_of(FILES))
    yield staging
    staging.discard()
    assert list(game_dir.staging.iterdir()) == []


def _staged(staging: Staging) -> Path:
    return staging.game_dir.root / staging.folder / "files"


def test_files_have_their_size_and_take_no_room_before_they_have_bytes(staging: Staging) -> None:
    sizes = {path: (_staged(staging) / path).stat().st_size for path in _files_in(staging)}
    assert sizes == {"big.eti": len(FILES["big.eti"]), "data/deep/empty": 0}
    assert (_staged(staging) / "big.eti").stat().st_blocks == 0


def test_a_file_of_one_chunk_is_there_when_that_came(staging: Staging) -> None:
    manifest = manifest_of(FILES)
    (chunk,) = manifest.chunks_of("data/small")
    assert "data/small" not in _files_in(staging)
    staging.write_chunk(chunk, memoryview(b"small"))
    assert (_staged(staging) / "data/small").read_bytes() == b"small"


def test_the_name_of_a_file_that_is_made_late_is_synced_before_it_is_recorded(
    staging: Staging, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = manifest_of(FILES)
    synced: list[str] = []
    real_sync_folder = beneath.sync_folder

    def sync_folder(root: Path, path: str) -> None:
        synced.append(path)
        real_sync_folder(root, path)

    monkeypatch.setattr(beneath, "sync_folder", sync_folder)
    staging.write_chunk(manifest.chunk(0), chunk_data(manifest, FILES, 0))
    staging.record()
    synced.clear()
    (chunk,) = manifest.chunks_of("data/small")
    staging.write_chunk(chunk, memoryview(b"small"))
    staging.record()
    assert synced == [f"{staging.folder}/files/data"]


def test_right_chunks_in_any_order_make_the_files(staging: Staging) -> None:
    manifest = manifest_of(FILES)
    for number in reversed(range(manifest.totals.chunks)):
        staging.write_chunk(manifest.chunk(number), chunk_data(manifest, FILES, number))
    staging.sync()
    assert {p: (_staged(staging) / p).read_bytes() for p in FILES} == FILES
    assert all(map(staging.is_complete, manifest.files))


@pytest.mark.parametrize("fault", ["flipped", "short", "long", "empty", "other chunk"])
def test_wrong_bytes_never_reach_the_disk(staging: Staging, fault: str) -> None:
    manifest = manifest_of(FILES)
    chunk = manifest.chunk(1)
    right = bytes(chunk_data(manifest, FILES, 1))
    wrong = {
        "flipped": bytes([right[0] ^ 1]) + right[1:],
        "short": right[:-1],
        "long": right + b"x",
        "empty": b"",
        "other chunk": bytes(chunk_data(manifest, FILES, 2)),
    }[fault]
    before = snapshot(_staged(staging))
    with pytest.raises(IntegrityError) as caught:
        staging.write_chunk(chunk, memoryview(wrong))
    assert caught.value.metadata == {"chunk": "1"}
    assert snapshot(_staged(staging)) == before
    assert not staging.is_complete(chunk.file)


def test_a_file_is_complete_only_with_its_last_chunk(staging: Staging) -> None:
    manifest = manifest_of(FILES)
    big = manifest.files[0]
    for number in range(big.chunk_count):
        assert not staging.is_complete(big)
        staging.write_chunk(manifest.chunk(number), chunk_data(manifest, FILES, number))
        staging.write_chunk(manifest.chunk(number), chunk_data(manifest, FILES, number))
    assert staging.is_complete(big)
    other = FileEntry(big.path, big.size, bytes(len(big.hashes)))
    assert not staging.is_complete(other)


def test_a_chunk_of_another_manifest_is_refused(staging: Staging) -> None:
    foreign = manifest_of({**FILES, "other": b"x"})
    for path in ("other", "version.ini"):
        (chunk,) = foreign.chunks_of(path)
        if path == "other":
            with pytest.raises(StorageError):
                staging.write_chunk(chunk, memoryview(b"x"))
    changed = manifest_of({**FILES, "data/small": b"SMALL"})
    (chunk,) = changed.chunks_of("data/small")
    with pytest.raises(StorageError):
        staging.write_chunk(chunk, memoryview(b"SMALL"))


def test_many_threads_write_one_staging(staging: Staging) -> None:
    manifest = manifest_of(FILES)

    def write(number: int) -> None:
        staging.write_chunk(manifest.chunk(number), chunk_data(manifest, FILES, number))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, list(range(manifest.totals.chunks)) * 4))
    assert all(map(staging.is_complete, manifest.files))
    assert {p: (_staged(staging) / p).read_bytes() for p in FILES} == FILES


def test_programs_may_be_run_and_nothing_else(game_dir: GameDir) -> None:
    heads = {
        "elf": b"\x7fELF\x02",
        "macho": b"\xcf\xfa\xed\xfe\x07",
        "universal": b"\xca\xfe\xba\xbe\0",
        "script": b"#!/bin/sh\n",
        "text": b"# !",
        "version.ini": b"1",
    }
    manifest = manifest_of(heads)
    staging = new_staging(game_dir, manifest)
    _write_all(staging, manifest, heads)
    modes = {path: stat.S_IMODE((_staged(staging) / path).stat().st_mode) for path in heads}
    runnable = {path for path, mode in modes.items() if mode & 0o111}
    assert runnable == {"elf", "macho", "universal", "script"}
    assert modes["elf"] == modes["text"] | (modes["text"] & 0o444) >> 2
    staging.discard()


def test_thousands_of_files_need_few_descriptors(game_dir: GameDir) -> None:
    content = {f"d{n % 50:02}/f{n:04}": b"%d" % n for n in range(1500)}
    files = {**content, "version.ini": b"1"}
    manifest = manifest_of(files)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = open_descriptors() + MAX_OPEN_STAGING_FILES + 8
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    try:
        staging = new_staging(game_dir, manifest)
        _write_all(staging, manifest, files)
        staging.sync()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert all(map(staging.is_complete, manifest.files))
    sample = SafeRelPath("d49/f1499")
    assert (game_dir.root / staging.path_of(sample)).read_bytes() == b"1499"
    staging.discard()


def test_a_name_is_used_once_and_cannot_lead_elsewhere(game_dir: GameDir, staging: Staging) -> None:
    before = snapshot(game_dir.root)
    for name in ("d1", "", "..", ".", "a/b", "../x", ".hidden"):
        with pytest.raises(StorageError):
            Staging.create(game_dir, staged_for(manifest_of(FILES), name), manifest_of(FILES))
    assert snapshot(game_dir.root) == before


@pytest.mark.parametrize("linked", [".lanspread", ".lanspread/staging", ".lanspread/scratch"])
def test_a_link_in_the_place_of_staging_is_refused(
    game_dir: GameDir, tmp_path: Path, linked: str
) -> None:
    outside = make_files(tmp_path / "outside", {"staging/x": b"canary", "scratch/x": b"canary"})
    before = snapshot(outside)
    (game_dir.root / linked).parent.mkdir(exist_ok=True)
    (game_dir.root / linked).symlink_to(outside)
    with pytest.raises(StorageError):
        new_staging(game_dir, manifest_of(FILES))
    if not linked.endswith("staging"):
        with pytest.raises(StorageError):
            clear_scratch(game_dir)
    if not linked.endswith("scratch"):
        with pytest.raises(StorageError):
            read_stagings(game_dir)
    assert snapshot(outside) == before


@pytest.mark.parametrize("linked", ["files/data", "files", "files/data/small", ""])
def test_a_link_swapped_into_staging_never_gets_a_byte(
    game_dir: GameDir, tmp_path: Path, staging: Staging, linked: str
) -> None:
    manifest = manifest_of(FILES)
    (chunk,) = manifest.chunks_of("data/small")
    place = game_dir.root / staging.folder / linked
    aside = tmp_path / "aside"
    if place.exists():
        place.rename(aside)
    outside = tmp_path / "outside"
    make_files(outside, {"files/data/small": b"12345", "data/small": b"12345", "small": b"12345"})
    place.symlink_to(outside / "small" if linked.endswith("small") else outside)
    before = snapshot(outside)
    with pytest.raises(StorageError):
        staging.write_chunk(chunk, memoryview(b"small"))
    staging.discard()
    assert snapshot(outside) == before


@pytest.mark.parametrize("refused", range(9))
def test_a_failed_create_leaves_nothing(
    game_dir: GameDir, monkeypatch: pytest.MonkeyPatch, refused: int
) -> None:
    left = [refused]

    def fsync(descriptor: int) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(DiskFull):
        Staging.create(game_dir, staged_for(manifest_of(FILES)), manifest_of(FILES))
    assert left[0] < 0
    assert list(game_dir.staging.iterdir()) == []
    assert list((game_dir.own / "scratch").iterdir()) == []


def test_files_that_cannot_be_made_are_made_by_a_later_call(
    game_dir: GameDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = manifest_of(FILES)
    staging = Staging.create(game_dir, staged_for(manifest), manifest)
    real_ftruncate = os.ftruncate
    refused: list[int] = []

    def ftruncate(descriptor: int, size: int) -> None:
        if size == len(FILES["big.eti"]) and not refused:
            refused.append(size)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real_ftruncate(descriptor, size)

    monkeypatch.setattr(os, "ftruncate", ftruncate)
    with pytest.raises(DiskFull):
        staging.prepare(manifest.files)
    staging.prepare(manifest.files)
    _write_all(staging, manifest, FILES)
    assert all(map(staging.is_complete, manifest.files))
    assert {p: (_staged(staging) / p).read_bytes() for p in FILES} == FILES
    staging.discard()


def test_files_may_be_prepared_one_after_the_other(game_dir: GameDir) -> None:
    manifest = manifest_of(FILES)
    staging = new_staging(game_dir, manifest, files=manifest.files[:1])
    _write_file(staging, manifest, FILES, "big.eti")
    (chunk,) = manifest.chunks_of("version.ini")
    with pytest.raises(StorageError):
        staging.write_chunk(chunk, memoryview(b"1"))
    staging.prepare(manifest.files)
    staging.write_chunk(chunk, memoryview(b"1"))
    assert staging.is_complete(manifest.files[0])
    assert (_staged(staging) / "big.eti").read_bytes() == FILES["big.eti"]
    with pytest.raises(StorageError):
        staging.prepare(manifest_of({"version.ini": b"other"}).files)
    staging.discard()


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 2 MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_is_named_and_the_rest_stays_as_it_was(tiny_disk: Path) -> None:
    game_dir = make_game_dir(tiny_disk, {"aoe2": {"version.ini": b"1"}})
    files = {"big": os.urandom(4 * MIB), "version.ini": b"2"}
    manifest = manifest_of(files)
    with pytest.raises(DiskFull):
        game_dir.require_space(manifest.totals.bytes)
    staging = new_staging(game_dir, manifest)
    with pytest.raises(DiskFull):
        _write_all(staging, manifest, files)
    assert not staging.is_complete(manifest.files[0])
    staging.discard()
    assert snapshot(tiny_disk / "aoe2") == {"version.ini": b"1"}
    game_dir.require_space(1)
