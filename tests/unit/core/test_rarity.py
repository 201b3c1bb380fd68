"""Rarity: how many partial sources hold a chunk."""

from lanspread_peer.core.chunk_set import chunk_set
from lanspread_peer.core.rarity import Rarity


def test_without_partial_sources_all_chunks_are_equally_rare() -> None:
    assert Rarity().rarest(0b1011) == 0b1011


def test_a_chunk_that_one_source_less_holds_is_rarer() -> None:
    rarity = Rarity()
    rarity.add(chunk_set([1, 2, 3]))
    rarity.add(chunk_set([2, 3]))
    assert rarity.rarest(chunk_set([1, 2, 3])) == chunk_set([1])
    assert rarity.rarest(chunk_set([2, 3])) == chunk_set([2, 3])
    assert rarity.rarest(chunk_set([1, 2, 9])) == chunk_set([9])


def test_a_source_that_leaves_makes_its_chunks_rarer() -> None:
    rarity = Rarity()
    rarity.add(chunk_set([1, 2]))
    rarity.add(chunk_set([2]))
    rarity.remove(chunk_set([1, 2]))
    assert rarity.rarest(chunk_set([1, 2])) == chunk_set([1])
