"""Every source that one download has known, gone and dropped ones included.

A peer that comes back finds its record: wrong bytes stay with its id. At most
MAX_KNOWN_PEERS records are kept, whatever ids peers come under.
"""

from collections.abc import Iterator

from lanspread_peer.core.chunk_set import ChunkSet
from lanspread_peer.core.source import Fault, Source
from lanspread_peer.model.ids import PeerId
from lanspread_peer.model.limits import MAX_KNOWN_PEERS


class SourceBook:
    """The records by peer id, and what they say together."""

    def __init__(self) -> None:
        self._sources: dict[PeerId, Source] = {}

    def __iter__(self) -> Iterator[Source]:
        return iter(self._sources.values())

    def __getitem__(self, peer: PeerId) -> Source:
        return self._sources[peer]

    def find(self, peer: PeerId) -> Source | None:
        """The record of a peer, if there is one."""
        return self._sources.get(peer)

    def open(self, peer: PeerId) -> Source:
        """The record of a peer, a new one where there was none."""
        source = self._sources.get(peer)
        if source is None:
            self._make_room()
            source = self._sources[peer] = Source(peer)
        return source

    def admitted(self) -> list[Source]:
        """The connected sources that may be asked, resting ones included."""
        return [source for source in self if source.is_admitted]

    def useful(self, missing: ChunkSet, *, now: float) -> list[Source]:
        """The admitted ones that have something of what is missing, or had a moment ago."""
        for source in self:
            source.note_missing(missing, now=now)
        return [source for source in self.admitted() if source.is_useful(now=now)]

    def may_give(self, chunks: ChunkSet) -> bool:
        """Whether an admitted source may be asked for any of these."""
        return any(source.is_admitted and source.askable(chunks) for source in self)

    @property
    def liars(self) -> frozenset[PeerId]:
        """The sources that gave wrong bytes."""
        return frozenset(source.peer for source in self if source.fault is Fault.LIED)

    @property
    def all_lied(self) -> bool:
        """Whether several gave wrong bytes, and no other is left or gave only right ones.

        One that is only silent is left: what it has may be right.
        """
        others = [source for source in self if source.fault is not Fault.LIED]
        is_anyone_honest = any(s.is_connected or s.verified_bytes for s in others)
        return len(self._sources) - len(others) > 1 and not is_anyone_honest

    def _make_room(self) -> None:
        if len(self._sources) < MAX_KNOWN_PEERS:
            return
        gone = [source for source in self if not source.is_connected]
        if gone:
            del self._sources[min(gone, key=_worth_remembering).peer]


def _worth_remembering(source: Source) -> tuple[bool, int]:
    return (source.fault is Fault.LIED, source.verified_bytes)
