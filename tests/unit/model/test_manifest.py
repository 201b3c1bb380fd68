"""A manifest that breaks an invariant never comes to be; chunks number its bytes without a gap."""

from dataclasses import replace

import pytest
from blake3 import blake3

from lanspread_peer.model import manifest as module
from lanspread_peer.model.errors import InvalidManifest
from lanspread_peer.model.limits import (
    KIB,
    MAX_CHUNK_BYTES,
    MAX_CHUNKS_PER_FILE,
    MAX_GAME_BYTES,
    MIB,
    MIN_CHUNK_BYTES,
)
from lanspread_peer.model.manifest import (
    HASH_BYTES,
    FileEntry,
    Manifest,
    chunk_hash,
    chunk_size_of,
)
from lanspread_peer.model.paths import SafeRelPath
from support.manifests import file_entry, game_manifest, manifest_of, sized_entry

GIB = 1024 * MIB
VERSION = file_entry("version.ini", b"1")


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (0, 256 * KIB),
        (1, 256 * KIB),
        (256 * KIB, 256 * KIB),
        (256 * KIB + 1, 256 * KIB),
        (GIB, 256 * KIB),
        (GIB + 1, 512 * KIB),
        (2 * GIB, 512 * KIB),
        (2 * GIB + 1, MIB),
        (4 * GIB, MIB),
        (4 * GIB + 1, 2 * MIB),
        (8 * GIB, 2 * MIB),
        (8 * GIB + 1, 4 * MIB),
        (16 * GIB + 1, 4 * MIB),
        (150_000_000_000, 4 * MIB),
        (MAX_GAME_BYTES, 4 * MIB),
    ],
)
def test_the_chunk_size_follows_from_the_file_size(size: int, expected: int) -> None:
    assert chunk_size_of(size) == expected
    assert MIN_CHUNK_BYTES <= expected <= MAX_CHUNK_BYTES
    if expected < MAX_CHUNK_BYTES:
        assert sized_entry("a", size).chunk_count <= MAX_CHUNKS_PER_FILE


@pytest.mark.parametrize(
    ("size", "chunks"),
    [
        (0, 0),
        (1, 1),
        (256 * KIB, 1),
        (256 * KIB + 1, 2),
        (GIB, 4096),
        (GIB + 1, 2049),
        (150_000_000_000, 35763),
    ],
)
def test_a_file_has_as_many_chunks_as_its_size_needs(size: int, chunks: int) -> None:
    manifest = manifest_of([VERSION, sized_entry("big", size)])
    assert manifest.totals.chunks == chunks + 1
    assert sum(chunk.length for chunk in manifest.chunks_of("big")) == size


def test_a_chunk_hash_is_blake3_whatever_holds_the_bytes() -> None:
    expected = blake3(b"chunk").digest()
    assert len(expected) == HASH_BYTES
    assert chunk_hash(b"chunk") == expected
    assert chunk_hash(memoryview(bytearray(b"chunk"))) == expected


def test_chunks_are_numbered_through_the_files_in_order() -> None:
    files = {"a": b"1" * (256 * KIB + 1), "b": b"", "c/d": b"2" * 10, "e": b"3" * (512 * KIB)}
    manifest = game_manifest(files)
    chunks = [manifest.chunk(number) for number in range(manifest.totals.chunks)]
    assert [(chunk.file.path, chunk.offset, chunk.length) for chunk in chunks] == [
        ("a", 0, 256 * KIB),
        ("a", 256 * KIB, 1),
        ("c/d", 0, 10),
        ("e", 0, 256 * KIB),
        ("e", 256 * KIB, 256 * KIB),
        ("version.ini", 0, 8),
    ]
    assert [chunk.number for chunk in chunks] == list(range(6))
    for chunk in chunks[:-1]:
        data = files[chunk.file.path][chunk.offset : chunk.offset + chunk.length]
        assert chunk.hash == chunk_hash(data)


def test_there_is_no_chunk_outside_the_numbers() -> None:
    manifest = game_manifest({"a": b"1"})
    for number in (-1, manifest.totals.chunks):
        with pytest.raises(IndexError):
            manifest.chunk(number)


def test_a_run_is_so_many_chunks_or_none_at_all() -> None:
    manifest = game_manifest({"a": bytes(300 * KIB), "b": b"b"})
    assert [chunk.number for chunk in manifest.run(1, 3)] == [1, 2, 3]
    assert manifest.run(0, 4) == [manifest.chunk(number) for number in range(4)]
    assert manifest.run(1, 4) == manifest.run(4, 1) == manifest.run(-1, 2) == []


def test_the_chunks_of_a_file_are_those_that_name_it() -> None:
    manifest = game_manifest({"a": b"1", "b": b"2" * (256 * KIB + 1), "empty": b""})
    assert [chunk.number for chunk in manifest.chunks_of("b")] == [1, 2]
    assert list(manifest.chunks_of("empty")) == []
    assert list(manifest.chunks_of("unknown")) == []


def test_a_file_is_found_by_its_exact_path() -> None:
    manifest = game_manifest({"Data/a": b"1"})
    found = manifest.file("Data/a")
    assert found is not None
    assert found.size == 1
    assert manifest.file("data/a") is None
    assert manifest.file("Data") is None


def test_totals_add_up() -> None:
    totals = game_manifest({"a": b"123", "b/c": b"", "d": b"4"}).totals
    assert (totals.bytes, totals.files, totals.chunks) == (12, 4, 3)


