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
from lanspread_peer.model.manifest import FileEntry, Manifest, chunk_hash, chunk_size_of
from lanspread_peer.model.paths import SafeRelPath, parent_of
from lanspread_peer.storage.game_dir import GameDir
from lanspread_peer.storage.staging import Staging, clear_stale
from support.storage_folders import make_files, make_game_dir, open_descriptors, snapshot

FILES = {
    "big.eti": os.urandom(MIB) + b"tail",
    "data/deep/empty": b"",
    "data/small": b"small",
    "version.ini": b"1",
}


def _manifest(files: dict[str, bytes]) -> Manifest:
    entries = []
    for path, content in sorted(files.items(), key=lambda item: item[0].encode()):
        size = chunk_size_of(len(content))
        chunks = (content[start : start + size] for start in range(0, len(content), size))
        entries.append(
            FileEntry(SafeRelPath(path), len(content), b"".join(map(chunk_hash, chunks)))
        )
    folders: set[SafeRelPath] = set()
    for entry in entries:
        parent = parent_of(entry.path)
        while parent is not None:
            folders.add(parent)
            parent = parent_of(parent)
    return Manifest(tuple(sorted(folders, key=lambda path: path.encode())), tuple(entries))


def _data(manifest: Manifest, files: dict[str, bytes], number: int) -> memoryview:
    chunk = manifest.chunk(number)
    return memoryview(files[chunk.file.path])[chunk.offset : chunk.offset + chunk.length]


def _write_all(staging: Staging, manifest: Manifest, files: dict[str, bytes]) -> None:
    for number in range(manifest.totals.chunks):
        staging.write_chunk(manifest.chunk(number), _data(manifest, files, number))


@pytest.fixture
def game_dir(tmp_path: Path) -> Iterator[GameDir]:
    before = open_descriptors()
    yield make_game_dir(tmp_path / "games", {})
    assert open_descriptors() <= before


@pytest.fixture
def staging(game_dir: GameDir) -> Iterator[Staging]:
    staging = Staging.create(game_dir, "d1", _manifest(FILES).files)
    yield staging
    staging.discard()
    assert list(game_dir.staging.iterdir()) == []


def _staged(staging: Staging) -> Path:
    return staging.game_dir.root / staging.folder / "files"


def test_files_have_their_size_and_take_no_room_before_they_have_bytes(staging: Staging) -> None:
    sizes = {path: (_staged(staging) / path).stat().st_size for path in FILES}
    assert sizes == {path: len(content) for path, content in FILES.items()}
    assert (_staged(staging) / "big.eti").stat().st_blocks == 0


def test_right_chunks_in_any_order_make_the_files(staging: Staging) -> None:
    manifest = _manifest(FILES)
    for number in reversed(range(manifest.totals.chunks)):
        staging.write_chunk(manifest.chunk(number), _data(manifest, FILES, number))
    staging.sync()
    assert {p: (_staged(staging) / p).read_bytes() for p in FILES} == FILES
    assert all(map(staging.is_complete, manifest.files))
    assert all(map(staging.verify_file, manifest.files))


@pytest.mark.parametrize("fault", ["flipped", "short", "long", "empty", "other chunk"])
def test_wrong_bytes_never_reach_the_disk(staging: Staging, fault: str) -> None:
    manifest = _manifest(FILES)
    chunk = manifest.chunk(1)
    right = bytes(_data(manifest, FILES, 1))
    wrong = {
        "flipped": bytes([right[0] ^ 1]) + right[1:],
        "short": right[:-1],
        "long": right + b"x",
        "empty": b"",
        "other chunk": bytes(_data(manifest, FILES, 2)),
    }[fault]
    before = snapshot(_staged(staging))
    with pytest.raises(IntegrityError) as caught:
        staging.write_chunk(chunk, memoryview(wrong))
    assert caught.value.metadata == {"chunk": "1"}
    assert snapshot(_staged(staging)) == before
    assert not staging.is_complete(chunk.file)


def test_a_file_is_complete_only_with_its_last_chunk(staging: Staging) -> None:
    manifest = _manifest(FILES)
    big = manifest.files[0]
    for number in range(big.chunk_count):
        assert not staging.is_complete(big)
        staging.write_chunk(manifest.chunk(number), _data(manifest, FILES, number))
        staging.write_chunk(manifest.chunk(number), _data(manifest, FILES, number))
    assert staging.is_complete(big)
    other = FileEntry(big.path, big.size, bytes(len(big.hashes)))
    assert not staging.is_complete(other)


def test_a_file_that_went_wrong_on_disk_is_found_out(staging: Staging) -> None:
    manifest = _manifest(FILES)
    _write_all(staging, manifest, FILES)
    big = manifest.files[0]
    with (_staged(staging) / "big.eti").open("r+b") as file:
        file.seek(5000)
        file.write(b"\0rot")
    assert not staging.verify_file(big)
    assert not staging.is_complete(big)
    os.truncate(_staged(staging) / "data/small", 1)
    assert not staging.verify_file(manifest.file("data/small") or big)


def test_a_chunk_of_another_manifest_is_refused(staging: Staging) -> None:
    foreign = _manifest({**FILES, "other": b"x"})
    for path in ("other", "version.ini"):
        (chunk,) = foreign.chunks_of(path)
        if path == "other":
            with pytest.raises(StorageError):
                staging.write_chunk(chunk, memoryview(b"x"))
    changed = _manifest({**FILES, "data/small": b"SMALL"})
    (chunk,) = changed.chunks_of("data/small")
    with pytest.raises(StorageError):
        staging.write_chunk(chunk, memoryview(b"SMALL"))


