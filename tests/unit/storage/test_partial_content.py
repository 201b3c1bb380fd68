"""What is given of a content that is still being downloaded: right bytes, or none."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from lanspread_peer.core.chunk_set import chunk_set
from lanspread_peer.core.run_slices import FileRange, slices_of
from lanspread_peer.model.errors import NotFoundByPeer, Stale, StorageError
from lanspread_peer.model.limits import KIB, MIB
from lanspread_peer.model.manifest import chunk_hash
from lanspread_peer.model.paths import SafeRelPath
from lanspread_peer.storage import partial_content
from lanspread_peer.storage.game_dir import GameDir
from lanspread_peer.storage.partial_content import PartialContent
from lanspread_peer.storage.positional_file import PositionalFile
from lanspread_peer.storage.staging import Staging
from support.stagings import chunk_data, manifest_of, new_staging
from support.storage_folders import make_files, make_game_dir, open_descriptors

FILES = {
    "big.eti": os.urandom(MIB + 7),
    "kept.bin": os.urandom(300 * KIB),
    "data/small": b"small",
    "version.ini": b"1",
}
MANIFEST = manifest_of(FILES)
KEPT = SafeRelPath("kept.bin")
# Five of the first, the small one, two that are kept, and the last.
SMALL, FIRST_KEPT, LAST = 5, 6, 8


@pytest.fixture
def game_dir(tmp_path: Path) -> Iterator[GameDir]:
    before = open_descriptors()
    yield make_game_dir(tmp_path / "games", {"aoe2": {KEPT: FILES[KEPT]}})
    assert open_descriptors() <= before


@pytest.fixture
def staging(game_dir: GameDir) -> Iterator[Staging]:
    staging = new_staging(
        game_dir, MANIFEST, files=[each for each in MANIFEST.files if each.path != KEPT]
    )
    yield staging
    staging.discard()


@pytest.fixture
def content(staging: Staging) -> PartialContent:
    return PartialContent(staging, "aoe2", [KEPT])


def write(staging: Staging, *numbers: int) -> None:
    for number in numbers:
        staging.write_chunk(MANIFEST.chunk(number), chunk_data(MANIFEST, FILES, number))


def given(content: PartialContent, first: int, count: int = 1) -> bytes:
    return b"".join(content.slices(slices_of(MANIFEST.run(first, count))))


def right(first: int, count: int = 1) -> bytes:
    return b"".join(chunk_data(MANIFEST, FILES, n) for n in range(first, first + count))


def test_what_is_verified_or_kept_is_given_and_nothing_else(
    staging: Staging, content: PartialContent
) -> None:
    write(staging, 0, 1, SMALL)
    assert content.held == chunk_set([0, 1, SMALL, FIRST_KEPT, FIRST_KEPT + 1])
    assert given(content, 0, 2) == right(0, 2)
    assert given(content, SMALL, 3) == right(SMALL, 3)
    for number in (2, 3, 4, LAST):
        with pytest.raises(NotFoundByPeer):
            given(content, number)
    with pytest.raises(NotFoundByPeer):
        given(content, 1, 2)


def test_a_range_over_two_chunks_needs_both(staging: Staging, content: PartialContent) -> None:
    write(staging, 0)
    part = [[FileRange(SafeRelPath("big.eti"), 200 * KIB, 100 * KIB)]]
    with pytest.raises(NotFoundByPeer):
        list(content.slices(part))
    write(staging, 1)
    assert list(content.slices(part)) == [FILES["big.eti"][200 * KIB : 300 * KIB]]
    part = [[FileRange(KEPT, 200 * KIB, 100 * KIB)]]
    assert list(content.slices(part)) == [FILES[KEPT][200 * KIB : 300 * KIB]]


def test_what_the_disk_lost_is_given_no_more(
    staging: Staging, content: PartialContent, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(staging, 0)

    def fail(_: int) -> None:
        raise OSError(5, "the disk is broken")

    with monkeypatch.context() as broken:
        broken.setattr("lanspread_peer.storage.staging.sync_descriptor", fail)
        with pytest.raises(StorageError):
            staging.record()
    with pytest.raises(NotFoundByPeer):
        given(content, 0)
    assert content.held == chunk_set([FIRST_KEPT, FIRST_KEPT + 1])


def test_what_the_disk_loses_while_it_is_read_is_not_given(
    staging: Staging, content: PartialContent, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(staging, 0)
    read = PositionalFile.read

    def lose(file: PositionalFile, offset: int, length: int) -> bytes:
        staging._chunks.lose_unrecorded(SafeRelPath("big.eti"))
        return read(file, offset, length)

    monkeypatch.setattr(PositionalFile, "read", lose)
    with pytest.raises(NotFoundByPeer):
        given(content, 0)


@pytest.mark.parametrize("change", ["changed", "shorter", "gone", "a folder"])
def test_kept_files_that_changed_are_not_given(
    game_dir: GameDir, content: PartialContent, change: str
) -> None:
    path = game_dir.root / "aoe2" / KEPT
    data = FILES[KEPT]
    match change:
        case "changed":
            path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        case "shorter":
            path.write_bytes(data[:-1])
        case _:
            path.unlink()
    if change == "a folder":
        path.mkdir()
    # What did not change of it is right.
    if change in ("changed", "shorter"):
        assert given(content, FIRST_KEPT) == right(FIRST_KEPT)
    with pytest.raises((Stale, StorageError)):
        given(content, FIRST_KEPT + 1)


def test_a_kept_file_that_changed_is_hashed_once_more_and_held_no_more(
    game_dir: GameDir, staging: Staging, content: PartialContent, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(staging, 0)
    (game_dir.root / "aoe2" / KEPT).write_bytes(bytes(len(FILES[KEPT])))
    hashed: list[int] = []

    def note(data: bytes) -> bytes:
        hashed.append(len(data))
        return chunk_hash(data)

    monkeypatch.setattr(partial_content, "chunk_hash", note)
    with pytest.raises(Stale):
        given(content, FIRST_KEPT)
    for number in (FIRST_KEPT, FIRST_KEPT + 1):
        with pytest.raises(NotFoundByPeer):
            given(content, number)
    assert len(hashed) == 1
    assert content.held == chunk_set([0])
    assert content.lost == chunk_set([FIRST_KEPT, FIRST_KEPT + 1])
    assert given(content, 0) == right(0)


def test_what_a_publish_has_moved_is_found_in_the_game_and_hashed(
    game_dir: GameDir, staging: Staging, content: PartialContent
) -> None:
    write(staging, 0, 1, 2, 3, 4)
    path = game_dir.root / "aoe2" / "big.eti"
    (game_dir.root / staging.path_of(SafeRelPath("big.eti"))).rename(path)
    staging.close()
    assert given(content, 0, 5) == right(0, 5)
    path.write_bytes(bytes(len(FILES["big.eti"])))
    with pytest.raises(Stale):
        given(content, 4)
    with pytest.raises(NotFoundByPeer):
        given(content, 4)


def test_of_a_file_that_is_not_where_it_was_nothing_is_held(
    tmp_path: Path, staging: Staging
) -> None:
    make_files(tmp_path / "games" / "aoe2", {})
    assert not PartialContent(staging, "other", [KEPT]).held
