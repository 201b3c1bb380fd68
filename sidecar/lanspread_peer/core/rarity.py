"""How many of the partial sources hold each chunk.

Level k is the set of the chunks that more than k partial sources hold, so every level lies within
the one before it. Complete sources hold everything and change no order, so they do not count.
"""

from lanspread_peer.core.chunk_set import NO_CHUNKS, ChunkSet


class Rarity:
    """Counts holders per chunk; costs one set per level, at most one level per source."""

    def __init__(self) -> None:
        self._levels: list[ChunkSet] = []

    def add(self, holds: ChunkSet) -> None:
        """A partial source came, or one gained these chunks."""
        for index, level in enumerate(self._levels):
            if not holds:
                return
            self._levels[index] = level | holds
            holds &= level
        if holds:
            self._levels.append(holds)

    def remove(self, holds: ChunkSet) -> None:
        """A partial source with these chunks, all of them added before, is gone."""
        for index in reversed(range(len(self._levels))):
            level = self._levels[index]
            self._levels[index] = level & ~holds
            holds &= ~level
        while self._levels and self._levels[-1] == NO_CHUNKS:
            self._levels.pop()

    def rarest(self, chunks: ChunkSet) -> ChunkSet:
        """Those of `chunks` that the fewest partial sources hold."""
        for level in self._levels:
            if chunks & ~level:
                return chunks & ~level
        return chunks
