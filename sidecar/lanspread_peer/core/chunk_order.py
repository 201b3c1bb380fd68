"""Which of the chunks that a source could give is asked for next.

A chunk that failed at some source goes first: it decides whether the download can end, so that
is soon known. Then, with one or two sources, the order of the manifest, which disks on both ends
like best. With more, the rarest, random among equals, so that downloaders come to hold different
chunks and can serve each other.
"""

from lanspread_peer.core.chunk_set import NO_CHUNKS, ChunkSet, contains, lowest, nth
from lanspread_peer.core.randomness import Randomness
from lanspread_peer.core.rarity import Rarity


class ChunkOrder:
    """Knows the chunks that failed somewhere and what the partial sources hold."""

    def __init__(self, rng: Randomness) -> None:
        self._rng = rng
        self._failed: ChunkSet = NO_CHUNKS
        self._rarity = Rarity()

    def choose(self, chunks: ChunkSet, *, in_order: bool) -> int | None:
        """The one of `chunks` to ask for, or None when there is none."""
        if not chunks:
            return None
        if chunks & self._failed:
            return lowest(chunks & self._failed)
        if in_order:
            return lowest(chunks)
        rarest = self._rarity.rarest(chunks)
        return nth(rarest, int(self._rng.random() * rarest.bit_count()))

    def has_failed(self, number: int) -> bool:
        """Whether it failed at some source."""
        return contains(self._failed, number)

    def failed(self, chunks: ChunkSet) -> ChunkSet:
        """Those of `chunks` that failed at some source."""
        return chunks & self._failed

    def note_failed(self, number: int) -> None:
        """A source could not give this chunk, or gave wrong bytes."""
        self._failed |= 1 << number

    def add_holdings(self, holds: ChunkSet) -> None:
        """A partial source holds these."""
        self._rarity.add(holds)

    def remove_holdings(self, holds: ChunkSet) -> None:
        """Holdings that were added are gone."""
        self._rarity.remove(holds)
