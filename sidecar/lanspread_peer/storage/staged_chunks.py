"""Which chunks of a staging are verified, and which of those are recorded.

Verified: the right bytes were written. Recorded: the record on disk names it too. A chunk is
recorded only while it is verified. No lock of its own: staging has one.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from lanspread_peer.core.chunk_set import NO_CHUNKS, ChunkSet, chunk_set, contains
from lanspread_peer.model.manifest import Chunk
from lanspread_peer.model.paths import SafeRelPath


class StagedChunks:
    """The chunks of one manifest; at first, none is verified."""

    def __init__(self) -> None:
        self._verified = NO_CHUNKS
        self._verified_bytes = 0
        self._unrecorded: dict[int, Chunk] = {}
        self._unrecorded_bytes = 0
        self._counts: Counter[SafeRelPath] = Counter()

    @property
    def verified(self) -> ChunkSet:
        return self._verified

    @property
    def verified_bytes(self) -> int:
        return self._verified_bytes

    @property
    def unrecorded(self) -> Mapping[int, Chunk]:
        """The verified chunks that are not recorded, by number."""
        return MappingProxyType(self._unrecorded)

    @property
    def unrecorded_bytes(self) -> int:
        return self._unrecorded_bytes

    def count(self, path: SafeRelPath) -> int:
        """How many chunks of a file are verified."""
        return self._counts[path]

    def add(self, chunk: Chunk) -> None:
        """The chunk is verified now, and not recorded; once it was verified, nothing changes."""
        if not contains(self._verified, chunk.number):
            self._verified |= 1 << chunk.number
            self._verified_bytes += chunk.length
            self._counts[chunk.file.path] += 1
            self._unrecorded[chunk.number] = chunk
            self._unrecorded_bytes += chunk.length

    def add_recorded(self, chunks: Iterable[Chunk]) -> None:
        """These different chunks are verified and recorded."""
        new = [chunk for chunk in chunks if not contains(self._verified, chunk.number)]
        self._verified |= chunk_set(chunk.number for chunk in new)
        self._verified_bytes += sum(chunk.length for chunk in new)
        self._counts.update(chunk.file.path for chunk in new)

    def record(self, chunks: Iterable[Chunk]) -> None:
        """These verified chunks are recorded now."""
        for chunk in chunks:
            if self._unrecorded.pop(chunk.number, None) is not None:
                self._unrecorded_bytes -= chunk.length

    def lose_unrecorded(self, path: SafeRelPath) -> None:
        """What of a file is not recorded is missing again."""
        lost = [chunk for chunk in self._unrecorded.values() if chunk.file.path == path]
        self.record(lost)
        for chunk in lost:
            self._verified &= ~(1 << chunk.number)
            self._verified_bytes -= chunk.length
            self._counts[path] -= 1
