"""Chunk sets at their edges; their laws are in tests/properties."""

import pytest

from lanspread_peer.core.chunk_set import NO_CHUNKS, chunk_set, contains, nth, numbers_in


def test_no_numbers_make_the_empty_set() -> None:
    assert chunk_set([]) == NO_CHUNKS
    assert list(numbers_in(NO_CHUNKS)) == []


def test_a_negative_chunk_number_is_refused() -> None:
    with pytest.raises(ValueError, match="-1"):
        chunk_set([3, -1])


def test_a_bitmap_from_the_wire_is_a_chunk_set() -> None:
    bitmap = bytes([0b0000_0101, 0b1000_0000])
    chunks = int.from_bytes(bitmap, "little")
    assert list(numbers_in(chunks)) == [0, 2, 15]
    assert contains(chunks, 15)
    assert not contains(chunks, 14)


def test_the_nth_of_a_wide_sparse_set_is_found() -> None:
    chunks = chunk_set([0, 199_999, 1_000_000])
    assert [nth(chunks, index) for index in range(3)] == [0, 199_999, 1_000_000]
