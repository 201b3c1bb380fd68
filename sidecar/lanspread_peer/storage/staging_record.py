"""The record of a staging: which chunks the disk is known to hold.

A text file that only grows, one line per group sync: the chunk numbers as ranges, such as `0-5,9`,
a space and a checksum. A checksum covers the content id and the line's place, so that no line of
another staging, or of another place, counts. What follows the first line that is not right was
torn by a crash and counts for nothing. A chunk stands in the record only once its bytes are synced:
that order is the caller's duty.
"""

import re
from collections.abc import Iterator
from contextlib import suppress

from blake3 import blake3

from lanspread_peer.core.chunk_set import ChunkSet, numbers_in
from lanspread_peer.model.errors import StorageError
from lanspread_peer.model.ids import ContentId
from lanspread_peer.model.limits import MAX_STAGING_RECORD_BYTES
from lanspread_peer.storage import beneath
from lanspread_peer.storage.disk_errors import disk_errors
from lanspread_peer.storage.game_dir import GameDir
from lanspread_peer.storage.positional_file import PositionalFile

# Ten digits are more than any manifest has chunks, and bound what int() has to do.
_RANGES = re.compile(rb"\d{1,10}(?:-\d{1,10})?(?:,\d{1,10}(?:-\d{1,10})?)*+")
_CHECKSUM_CHARACTERS = 32


class StagingRecord:
    """The open record. One thread at a time may call."""

    def __init__(
        self, game_dir: GameDir, path: str, content_id: ContentId, chunk_count: int
    ) -> None:
        """Reads the record at `path`; a missing or unreadable one is empty."""
        self._root = game_dir.root
        self._path = path
        self._content_id = content_id
        self._file: PositionalFile | None = None
        data = _read(game_dir, path)
        self._chunks, self._length = decode_record(data or b"", content_id, chunk_count)
        # What a crash has torn off is cut that way too.
        self._must_rewrite = data is None or self._length != len(data)

    @property
    def chunks(self) -> ChunkSet:
        """The chunks that it names."""
        return self._chunks

    def add(self, chunks: ChunkSet) -> None:
        """Add chunks and wait until the disk has them; their bytes must be synced already.

        Raises StorageError, and then it names what it named before.
        """
        line = _encode_line(chunks, self._content_id, self._length)
        if self._must_rewrite or self._length + len(line) > MAX_STAGING_RECORD_BYTES:
            self.replace(self._chunks | chunks)
            return
        # After a failed sync nobody knows what the disk has, so only a new file will do.
        self._must_rewrite = True
        with disk_errors("write the record of a staging"):
            file = self._open()
            file.write(line, self._length)
            file.sync()
        self._must_rewrite = False
        self._length += len(line)
        self._chunks |= chunks

    def replace(self, chunks: ChunkSet) -> None:
        """Name exactly these chunks; a crash leaves the old record or the new. See `add`."""
        self.close()
        data = _encode_line(chunks, self._content_id, 0) if chunks else b""
        self._must_rewrite = True
        beneath.write_file(self._root, self._path, data)
        self._must_rewrite = False
        self._chunks, self._length = chunks, len(data)

    def close(self) -> None:
        """Close the file; a later call opens it again."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _open(self) -> PositionalFile:
        if self._file is None:
            self._file = PositionalFile(beneath.open_file(self._root, self._path, write=True))
        return self._file


def read_recorded(
    game_dir: GameDir, path: str, content_id: ContentId, chunk_count: int
) -> ChunkSet:
    """The chunks that the record at `path` names; none when it is missing or unreadable."""
    return decode_record(_read(game_dir, path) or b"", content_id, chunk_count)[0]


def decode_record(data: bytes, content_id: ContentId, chunk_count: int) -> tuple[ChunkSet, int]:
    """The chunks named up to the first wrong line, and the length of all that is right."""
    bits = bytearray(-(-chunk_count // 8))
    # Each chunk is named once, which also bounds the work that a forged record can make.
    left = chunk_count
    good = 0
    for line in _lines(data):
        ranges = _decode_line(line, content_id, good, chunk_count)
        named = sum(end - first for first, end in ranges)
        if not ranges or named > left:
            break
        for first, end in ranges:
            for number in range(first, end):
                bits[number // 8] |= 1 << number % 8
        left -= named
        good += len(line)
    return int.from_bytes(bits, "little"), good


def _read(game_dir: GameDir, path: str) -> bytes | None:
    with suppress(StorageError):
        return beneath.read_file(game_dir.root, path, MAX_STAGING_RECORD_BYTES)
    return None


def _lines(data: bytes) -> Iterator[bytes]:
    start = 0
    while (end := data.find(b"\n", start)) >= 0:
        yield data[start : end + 1]
        start = end + 1


def _encode_line(chunks: ChunkSet, content_id: ContentId, place: int) -> bytes:
    ranges = b",".join(
        b"%d" % first if end == first + 1 else b"%d-%d" % (first, end - 1)
        for first, end in _ranges_of(chunks)
    )
    return b"%s %s\n" % (ranges, _checksum(ranges, content_id, place))


def _decode_line(
    line: bytes, content_id: ContentId, place: int, chunk_count: int
) -> list[tuple[int, int]]:
    """The ranges, their ends outside, or none at all when the line is wrong."""
    text, _, checksum = line[:-1].rpartition(b" ")
    if checksum != _checksum(text, content_id, place) or not _RANGES.fullmatch(text):
        return []
    ranges = []
    for part in text.split(b","):
        first, _, last = part.partition(b"-")
        ranges.append((int(first), int(last or first) + 1))
    borders = [0, *(number for pair in ranges for number in pair), chunk_count]
    return ranges if borders == sorted(borders) else []


def _ranges_of(chunks: ChunkSet) -> Iterator[tuple[int, int]]:
    first = end = -1
    for number in numbers_in(chunks):
        if number != end:
            if end > first:
                yield first, end
            first = number
        end = number + 1
    if end > first:
        yield first, end


def _checksum(ranges: bytes, content_id: ContentId, place: int) -> bytes:
    hasher = blake3(b"lanspread staging record 1\0%s%d " % (content_id.encode("ascii"), place))
    hasher.update(ranges)
    return hasher.hexdigest()[:_CHECKSUM_CHARACTERS].encode("ascii")
