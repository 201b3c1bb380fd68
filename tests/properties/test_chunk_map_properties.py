"""The chunk map and the sets it is made of, against plain Python sets and dictionaries."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from lanspread_peer.core import chunk_set as sets
from lanspread_peer.core.chunk_map import MAX_COPIES, ChunkMap, ChunkState
from lanspread_peer.core.rarity import Rarity
from support.long_form import long_form

REQUESTS = list(range(1, 5))
NUMBERS = st.sets(st.integers(0, 300))


class ChunkMapMachine(RuleBasedStateMachine):
    """The model: a set of verified chunks, and the owners of those in flight."""

    @initialize(numbers=st.sets(st.integers(0, 50), min_size=1, max_size=8))
    def start(self, numbers: set[int]) -> None:
        self.numbers = sorted(numbers)
        self.map = ChunkMap((number, number + 1) for number in self.numbers)
        self.owners: dict[int, list[int]] = {number: [] for number in self.numbers}
        self.verified: set[int] = set()

    @rule(index=st.integers(0, 7), request=st.sampled_from(REQUESTS))
    def take(self, index: int, request: int) -> None:
        number = self.numbers[index % len(self.numbers)]
        owners = self.owners[number]
        if number in self.verified or request in owners or len(owners) == MAX_COPIES:
            with pytest.raises(ValueError, match="cannot be taken"):
                self.map.take(range(number, number + 1), request)
            return
        self.map.take(range(number, number + 1), request)
        owners.append(request)

    @rule(index=st.integers(0, 7), request=st.sampled_from(REQUESTS))
    def release(self, index: int, request: int) -> None:
        number = self.numbers[index % len(self.numbers)]
        if request not in self.owners[number]:
            with pytest.raises(ValueError, match="not in flight"):
                self.map.release([number], request)
            return
        self.owners[number].remove(request)
        assert self.map.release([number], request) == (() if self.owners[number] else (number,))

    @rule(index=st.integers(0, 7))
    def verify(self, index: int) -> None:
        number = self.numbers[index % len(self.numbers)]
        expected = None if number in self.verified else tuple(self.owners[number])
        assert self.map.verify(number) == expected
        self.verified.add(number)
        self.owners[number] = []

    @invariant()
    def every_chunk_is_in_exactly_the_state_of_the_model(self) -> None:
        if not hasattr(self, "map"):
            return
        for number in self.numbers:
            assert self.map.state(number) is self.expected_state(number)
        in_flight = {number: tuple(own) for number, own in self.owners.items() if own}
        assert dict(self.map.in_flight) == in_flight
        missing = set(self.numbers) - self.verified - set(in_flight)
        assert set(sets.numbers_in(self.map.missing)) == missing
        assert self.map.missing_count == len(missing)
        assert self.map.verified_count == len(self.verified)
        assert self.map.is_complete == (len(self.verified) == len(self.numbers))

    def expected_state(self, number: int) -> ChunkState:
        if number in self.verified:
            return ChunkState.VERIFIED
        return ChunkState.IN_FLIGHT if self.owners[number] else ChunkState.MISSING


TestChunkMapMachine = pytest.mark.scales(ChunkMapMachine.TestCase)
TestChunkMapMachine.settings = settings(max_examples=long_form(short=100, long=5000))


@given(NUMBERS)
def test_a_chunk_set_lists_what_it_was_made_of(numbers: set[int]) -> None:
    chunks = sets.chunk_set(numbers)
    assert list(sets.numbers_in(chunks)) == sorted(numbers)
    assert chunks == sum(1 << number for number in numbers)
    assert [sets.nth(chunks, index) for index in range(len(numbers))] == sorted(numbers)
    if numbers:
        assert sets.lowest(chunks) == min(numbers)


@given(NUMBERS, st.integers(0, 300), st.integers(0, 300))
def test_rows_without_a_gap_are_counted_up_to_a_bound(
    numbers: set[int], start: int, most: int
) -> None:
    numbers |= set(range(start, start + 5)) | set(range(max(0, start - 3), start))
    chunks = sets.chunk_set(numbers)
    above = next(n for n in range(most + 1) if n == most or start + n not in numbers)
    assert sets.ones_above(chunks, start, most) == above
    below = next(n for n in range(most + 1) if n == most or start - 1 - n not in numbers)
    assert sets.ones_below(chunks, start, most) == below
    assert sets.set_of_run(start, most) == sets.chunk_set(range(start, start + most))


@given(st.lists(NUMBERS, max_size=8), NUMBERS, st.integers(0, 2**32))
def test_rarity_finds_the_chunks_with_the_fewest_holders(
    holdings: list[set[int]], among: set[int], seed: int
) -> None:
    rarity = Rarity()
    for holds in holdings:
        rarity.add(sets.chunk_set(holds))
    gone = Random(seed).sample(holdings, k=len(holdings) // 2)
    for holds in gone:
        rarity.remove(sets.chunk_set(holds))
        holdings.remove(holds)
    copies = {number: sum(number in holds for holds in holdings) for number in among}
    rarest = {number for number in among if copies[number] == min(copies.values())}
    assert set(sets.numbers_in(rarity.rarest(sets.chunk_set(among)))) == rarest
