"""The answer to GetAvailability: lines of ASCII, each ended by a line feed.

The first is a bitmap of the chunks that the peer holds. Each further one has ranges of chunks that
it holds since: `5-9,12`, rising, and at least one of them was not told before, so that the answer
is finite whoever gives it. An empty line is a sign of life.
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
        self._rest = bytearray()
        self._held: int | None = None

    @property
    def held(self) -> int | None:
        """All chunks told so far; None before the first line."""
        return self._held

    def add(self, piece: bytes) -> Iterator[int]:
        """What each line that is whole now tells of chunks that were not told before.

        Take all of it before the next piece. Raises MalformedMessage; after that, nothing more
        can be taken.
        """
        self._rest += piece
        while (end := self._rest.find(b"\n")) >= 0:
            self._require_short(end)
            line = bytes(self._rest[:end])
            del self._rest[: end + 1]
            if line or self._held is None:
                yield self._take(line)
        self._require_short(len(self._rest))

    def _require_short(self, length: int) -> None:
        most = MAX_AVAILABILITY_LINE_BYTES
        if length > (bitmap_characters(self._count) if self._held is None else most):
            raise MalformedMessage("a line is too long")

    def _take(self, line: bytes) -> int:
        if self._held is None:
            self._held = decode_bitmap(line, self._count)
            return self._held
        new = _decode_ranges(line, self._count) & ~self._held
        if not new:
            raise MalformedMessage("expected a chunk that was not told before")
        self._held |= new
        return new


def _decode_ranges(line: bytes, count: int) -> int:
    if not _RANGES.fullmatch(line):
        raise MalformedMessage("expected ranges of chunks")
    bitmap = bytearray((count + 7) // 8)
    least = 0
    for text in line.split(b","):
        low, _, high = text.partition(b"-")
        first, last = int(low), int(high or low)
        if not least <= first <= last < count:
            raise MalformedMessage(f"expected ranges that rise and end before chunk {count}")
        _fill(bitmap, first, last + 1)
        least = last + 1
    return int.from_bytes(bitmap, "little")


def _fill(bitmap: bytearray, first: int, end: int) -> None:
    # Whole bytes at once, so that a line costs no more than the bitmap has bytes.
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
