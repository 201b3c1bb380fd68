"""Chunk map: three states, at most two owners. The laws are in tests/properties."""

import tracemalloc

import pytest

from lanspread_peer.core.chunk_map import ChunkMap, ChunkState
from lanspread_peer.model.ids import PeerId

A, B, C = PeerId("a"), PeerId("b"), PeerId("c")


def make_map(*numbers: int) -> ChunkMap:
    return ChunkMap((number, 10 * number) for number in numbers)


def test_a_chunk_goes_from_missing_over_in_flight_to_verified() -> None:
    chunks = make_map(3)
    assert chunks.state(3) is ChunkState.MISSING
    chunks.take(3, A)
    assert chunks.state(3) is ChunkState.IN_FLIGHT
    assert chunks.verify(3) == (A,)
    assert chunks.state(3) is ChunkState.VERIFIED
    assert chunks.is_complete


def test_a_third_owner_is_refused() -> None:
    chunks = make_map(3)
    chunks.take(3, A)
    chunks.take(3, B)
    with pytest.raises(ValueError, match="cannot be taken"):
        chunks.take(3, C)


def test_a_chunk_is_missing_again_only_when_its_last_owner_lets_go() -> None:
    chunks = make_map(3)
    chunks.take(3, A)
    chunks.take(3, B)
    assert not chunks.release(3, A)
    assert chunks.in_flight == {3: (B,)}
    assert chunks.release(3, B)
    assert chunks.missing == 1 << 3


def test_verified_is_final() -> None:
    chunks = make_map(3)
    assert chunks.verify(3) == ()
    assert chunks.verify(3) is None
    with pytest.raises(ValueError, match="verified"):
        chunks.take(3, A)


@pytest.mark.parametrize("number", [0, 2, 4])
def test_a_chunk_that_is_not_selected_is_unknown(number: int) -> None:
    chunks = make_map(1, 3)
    assert chunks.length(3) == 30
    with pytest.raises(KeyError):
        chunks.length(number)
    with pytest.raises(KeyError):
        chunks.take(number, A)


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
