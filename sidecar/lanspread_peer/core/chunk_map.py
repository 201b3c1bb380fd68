"""The state of every selected chunk of one download, and nobody else changes it.

A chunk is missing, in flight or verified: exactly one of them. In flight means that one request
is out for it, or two when the second is a copy in the endgame; never more. Verified is final. A
selected chunk that is neither missing nor in flight is verified, so two states cannot overlap.
Which chunk to ask for, and of whom, is the planner's choice.

Two numbers and a bit per chunk; an entry in a dictionary only while it is in flight. What is done
to a run of chunks costs one operation on the set, however many they are.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Mapping
from enum import Enum
from itertools import pairwise
from types import MappingProxyType

from lanspread_peer.core.chunk_set import (
    ChunkSet,
    chunk_set,
    contains,
    ones_above,
    ones_below,
    set_of_run,
)
from lanspread_peer.model.limits import MAX_CHUNKS_PER_REQUEST

MAX_COPIES = 2


class ChunkState(Enum):
    """Where one chunk stands."""

    MISSING = "missing"
    IN_FLIGHT = "in flight"
    VERIFIED = "verified"


class ChunkMap:
    """Takes (number, length in bytes) of the selected chunks, numbers strictly rising.

    Raises ValueError for any other order. A chunk that is not selected raises KeyError, and a
    change that the states do not allow ValueError: both are faults of the caller.
    """

    def __init__(self, chunks: Iterable[tuple[int, int]]) -> None:
        self._numbers = array("Q")
        # Where each chunk starts when all selected ones lie end to end, and where the last ends.
        self._starts = array("Q", [0])
        for number, length in chunks:
            self._numbers.append(number)
            self._starts.append(self._starts[-1] + length)
        if any(left >= right for left, right in pairwise(self._numbers)):
            raise ValueError("expected chunk numbers in strictly rising order")
        self._missing = chunk_set(self._numbers)
        self._missing_count = len(self._numbers)
        self._owners: dict[int, tuple[int, ...]] = {}

    def of_at_least(self, length: int) -> ChunkSet:
        """The selected chunks that have so many bytes or more, whatever their state."""
        lengths = (end - start for start, end in pairwise(self._starts))
        return chunk_set(
            n for n, each in zip(self._numbers, lengths, strict=True) if each >= length
        )

    @property
    def missing(self) -> ChunkSet:
        """The chunks that nobody has been asked for, or whose requests came to nothing."""
        return self._missing

    @property
    def missing_count(self) -> int:
        return self._missing_count

    @property
    def in_flight(self) -> Mapping[int, tuple[int, ...]]:
        """The ids of the requests for each chunk in flight, the first sent first."""
        return MappingProxyType(self._owners)

    @property
    def verified_count(self) -> int:
        return len(self._numbers) - self._missing_count - len(self._owners)

    @property
    def is_complete(self) -> bool:
        """Whether every selected chunk is verified."""
        return not self._missing_count and not self._owners

    def owners(self, number: int) -> tuple[int, ...]:
        """The ids of the requests that are out for a chunk."""
        return self._owners.get(number, ())

    def length(self, number: int) -> int:
        """The bytes in a chunk."""
        index = self._index(number)
        return self._starts[index + 1] - self._starts[index]

    def bytes_in(self, run: range) -> int:
        """The bytes in a run of selected chunks that is not empty."""
        return self._starts[self._index(run[-1]) + 1] - self._starts[self._index(run[0])]

    def run_from(self, first: int, chunks: ChunkSet, most_bytes: int) -> range:
        """The longest run in `chunks` from `first` on: of at most so many bytes, or one chunk."""
        index = self._index(first)
        ones = ones_above(chunks, first, MAX_CHUNKS_PER_REQUEST)
        end = bisect_right(
            self._starts, self._starts[index] + most_bytes, index + 1, index + ones + 1
        )
        return range(first, first + max(1, end - 1 - index))

    def group_of(self, number: int, chunks: ChunkSet, group_bytes: int, most_bytes: int) -> range:
        """The run in `chunks` around `number` of chunks that start in the same `group_bytes`.

        Groups are the same for all that select the same chunks. What is beyond `most_bytes` of one
        is left out, or what is before it where that holds `number`.
        """
        index = self._index(number)
        group_start = self._starts[index] // group_bytes * group_bytes
        first_index = bisect_left(self._starts, group_start, 0, index + 1)
        end_index = bisect_left(self._starts, group_start + group_bytes, index + 1)
        before = min(index - first_index, MAX_CHUNKS_PER_REQUEST)
        first = number - ones_below(chunks, number, before)
        most_after = min(end_index - index, MAX_CHUNKS_PER_REQUEST)
        end = number + ones_above(chunks, number, most_after)
        run = self.run_from(first, chunks, most_bytes)
        if number not in run:
            run = self.run_from(number, chunks, most_bytes)
        return run[: end - run.start]

    def state(self, number: int) -> ChunkState:
        """Where a chunk stands."""
        self._index(number)
        if number in self._owners:
            return ChunkState.IN_FLIGHT
        return ChunkState.MISSING if contains(self._missing, number) else ChunkState.VERIFIED

    def take(self, run: range, request: int) -> None:
        """Missing to in flight, or, for those in flight, one more request."""
        first = run.start
        may_take = self._missing >> first & set_of_run(0, len(run))
        for number in run:
            owners = self._owners.get(number, ())
            is_missing = may_take >> (number - first) & 1
            if not (owners or is_missing) or request in owners or len(owners) == MAX_COPIES:
                state = self.state(number).value
                raise ValueError(f"chunk {number} cannot be taken: {state}, owners {owners}")
        for number in run:
            self._owners[number] = (*self._owners.get(number, ()), request)
        self._missing ^= may_take << first
        self._missing_count -= may_take.bit_count()

    def release(self, numbers: Collection[int], request: int) -> tuple[int, ...]:
        """One request less for each; those that nobody else was asked for are missing again."""
        released: list[int] = []
        for number in numbers:
            owners = self._owners.get(number, ())
            if request not in owners:
                raise ValueError(f"chunk {number} is not in flight with request {request}")
            left = tuple(owner for owner in owners if owner != request)
            if left:
                self._owners[number] = left
            else:
                del self._owners[number]
                released.append(number)
        if released:
            first = min(released)
            self._missing |= chunk_set(number - first for number in released) << first
            self._missing_count += len(released)
        return tuple(released)

    def verify(self, number: int) -> tuple[int, ...] | None:
        """Missing or in flight to verified: the requests for it. None when it was before."""
        owners = self._owners.pop(number, None)
        if owners is not None:
            return owners
        if self.state(number) is ChunkState.VERIFIED:
            return None
        self._missing ^= 1 << number
        self._missing_count -= 1
        return ()

    def _index(self, number: int) -> int:
        index = bisect_left(self._numbers, number)
        if index == len(self._numbers) or self._numbers[index] != number:
            raise KeyError(number)
        return index
