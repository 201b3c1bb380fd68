"""What the neighbours of one download are told of its chunks: all at first, then what was added.

A neighbour is whoever asked `GetAvailability`. It gets the set of chunks held when it joins, and
then ranges added, in batches: at most one every `batch_interval_s`, so that news is fresh among
few and does not flood a room of many. The first news after a pause goes out at once.

The order in which chunks came is kept once, and how far each neighbour is told as one number, so a
neighbour that takes nothing costs nothing, and hears all of it in one batch when it does.
"""

from array import array
from collections.abc import Hashable, Iterable
from dataclasses import dataclass

from lanspread_peer.core.chunk_set import NO_CHUNKS, ChunkSet, contains, set_of_run

# The first chunk of a range, and how many there are.
ChunkRange = tuple[int, int]

_PER_NEIGHBOUR_S = 0.0125
_SHORTEST_S = 0.02
_LONGEST_S = 0.1


def batch_interval_s(neighbours: int) -> float:
    """The time between two batches to one neighbour, in seconds.

    Longer for few than in the notes on swarms, section 5: a batch costs both ends half a
    millisecond, and in a room of eight on two processors that was a fifth of the time.
    """
    return min(max(_PER_NEIGHBOUR_S * neighbours, _SHORTEST_S), _LONGEST_S)


def ranges_of(numbers: Iterable[int]) -> tuple[ChunkRange, ...]:
    """The fewest ranges that hold exactly these chunk numbers, rising."""
    ranges: list[ChunkRange] = []
    for number in sorted(set(numbers)):
        if ranges and sum(ranges[-1]) == number:
            first, count = ranges[-1]
            ranges[-1] = (first, count + 1)
        else:
            ranges.append((number, 1))
    return tuple(ranges)


def set_of_ranges(ranges: Iterable[ChunkRange]) -> ChunkSet:
    """The chunks of ranges, which the caller has checked: counts are not negative and bounded."""
    chunks = NO_CHUNKS
    for first, count in ranges:
        chunks |= set_of_run(first, count)
    return chunks


@dataclass(slots=True)
class _Told:
    """How much of the order one neighbour has heard, and when it was told last."""

    count: int
    at: float


class ChunkNews:
    """The chunks that one sidecar holds of a content that it is still fetching."""

    def __init__(self, held: ChunkSet) -> None:
        self._held = held
        self._came = array("Q")
        self._told: dict[Hashable, _Told] = {}

    @property
    def held(self) -> ChunkSet:
        return self._held

    def add(self, chunk: int) -> None:
        """A chunk was verified; one that is held already changes nothing."""
        if not contains(self._held, chunk):
            self._held |= 1 << chunk
            self._came.append(chunk)

    def join(self, neighbour: Hashable, *, now: float) -> ChunkSet:
        """A neighbour wants to be told; what it is to be told now. Joining again starts anew."""
        self._told[neighbour] = _Told(len(self._came), now)
        return self._held

    def leave(self, neighbour: Hashable) -> None:
        """It wants to hear no more, or is gone."""
        self._told.pop(neighbour, None)

    def due_at(self, neighbour: Hashable) -> float | None:
        """When its next batch may go out, a past time for at once; None while there is no news."""
        told = self._told.get(neighbour)
        if told is None or told.count == len(self._came):
            return None
        return told.at + batch_interval_s(len(self._told))

    def take(self, neighbour: Hashable, *, now: float) -> tuple[ChunkRange, ...]:
        """All that it was not told yet, and is now; empty when there is nothing, or it left."""
        told = self._told.get(neighbour)
        if told is None:
            return ()
        news = ranges_of(self._came[told.count :])
        self._told[neighbour] = _Told(len(self._came), now)
        return news
