"""The state of every selected chunk of one download, and nobody else changes it.

A chunk is missing, in flight or verified: exactly one of them. In flight means that one source
has been asked for it, or two when the second is a copy in the endgame; never more. Verified is
final. A selected chunk that is neither missing nor in flight is verified, so two states cannot
overlap. Which chunk to ask for, and of whom, is the planner's choice.

Two numbers and a bit per chunk; an entry in a dictionary only while it is in flight.
"""

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from enum import Enum
from itertools import pairwise
from types import MappingProxyType

from lanspread_peer.core.chunk_set import ChunkSet, chunk_set, contains
from lanspread_peer.model.ids import PeerId

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
        self._lengths = array("Q")
        for number, length in chunks:
            self._numbers.append(number)
            self._lengths.append(length)
        if any(left >= right for left, right in pairwise(self._numbers)):
            raise ValueError("expected chunk numbers in strictly rising order")
        self._missing = chunk_set(self._numbers)
        self._missing_count = len(self._numbers)
        self._owners: dict[int, tuple[PeerId, ...]] = {}

    @property
    def missing(self) -> ChunkSet:
        """The chunks that nobody has been asked for, or whose requests came to nothing."""
        return self._missing

    @property
    def missing_count(self) -> int:
        return self._missing_count

    @property
    def in_flight(self) -> Mapping[int, tuple[PeerId, ...]]:
        """The owners of each chunk in flight, the first asked first."""
        return MappingProxyType(self._owners)

    @property
    def verified_count(self) -> int:
        return len(self._numbers) - self._missing_count - len(self._owners)

    @property
    def is_complete(self) -> bool:
        """Whether every selected chunk is verified."""
        return not self._missing_count and not self._owners

    def length(self, number: int) -> int:
        """The bytes in a chunk."""
        index = bisect_left(self._numbers, number)
        if index == len(self._numbers) or self._numbers[index] != number:
            raise KeyError(number)
        return self._lengths[index]

    def state(self, number: int) -> ChunkState:
        """Where a chunk stands."""
        self.length(number)
        if number in self._owners:
            return ChunkState.IN_FLIGHT
        return ChunkState.MISSING if contains(self._missing, number) else ChunkState.VERIFIED

    def take(self, number: int, peer: PeerId) -> None:
        """Missing to in flight, or, when it is in flight, one more owner."""
        state = self.state(number)
        owners = self._owners.get(number, ())
        if state is ChunkState.VERIFIED or peer in owners or len(owners) == MAX_COPIES:
            raise ValueError(f"chunk {number} cannot be taken: {state.value}, owners {owners}")
        if state is ChunkState.MISSING:
            self._remove_from_missing(number)
        self._owners[number] = (*owners, peer)

    def release(self, number: int, peer: PeerId) -> bool:
        """One owner less; the last one makes the chunk missing again, and the answer True."""
        owners = self._owners.get(number, ())
        if peer not in owners:
            raise ValueError(f"chunk {number} is not in flight at {peer}")
        left = tuple(owner for owner in owners if owner != peer)
        if left:
            self._owners[number] = left
            return False
        del self._owners[number]
        self._missing |= 1 << number
        self._missing_count += 1
        return True

    def verify(self, number: int) -> tuple[PeerId, ...] | None:
        """Missing or in flight to verified: who owned it until now. None when it was before."""
        state = self.state(number)
        if state is ChunkState.VERIFIED:
            return None
        if state is ChunkState.MISSING:
            self._remove_from_missing(number)
        return self._owners.pop(number, ())

    def _remove_from_missing(self, number: int) -> None:
        self._missing ^= 1 << number
        self._missing_count -= 1