def test_many_threads_write_one_staging(staging: Staging) -> None:
    manifest = _manifest(FILES)

    def write(number: int) -> None:
        staging.write_chunk(manifest.chunk(number), _data(manifest, FILES, number))

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
    manifest = _manifest(heads)
    staging = Staging.create(game_dir, "d1", manifest.files)
    _write_all(staging, manifest, heads)
    modes = {path: stat.S_IMODE((_staged(staging) / path).stat().st_mode) for path in heads}
    runnable = {path for path, mode in modes.items() if mode & 0o111}
    assert runnable == {"elf", "macho", "universal", "script"}
    assert modes["elf"] == modes["text"] | (modes["text"] & 0o444) >> 2
    staging.discard()


def test_every_file_is_synced_once_and_again_after_a_write(
    staging: Staging, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    real_fsync = os.fsync

    def fsync(descriptor: int) -> None:
        synced.append(str(Path(f"/proc/self/fd/{descriptor}").readlink().name))
        real_fsync(descriptor)

    manifest = _manifest(FILES)
    _write_all(staging, manifest, FILES)
    monkeypatch.setattr(os, "fsync", fsync)
    staging.sync()
    assert sorted(synced) == ["big.eti", "empty", "small", "version.ini"]
    staging.sync()
    assert len(synced) == 4
    staging.write_chunk(manifest.chunk(0), _data(manifest, FILES, 0))
    staging.sync()
    assert synced[4:] == ["big.eti"]


def test_a_failed_sync_is_an_error_and_is_tried_again(
    staging: Staging, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    failed: list[str] = []

    def fsync(descriptor: int) -> None:
        name = Path(f"/proc/self/fd/{descriptor}").readlink().name
        if name == "small" and not failed:
            failed.append(name)
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        synced.append(name)

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(StorageError):
        staging.sync()
    staging.sync()
    assert sorted(synced) == ["big.eti", "empty", "small", "version.ini"]


def test_thousands_of_files_need_few_descriptors(game_dir: GameDir) -> None:
    content = {f"d{n % 50:02}/f{n:04}": b"%d" % n for n in range(1500)}
    files = {**content, "version.ini": b"1"}
    manifest = _manifest(files)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = open_descriptors() + MAX_OPEN_STAGING_FILES + 8
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    try:
        staging = Staging.create(game_dir, "d1", manifest.files)
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
            Staging.create(game_dir, name, _manifest(FILES).files)
    assert snapshot(game_dir.root) == before


@pytest.mark.parametrize("linked", [".lanspread", ".lanspread/staging"])
def test_a_link_in_the_place_of_staging_is_refused(
    game_dir: GameDir, tmp_path: Path, linked: str
) -> None:
    outside = make_files(tmp_path / "outside", {"staging/canary": b"canary"})
    (game_dir.root / linked).parent.mkdir(exist_ok=True)
    (game_dir.root / linked).symlink_to(outside)
    with pytest.raises(StorageError):
        Staging.create(game_dir, "d1", _manifest(FILES).files)
    with pytest.raises(StorageError):
        clear_stale(game_dir)
    assert snapshot(outside) == {"staging": None, "staging/canary": b"canary"}


@pytest.mark.parametrize("linked", ["files/data", "files", "files/data/small", ""])
def test_a_link_swapped_into_staging_never_gets_a_byte(
    game_dir: GameDir, tmp_path: Path, staging: Staging, linked: str
) -> None:
    manifest = _manifest(FILES)
    (chunk,) = manifest.chunks_of("data/small")
    place = game_dir.root / staging.folder / linked
    aside = tmp_path / "aside"
    place.rename(aside)
    outside = tmp_path / "outside"
    make_files(outside, {"files/data/small": b"12345", "data/small": b"12345", "small": b"12345"})
    place.symlink_to(outside / "small" if linked.endswith("small") else outside)
    before = snapshot(outside)
    with pytest.raises(StorageError):
        staging.write_chunk(chunk, memoryview(b"small"))
    with pytest.raises(StorageError):
        staging.verify_file(chunk.file)
    staging.discard()
    assert snapshot(outside) == before


def test_left_over_staging_is_removed_at_the_next_start(game_dir: GameDir, tmp_path: Path) -> None:
    assert clear_stale(game_dir) == []
    outside = make_files(tmp_path / "outside", {"canary": b"canary"})
    for name in ("d2", "d1"):
        Staging.create(game_dir, name, _manifest(FILES).files).close()
    (game_dir.staging / "d1/files/link").symlink_to(outside)
    (game_dir.staging / "link").symlink_to(outside)
    make_files(game_dir.own, {"records/kept": b"kept"})
    assert clear_stale(game_dir) == ["d1", "d2", "link"]
    assert snapshot(game_dir.own) == {
        "records": None,
        "records/kept": b"kept",
        "staging": None,
    }
    assert snapshot(outside) == {"canary": b"canary"}


def test_a_failed_create_leaves_nothing(game_dir: GameDir, monkeypatch: pytest.MonkeyPatch) -> None:
    def ftruncate(descriptor: int, size: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "ftruncate", ftruncate)
    with pytest.raises(DiskFull):
        Staging.create(game_dir, "d1", _manifest(FILES).files)
    assert list(game_dir.staging.iterdir()) == []


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
    manifest = _manifest(files)
    with pytest.raises(DiskFull):
        game_dir.require_space(manifest.totals.bytes)
    staging = Staging.create(game_dir, "d1", manifest.files)
    with pytest.raises(DiskFull):
        _write_all(staging, manifest, files)
    assert not staging.is_complete(manifest.files[0])
    staging.discard()
    assert snapshot(tiny_disk / "aoe2") == {"version.ini": b"1"}
    game_dir.require_space(1)
