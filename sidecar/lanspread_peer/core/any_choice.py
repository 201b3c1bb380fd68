"""What a complete source gives to those that leave the choice of the chunk to it.

It gives a chunk that it gave to nobody yet, else one of those it gave least, ties random: so that
each chunk leaves it about once, and those that fetch come to hold different chunks and serve each
other (`GetAnyChunk`). Whoever asks counts the same; what an asker lacks is what it says.

Memory is bounded: a few bits per chunk of a content, for MAX_REMEMBERED_SPREADS contents, the one
that was not asked for longest forgotten first. A content that is forgotten begins anew.
"""

from collections import OrderedDict

from lanspread_peer.core.chunk_set import NO_CHUNKS, ChunkSet, contains, nth
from lanspread_peer.core.randomness import Randomness
from lanspread_peer.model.ids import ContentId
from lanspread_peer.model.limits import MAX_REMEMBERED_SPREADS

# Whoever needs a chunk for the ninth time is helped by any; and every count costs a bit per chunk.
_MOST_COUNTED = 8
# A room is done by then or its downloads were broken off; who comes later is spread to anew.
_FORGET_AFTER_S = 600.0


class AnyChoice:
    """The counts of one sidecar."""

    def __init__(self, rng: Randomness) -> None:
        self._rng = rng
        self._spreads: OrderedDict[ContentId, _Spread] = OrderedDict()

    def choose(self, content_id: ContentId, wanted: ChunkSet, *, now: float) -> int | None:
        """The one of `wanted` to give, which counts as given from now on; None when it is empty.

        The caller takes out of `wanted` what the content does not have.
        """
        if not wanted:
            return None
        spread = self._spread(content_id, now)
        rarest = spread.least_given(wanted)
        chunk = nth(rarest, int(self._rng.random() * rarest.bit_count()))
        spread.add(chunk)
        return chunk

    def not_given(self, content_id: ContentId, chunk: int) -> None:
        """What was chosen was not sent to its end, so it counts as given once less."""
        spread = self._spreads.get(content_id)
        if spread is not None:
            spread.remove(chunk)

    def _spread(self, content_id: ContentId, now: float) -> "_Spread":
        spread = self._spreads.pop(content_id, None)
        if spread is None or now - spread.asked_at >= _FORGET_AFTER_S:
            spread = _Spread()
        spread.asked_at = now
        self._spreads[content_id] = spread
        if len(self._spreads) > MAX_REMEMBERED_SPREADS:
            self._spreads.popitem(last=False)
        return spread


class _Spread:
    """How often each chunk of one content was given: set k holds those given more than k times."""

    def __init__(self) -> None:
        self.asked_at = 0.0
        self._given: list[ChunkSet] = [NO_CHUNKS] * _MOST_COUNTED

    def least_given(self, wanted: ChunkSet) -> ChunkSet:
        for given in self._given:
            if wanted & ~given:
                return wanted & ~given
        return wanted

    def add(self, chunk: int) -> None:
        for times, given in enumerate(self._given):
            if not contains(given, chunk):
                self._given[times] = given | 1 << chunk
                return

    def remove(self, chunk: int) -> None:
        for times in reversed(range(_MOST_COUNTED)):
            if contains(self._given[times], chunk):
                self._given[times] ^= 1 << chunk
                return
