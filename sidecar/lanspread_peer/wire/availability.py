"""The answer to GetAvailability: lines of ASCII, each ended by a line feed.

The first is a bitmap of the chunks that the peer holds. Each further one has ranges of chunks that
it holds since: `5-9,12`, rising, and at least one of them was not told before, so that the answer
is finite whoever gives it. An empty line is a sign of life.

The reader takes many lines at once for the price of one, and so sees only whether as many chunks
are new as there are lines.
"""

import re
from collections.abc import Iterable, Iterator

from lanspread_peer.model.errors import MalformedMessage
from lanspread_peer.model.limits import MAX_AVAILABILITY_LINE_BYTES, MAX_MANIFEST_CHUNKS
from lanspread_peer.wire.chunk_bitmap import bitmap_characters, decode_bitmap, encode_bitmap

SIGN_OF_LIFE = b"\n"

_DIGITS = len(str(MAX_MANIFEST_CHUNKS))
_RANGE = rb"[0-9]{1,%d}(?:-[0-9]{1,%d})?" % (_DIGITS, _DIGITS)
_RANGES = re.compile(rb"%b(?:,%b)*+" % (_RANGE, _RANGE))


def encode_held(held: int, count: int) -> bytes:
    """The first line, for these of so many chunks."""
    return encode_bitmap(held, count).encode("ascii") + b"\n"


def encode_added(ranges: Iterable[tuple[int, int]]) -> Iterator[bytes]:
    """Lines for these ranges, each the first chunk and how many there are, rising."""
    line = ""
    for first, count in ranges:
        text = f"{first}-{first + count - 1}" if count > 1 else f"{first}"
        if line and len(line) + len(text) + 2 > MAX_AVAILABILITY_LINE_BYTES:
            yield f"{line}\n".encode("ascii")
            line = ""
        line = f"{line},{text}" if line else text
    if line:
        yield f"{line}\n".encode("ascii")


class AvailabilityReader:
    """Takes an answer in pieces of any length; holds one line and one piece at most."""

    def __init__(self, count: int) -> None:
        """The content has so many chunks."""
        self._count = count
        self._rest = b""
        self._held: int | None = None

    @property
    def held(self) -> int | None:
        """All chunks told so far; None before the first line."""
        return self._held

    def add(self, piece: bytes) -> int:
        """What the lines that are whole now tell of chunks that were not told before.

        Raises MalformedMessage; after that, nothing more can be taken.
        """
        *lines, self._rest = (self._rest + piece).split(b"\n")
        first = 0
        if lines and self._held is None:
            first = self._held = self._bitmap(lines.pop(0))
        most = bitmap_characters(self._count) if self._held is None else MAX_AVAILABILITY_LINE_BYTES
        if max(map(len, lines), default=0) > most or len(self._rest) > most:
            raise MalformedMessage("a line is too long")
        return first | self._added([line for line in lines if line])

    def _bitmap(self, line: bytes) -> int:
        if len(line) > bitmap_characters(self._count):
            raise MalformedMessage("a line is too long")
        return decode_bitmap(line, self._count)

    def _added(self, lines: list[bytes]) -> int:
        if not lines or self._held is None:
            return 0
        ranges: list[tuple[int, int]] = []
        for line in lines:
            ranges += _decode_ranges(line, self._count)
        new = _union(ranges, self._count) & ~self._held
        if new.bit_count() < len(lines):
            raise MalformedMessage("expected a chunk in each line that was not told before")
        self._held |= new
        return new


def _decode_ranges(line: bytes, count: int) -> Iterator[tuple[int, int]]:
    """The first and the last chunk of each."""
    if not _RANGES.fullmatch(line):
        raise MalformedMessage("expected ranges of chunks")
    least = 0
    for text in line.split(b","):
        low, _, high = text.partition(b"-")
        first, last = int(low), int(high or low)
        if not least <= first <= last < count:
            raise MalformedMessage(f"expected ranges that rise and end before chunk {count}")
        yield first, last
        least = last + 1


def _union(ranges: list[tuple[int, int]], count: int) -> int:
    # Nothing twice, so that all of them cost no more than the bitmap has bytes.
    bitmap = bytearray((count + 7) // 8)
    filled = 0
    for first, last in sorted(ranges):
        _fill(bitmap, max(first, filled), last + 1)
        filled = max(filled, last + 1)
    return int.from_bytes(bitmap, "little")


def _fill(bitmap: bytearray, first: int, end: int) -> None:
    whole, whole_end = -(-first // 8), end // 8
    if whole < whole_end:
        bitmap[whole:whole_end] = b"\xff" * (whole_end - whole)
    edges = (
        range(first, end)
        if whole >= whole_end
        else (*range(first, whole * 8), *range(whole_end * 8, end))
    )
    for number in edges:
        bitmap[number >> 3] |= 1 << (number & 7)
