"""How the chunks of one request are sent: in slices, each with bytes of one file or of many."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from lanspread_peer.model.limits import UPLOAD_SLICE_BYTES
from lanspread_peer.model.manifest import Chunk
from lanspread_peer.model.paths import SafeRelPath


@dataclass(frozen=True, slots=True)
class FileRange:
    """Bytes of one file."""

    path: SafeRelPath
    offset: int
    length: int


def slices_of(chunks: Iterable[Chunk]) -> Iterator[list[FileRange]]:
    """The ranges of the chunks, in their order, in slices of at most UPLOAD_SLICE_BYTES."""
    return _cut(FileRange(chunk.file.path, chunk.offset, chunk.length) for chunk in chunks)


def file_slices(path: SafeRelPath, offset: int, length: int) -> Iterator[list[FileRange]]:
    """One range of a file in such slices."""
    return _cut([FileRange(path, offset, length)])


def _cut(ranges: Iterable[FileRange]) -> Iterator[list[FileRange]]:
    part: list[FileRange] = []
    room = UPLOAD_SLICE_BYTES
    for each in ranges:
        offset, end = each.offset, each.offset + each.length
        while offset < end:
            length = min(room, end - offset)
            part.append(FileRange(each.path, offset, length))
            offset += length
            room -= length
            if not room:
                yield part
                part, room = [], UPLOAD_SLICE_BYTES
    if part:
        yield part