def test_empty_folders_and_empty_files_are_kept() -> None:
    manifest = manifest_of([VERSION, file_entry("empty.cfg", b"")], ["saves/slot1"])
    assert manifest.directories == ("saves", "saves/slot1")
    assert manifest.totals.files == 2


def _refused(directories: list[str], files: list[FileEntry], reason: str) -> None:
    with pytest.raises(InvalidManifest, match=reason):
        Manifest(tuple(map(SafeRelPath, directories)), tuple(files))


def test_a_manifest_without_version_ini_is_refused() -> None:
    _refused([], [], "version.ini")
    _refused([], [file_entry("a", b"1")], "version.ini")
    _refused(["a"], [file_entry("a/version.ini", b"1")], "version.ini")
    _refused(["version.ini"], [], "version.ini")
    _refused([], [file_entry("VERSION.INI", b"1")], "version.ini")


def test_entries_out_of_order_or_twice_are_refused() -> None:
    a, b = file_entry("a", b"1"), file_entry("b", b"1")
    _refused([], [b, a, VERSION], "order")
    _refused([], [a, a, VERSION], "order")
    _refused(["y", "x"], [VERSION], "order")
    _refused(["x", "x"], [VERSION], "order")


def test_the_order_is_that_of_utf_8_bytes() -> None:
    paths = ["a", "a b", "a.b", "a0", "b", "version.ini", "\u00e9", "\uff41", "\U0001f3ae"]
    files = [file_entry(path, b"1") for path in paths]
    assert Manifest((), tuple(files)).totals.files == len(paths)


@pytest.mark.parametrize(("left", "right"), [("A", "a"), ("STRASSE", "stra\u00dfe")])
def test_names_that_collide_are_refused(left: str, right: str) -> None:
    entries = sorted(
        [file_entry(left, b"1"), file_entry(right, b"1")], key=lambda f: f.path.encode()
    )
    _refused([], [*entries, VERSION], "one name")
    _refused([left, right], [VERSION], "one name")


def test_a_file_used_as_a_directory_is_refused() -> None:
    _refused(["a"], [file_entry("a", b"1"), VERSION], "one name")
    _refused([], [file_entry("a", b"1"), file_entry("a/b", b"1"), VERSION], "not listed")
    _refused(["A"], [file_entry("a", b"1"), VERSION], "one name")


def test_an_entry_without_its_folder_is_refused() -> None:
    _refused([], [file_entry("a/b", b"1"), VERSION], "not listed")
    _refused(["a/b"], [VERSION], "not listed")
    _refused(["A"], [file_entry("a/b", b"1"), VERSION], "not listed")


@pytest.mark.parametrize("name", ["local", "Local", ".lanspread", ".git"])
def test_what_is_never_shared_is_refused(name: str) -> None:
    _refused([name], [VERSION], "never shared")
    _refused([name], [file_entry(f"{name}/save.dat", b"1"), VERSION], "never shared")
    _refused([], [file_entry(name, b"1"), VERSION], "never shared")


@pytest.mark.parametrize("size", [-1, -(2**70), MAX_GAME_BYTES + 1, 2**70])
def test_a_size_outside_the_limits_is_refused(size: int) -> None:
    _refused([], [FileEntry(SafeRelPath("a"), size, b""), VERSION], "size")


def test_sizes_may_add_up_to_the_limit_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_GAME_BYTES", 100)
    assert manifest_of([VERSION, sized_entry("a", 49), sized_entry("b", 50)]).totals.bytes == 100
    with pytest.raises(InvalidManifest, match="at most 100 bytes"):
        manifest_of([VERSION, sized_entry("a", 50), sized_entry("b", 50)])


def test_there_may_be_as_many_entries_as_the_limit_and_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MAX_MANIFEST_ENTRIES", 4)
    assert game_manifest({"a/b": b"", "c": b""}).totals.files == 3
    with pytest.raises(InvalidManifest, match="at most 4 entries"):
        game_manifest({"a/b": b"", "c": b"", "d": b""})


@pytest.mark.parametrize("hashes", [b"", bytes(31), bytes(33), bytes(64)])
def test_the_wrong_number_of_hashes_is_refused(hashes: bytes) -> None:
    _refused([], [replace(file_entry("a", b"1"), hashes=hashes), VERSION], "hashes")


def test_equal_folders_have_equal_manifests() -> None:
    assert game_manifest({"b": b"1", "a/c": b"2"}) == game_manifest({"a/c": b"2", "b": b"1"})
    assert game_manifest({"a": b"1"}) != game_manifest({"a": b"2"})


def test_a_range_of_a_file_lies_in_its_chunks() -> None:
    manifest = manifest_of([sized_entry("a", 300 * KIB), sized_entry("version.ini", 9)])
    size = MIN_CHUNK_BYTES

    def numbers(path: str, offset: int, length: int) -> list[int]:
        return [chunk.number for chunk in manifest.chunks_over(path, offset, length)]

    assert numbers("a", 0, 1) == numbers("a", size - 1, 1) == [0]
    assert numbers("a", size, 1) == [1]
    assert numbers("a", size - 1, 2) == numbers("a", 0, 300 * KIB) == [0, 1]
    assert numbers("version.ini", 0, 9) == [2]
    for path, offset, length in [("b", 0, 1), ("a", -1, 2), ("a", 0, 0), ("a", 1, 300 * KIB)]:
        assert numbers(path, offset, length) == []
