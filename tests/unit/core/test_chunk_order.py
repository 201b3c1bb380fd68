"""Chunk order: failed ones first, then in order or the rarest at random."""

from collections import Counter
from random import Random

from lanspread_peer.core.chunk_order import ChunkOrder
from lanspread_peer.core.chunk_set import chunk_set


def test_nothing_is_chosen_of_nothing() -> None:
    assert ChunkOrder(Random(1)).choose(0, in_order=False) is None


def test_in_order_means_the_lowest_number() -> None:
    assert ChunkOrder(Random(1)).choose(chunk_set([7, 4, 9]), in_order=True) == 4


def test_equally_rare_chunks_are_chosen_at_random_and_evenly() -> None:
    order = ChunkOrder(Random(1))
    # Gaps of very different width must not matter.
    chunks = chunk_set([0, 1, 100, 5000])
    chosen = Counter(order.choose(chunks, in_order=False) for _ in range(4000))
    assert set(chosen) == {0, 1, 100, 5000}
    assert all(850 < times < 1150 for times in chosen.values()), chosen


def test_the_rarest_chunk_is_chosen_first() -> None:
    order = ChunkOrder(Random(1))
    order.add_holdings(chunk_set([1, 2, 3]))
    order.add_holdings(chunk_set([1, 3]))
    assert order.choose(chunk_set([1, 2, 3]), in_order=False) == 2
    order.remove_holdings(chunk_set([1, 3]))
    order.add_holdings(chunk_set([2, 3]))
    assert order.choose(chunk_set([1, 2, 3]), in_order=False) == 1


def test_a_chunk_that_failed_goes_first_whatever_the_order() -> None:
    order = ChunkOrder(Random(1))
    order.note_failed(8)
    order.note_failed(6)
    assert order.choose(chunk_set([2, 6, 8]), in_order=True) == 6
    assert order.choose(chunk_set([2, 6, 8]), in_order=False) == 6
    assert order.choose(chunk_set([2]), in_order=False) == 2
