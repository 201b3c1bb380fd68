"""Chunk map: three states, at most two owners. The laws are in tests/properties."""

import tracemalloc

import pytest

from lanspread_peer.core.chunk_map import ChunkMap, ChunkState
from lanspread_peer.core.chunk_set import chunk_set
from lanspread_peer.model.limits import MAX_CHUNKS_PER_REQUEST

A, B, C = 1, 2, 3  # ids of requests
THREE = range(3, 4)


def make_map(*numbers: int) -> ChunkMap:
    return ChunkMap((number, 10 * number) for number in numbers)


def test_a_chunk_goes_from_missing_over_in_flight_to_verified() -> None:
    chunks = make_map(3)
    assert chunks.state(3) is ChunkState.MISSING
    chunks.take(THREE, A)
    assert chunks.state(3) is ChunkState.IN_FLIGHT
    assert chunks.verify(3) == (A,)
    assert chunks.state(3) is ChunkState.VERIFIED
    assert chunks.is_complete


def test_a_third_owner_is_refused() -> None:
    chunks = make_map(3)
    chunks.take(THREE, A)
    chunks.take(THREE, B)
    with pytest.raises(ValueError, match="cannot be taken"):
        chunks.take(THREE, C)


def test_a_chunk_is_missing_again_only_when_its_last_owner_lets_go() -> None:
    chunks = make_map(3)
    chunks.take(THREE, A)
    chunks.take(THREE, B)
    assert chunks.release([3], A) == ()
    assert chunks.in_flight == {3: (B,)}
    assert chunks.release([3], B) == (3,)
    assert chunks.missing == 1 << 3


def test_verified_is_final() -> None:
    chunks = make_map(3)
    assert chunks.verify(3) == ()
    assert chunks.verify(3) is None
    with pytest.raises(ValueError, match="verified"):
        chunks.take(THREE, A)


@pytest.mark.parametrize("number", [0, 2, 4])
def test_a_chunk_that_is_not_selected_is_unknown(number: int) -> None:
    chunks = make_map(1, 3)
    assert chunks.length(3) == 30
    with pytest.raises(KeyError):
        chunks.length(number)
    with pytest.raises(KeyError):
        chunks.take(range(number, number + 1), A)


@pytest.mark.parametrize("numbers", [(2, 1), (1, 1)])
def test_chunks_out_of_order_are_refused(numbers: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="rising"):
        make_map(*numbers)


def test_an_empty_selection_is_complete() -> None:
    assert make_map().is_complete


def test_two_hundred_thousand_chunks_take_a_few_bytes_each() -> None:
    tracemalloc.start()
    chunks = ChunkMap((number, 4096) for number in range(200_000))
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert chunks.missing_count == 200_000
    assert size < 20 * 200_000


def test_a_run_is_taken_and_let_go_as_a_whole_or_in_part() -> None:
    chunks = make_map(*range(1, 9))
    chunks.take(range(3, 7), A)
    chunks.take(range(5, 7), B)
    assert chunks.owners(4) == (A,)
    assert chunks.owners(6) == (A, B)
    assert chunks.owners(8) == ()
    assert chunks.missing == chunk_set([1, 2, 7, 8])
    assert chunks.release([4, 5, 6], A) == (4,)
    assert chunks.missing == chunk_set([1, 2, 4, 7, 8])
    assert chunks.missing_count == 5
    with pytest.raises(ValueError, match="cannot be taken"):
        chunks.take(range(2, 6), B)
    assert chunks.state(2) is ChunkState.MISSING
    assert chunks.bytes_in(range(3, 7)) == 180


def test_a_run_ends_at_a_gap_at_most_bytes_or_at_most_chunks() -> None:
    chunks = ChunkMap((number, 10) for number in range(5000) if number != 50)
    assert chunks.run_from(0, chunks.missing, 100) == range(10)
    assert chunks.run_from(45, chunks.missing, 100) == range(45, 50)
    assert chunks.run_from(45, chunks.missing, 9) == range(45, 46)
    assert chunks.run_from(4999, chunks.missing, 100) == range(4999, 5000)
    assert len(chunks.run_from(51, chunks.missing, 1 << 40)) == MAX_CHUNKS_PER_REQUEST


def test_a_group_is_the_same_from_any_of_its_chunks() -> None:
    chunks = ChunkMap((number, 10) for number in range(100))
    assert {chunks.group_of(n, chunks.missing, 80, 80) for n in range(8, 16)} == {range(8, 16)}
    assert chunks.group_of(99, chunks.missing, 80, 80) == range(96, 100)
    assert chunks.group_of(0, chunks.missing, 10, 80) == range(1)


def test_a_group_ends_at_gaps_on_both_sides() -> None:
    chunks = ChunkMap((number, 10) for number in range(100))
    among = chunks.missing & ~chunk_set([9, 13])
    assert chunks.group_of(11, among, 80, 80) == range(10, 13)


def test_a_group_that_ends_in_a_large_chunk_stays_within_the_most_bytes() -> None:
    chunks = ChunkMap([(0, 10), (1, 10), (2, 100), (3, 10)])
    assert chunks.group_of(0, chunks.missing, 40, 100) == range(2)
    assert chunks.group_of(2, chunks.missing, 40, 100) == range(2, 3)
    assert chunks.group_of(3, chunks.missing, 40, 100) == range(3, 4)


def test_groups_of_tiny_chunks_hold_no_more_than_a_request_may() -> None:
    chunks = ChunkMap((number, 1) for number in range(10_000))
    for number in (0, 700, 5000, 9999):
        run = chunks.group_of(number, chunks.missing, 1 << 20, 1 << 22)
        assert number in run
        assert len(run) <= MAX_CHUNKS_PER_REQUEST
