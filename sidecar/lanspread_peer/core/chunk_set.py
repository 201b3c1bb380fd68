"""Sets of chunk numbers as one integer each: bit n says whether chunk n is in the set.

That is the form in which peers tell their holdings (`int.from_bytes(bitmap, "little")`), takes a
bit per chunk, and makes "missing here and held there" one operation of a few microseconds, even
for hundreds of thousands of chunks. The operators of int are those of the set.
"""

from collections.abc import Iterable, Iterator

ChunkSet = int

NO_CHUNKS: ChunkSet = 0


def chunk_set(numbers: Iterable[int]) -> ChunkSet:
    """The set of these chunk numbers; raises ValueError for a negative one."""
    bits = bytearray()
    for number in numbers:
        if number < 0:
            raise ValueError(f"chunk number {number}: expected 0 or more")
        place, bit = divmod(number, 8)
        if place >= len(bits):
            bits.extend(bytes(place + 1 - len(bits)))
        bits[place] |= 1 << bit
    return int.from_bytes(bits, "little")


def contains(chunks: ChunkSet, number: int) -> bool:
    """Whether the chunk is in the set."""
    return bool(chunks >> number & 1)


def lowest(chunks: ChunkSet) -> int:
    """The lowest number in a set that is not empty."""
    return (chunks & -chunks).bit_length() - 1


def nth(chunks: ChunkSet, index: int) -> int:
    """The number at `index`, from 0 to `chunks.bit_count() - 1`, in rising order."""
    start = 0
    width = chunks.bit_length()
    # Halving keeps this near the cost of one pass; a walk bit by bit would copy the set each time.
    while width > 1:
        half = width // 2
        low = chunks & ((1 << half) - 1)
        count = low.bit_count()
        if index < count:
            chunks, width = low, half
        else:
            index -= count
            chunks >>= half
            start += half
            width -= half
    return start


def set_of_run(first: int, count: int) -> ChunkSet:
    """The set of `count` chunks from `first` on."""
    return ((1 << count) - 1) << first


def ones_above(chunks: ChunkSet, number: int, most: int) -> int:
    """How many chunks from `number` on are in the set without a gap, up to `most`."""
    mask = (1 << most) - 1
    gaps = chunks >> number & mask ^ mask
    return lowest(gaps) if gaps else most


def ones_below(chunks: ChunkSet, number: int, most: int) -> int:
    """How many chunks right below `number` are in the set without a gap, up to `most`."""
    most = min(most, number)
    mask = (1 << most) - 1
    gaps = chunks >> (number - most) & mask ^ mask
    return most - gaps.bit_length()


def numbers_in(chunks: ChunkSet) -> Iterator[int]:
    """The numbers in the set, in rising order."""
    digits = f"{chunks:b}"[::-1]
    number = digits.find("1")
    while number >= 0:
        yield number
        number = digits.find("1", number + 1)
