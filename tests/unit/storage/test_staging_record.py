import os
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lanspread_peer.core.chunk_set import chunk_set
from lanspread_peer.model.errors import StorageError
from lanspread_peer.model.ids import ContentId
from lanspread_peer.storage import staging_record
from lanspread_peer.storage.game_dir import GameDir
from lanspread_peer.storage.staging_record import StagingRecord, decode_record, read_recorded
from support.storage_folders import make_game_dir

CONTENT = ContentId("ab" * 32)
COUNT = 1000


@pytest.fixture
def game_dir(tmp_path: Path) -> GameDir:
    return make_game_dir(tmp_path / "games", {})


def _open(game_dir: GameDir) -> StagingRecord:
    return StagingRecord(game_dir, "record", CONTENT, COUNT)


def _read(game_dir: GameDir) -> int:
    return read_recorded(game_dir, "record", CONTENT, COUNT)


def _written(game_dir: GameDir, *lines: set[int]) -> Path:
    record = _open(game_dir)
    for chunks in lines:
        record.add(chunk_set(chunks))
    record.close()
    return game_dir.root / "record"


def test_it_grows_by_a_readable_line(game_dir: GameDir) -> None:
    path = _written(game_dir, {0, 1, 2, 7}, {5}, {999})
    lines = path.read_bytes().splitlines()
    assert [line.split()[0] for line in lines] == [b"0-2,7", b"5", b"999"]
    assert _read(game_dir) == chunk_set([0, 1, 2, 5, 7, 999])


def test_one_that_is_missing_unreadable_or_empty_names_nothing(game_dir: GameDir) -> None:
    assert _read(game_dir) == 0
    path = game_dir.root / "record"
    path.symlink_to("/etc/hosts")
    assert _read(game_dir) == 0
    _written(game_dir, {3})
    assert not path.is_symlink()
    assert _read(game_dir) == chunk_set([3])
    path.write_bytes(b"")
    assert _read(game_dir) == 0


def test_a_torn_tail_counts_for_nothing_and_is_cut(game_dir: GameDir) -> None:
    whole = _written(game_dir, {0, 1}, {2, 3}).read_bytes()
    first = len(whole.splitlines(keepends=True)[0])
    path = game_dir.root / "record"
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        expected = chunk_set([0, 1]) if length >= first else 0
        assert _read(game_dir) == expected
        record = _open(game_dir)
        record.add(chunk_set([9]))
        record.close()
        assert _read(game_dir) == expected | chunk_set([9])


@given(st.integers(0, 200), st.integers(0, 255))
def test_a_flipped_byte_never_names_another_chunk(place: int, value: int) -> None:
    data = bytearray()
    for chunks in ({0, 4}, {1, 2, 3}, {500}):
        data += staging_record._encode_line(chunk_set(chunks), CONTENT, len(data))
    data[place % len(data)] = value
    found, length = decode_record(bytes(data), CONTENT, COUNT)
    assert found & ~chunk_set([0, 1, 2, 3, 4, 500]) == 0
    assert length <= len(data)


@given(st.binary(max_size=300))
@example(b" \n" * 10)
def test_any_bytes_are_decoded_or_ignored(data: bytes) -> None:
    found, _ = decode_record(data, CONTENT, COUNT)
    assert found < 1 << COUNT


@pytest.mark.parametrize(
    "ranges", [b"1000", b"5-4,1", b"3,2", b"1-2,2", b"-1", b"0-", b"0,", b"", b"1e3", b"0-999,0"]
)
def test_a_line_with_a_right_checksum_must_make_sense(ranges: bytes) -> None:
    line = b"%s %s\n" % (ranges, staging_record._checksum(ranges, CONTENT, 0))
    assert decode_record(line, CONTENT, COUNT) == (0, 0)


def test_a_forged_record_cannot_name_chunks_again_and_again() -> None:
    data = b""
    for _ in range(3):
        data += staging_record._encode_line(chunk_set(range(COUNT)), CONTENT, len(data))
    assert decode_record(data, CONTENT, COUNT) == (chunk_set(range(COUNT)), len(data) // 3)


def test_lines_count_only_in_their_place_and_for_their_content(game_dir: GameDir) -> None:
    path = _written(game_dir, {0}, {1})
    first, second = path.read_bytes().splitlines(keepends=True)
    assert decode_record(second + first, CONTENT, COUNT) == (0, 0)
    assert decode_record(first + second, ContentId("cd" * 32), COUNT) == (0, 0)


def test_it_can_be_replaced_and_grows_on(game_dir: GameDir) -> None:
    record = _open(game_dir)
    record.add(chunk_set([0, 1]))
    record.replace(chunk_set([1]))
    record.add(chunk_set([2]))
    assert record.chunks == chunk_set([1, 2]) == _read(game_dir)
    record.replace(0)
    assert _read(game_dir) == 0
    record.add(chunk_set([4]))
    record.close()
    assert _read(game_dir) == chunk_set([4])


def test_after_a_failed_write_it_is_made_anew(
    game_dir: GameDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = _open(game_dir)
    record.add(chunk_set([0]))
    real_pwrite = os.pwrite

    def pwrite(descriptor: int, data: memoryview, offset: int) -> int:
        real_pwrite(descriptor, data[:5], offset)
        raise OSError("no space")

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", pwrite)
        with pytest.raises(StorageError):
            record.add(chunk_set([100, 101]))
    assert record.chunks == chunk_set([0]) == _read(game_dir)
    inode = (game_dir.root / "record").stat().st_ino
    record.add(chunk_set([7]))
    record.close()
    assert _read(game_dir) == chunk_set([0, 7])
    assert (game_dir.root / "record").stat().st_ino != inode


def test_one_that_grew_to_its_limit_is_written_anew(
    game_dir: GameDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(staging_record, "MAX_STAGING_RECORD_BYTES", 200)
    record = _open(game_dir)
    for number in range(40):
        record.add(chunk_set([number]))
        assert (game_dir.root / "record").stat().st_size <= 200
    record.close()
    assert _read(game_dir) == chunk_set(range(40))
