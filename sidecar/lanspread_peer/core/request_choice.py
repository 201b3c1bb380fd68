"""What one request to a source asks for: a run in order, a group of a swarm, or any chunk.

Alone with complete sources nobody else needs what we fetch, so a request is for as much as one may
carry, in the order of the manifest from one or two of them. As soon as a partial source is there,
others fetch the same: then requests are small, so that each has soon something to give, and the
complete sources that can choose themselves what to give, which is what they gave least. They do so
at the very beginning too, one request at a time, as a room that begins together must not fetch the
same chunks, nor fill the queues, before its peers know of each other. Where nobody else is in sight
there is no such beginning.
Small files are grouped in either case, or each would cost a round trip, and nobody but we choose
them.

A chunk that failed somewhere is asked for alone and of a source we name, and so is every chunk of
a source that refused one: what is to be had is then known chunk by chunk.
"""

from collections.abc import Sequence

from lanspread_peer.core.chunk_map import ChunkMap
from lanspread_peer.core.chunk_order import ChunkOrder
from lanspread_peer.core.chunk_set import NO_CHUNKS, ChunkSet, lowest
from lanspread_peer.core.source import Source
from lanspread_peer.model.limits import MAX_ANY_CHUNKS, MAX_RUN_BYTES, MIB, MIN_CHUNK_BYTES

# With one or two sources the manifest's order is best; more would meet at the same chunks.
_MAX_SOURCES_IN_ORDER = 2
# The beginning of a download; a room that begins at once is aware of itself by then.
_BEGINNING_BYTES = 16 * MIB
# A request for a smaller one would take longer than its bytes.
_LARGE_BYTES = MIN_CHUNK_BYTES // 4


class RequestChoice:
    """Looks at the sources that may be asked, and then says what to ask one of them for."""

    def __init__(self, chunk_map: ChunkMap, order: ChunkOrder) -> None:
        self._map = chunk_map
        self._order = order
        self._large = chunk_map.of_at_least(_LARGE_BYTES)
        self._in_order = True
        self._verified_bytes = 0
        self.is_swarm = False
        # Whether there are others who may be about to fetch the same.
        self.may_have_company = True

    def note_verified(self, length: int) -> None:
        """So many more bytes are here."""
        self._verified_bytes += length

    def look_at(self, admitted: Sequence[Source]) -> None:
        """These sources may be asked."""
        self.is_swarm = any(source.holds is not None for source in admitted)
        self._in_order = len(admitted) <= _MAX_SOURCES_IN_ORDER and not self.is_swarm

    def left_to(self, source: Source, askable: ChunkSet) -> ChunkSet:
        """The chunks among which the source is to choose, of those it may be asked for."""
        large = askable & self._large
        if not large or self._order.failed(askable):
            return NO_CHUNKS
        if not self.begins_at(source) and not (self.is_swarm and _may_choose(source)):
            return NO_CHUNKS
        if large.bit_length() <= MAX_ANY_CHUNKS:
            return large
        return large & ((1 << lowest(large) + MAX_ANY_CHUNKS) - 1)

    def begins_at(self, source: Source) -> bool:
        """Whether others may just begin with the same source, and are not known of yet."""
        is_young = self._verified_bytes < _BEGINNING_BYTES
        if not (is_young and self.may_have_company and _may_choose(source)) or self.is_swarm:
            return False
        return bool(self._map.missing & self._large)

    def run(self, source: Source, askable: ChunkSet) -> range:
        """The chunks to ask the source for, of those it may be asked for; maybe none."""
        chunk = self._order.choose(askable, in_order=self._in_order)
        if chunk is None:
            return range(0)
        if not source.gives_runs or self._order.has_failed(chunk):
            return range(chunk, chunk + 1)
        if self._in_order:
            return self._map.run_from(chunk, askable, MAX_RUN_BYTES)
        group_bytes = MIN_CHUNK_BYTES if self.is_swarm else MAX_RUN_BYTES
        return self._map.group_of(chunk, askable, group_bytes, MAX_RUN_BYTES)


def _may_choose(source: Source) -> bool:
    return source.chooses and not source.refused_lately
