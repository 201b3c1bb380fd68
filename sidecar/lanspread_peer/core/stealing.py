"""When a source with nothing of its own to do fetches what others were asked for.

A copy: while an owner is alone with a chunk and a request may still go out, the chunk is asked
of a second source as well, if that one would have it sooner. A takeover: where no more requests
may go out, or two sources have the chunk already, the slowest owner's request is cut for a source
that would be far sooner, so that no number of dripping sources can hold a download up. Times are
estimates from measured speeds and bytes already arrived.
"""

from dataclasses import dataclass

from lanspread_peer.core.chunk_map import MAX_COPIES, ChunkMap
from lanspread_peer.core.source import Source
from lanspread_peer.core.source_book import SourceBook
from lanspread_peer.model.ids import PeerId

# Cutting a request throws away what came of it, and estimates are rough.
_TAKEOVER_FACTOR = 3.0


@dataclass(frozen=True, slots=True)
class Theft:
    """A chunk in flight to ask `thief` for; `victim` is whose request is cut for it, or None."""

    chunk: int
    victim: PeerId | None


def choose_theft(
    thief: Source,
    chunk_map: ChunkMap,
    sources: SourceBook,
    *,
    may_add: bool,
    now: float,
) -> Theft | None:
    """The chunk that would come latest and that `thief` would have sooner, or None.

    `may_add` says whether one more request may go out; without it there are only takeovers.
    """
    waits = {peer: sources[peer].finish_in(0, now=now) for peer in _owners(chunk_map)}
    latest = 0.0
    theft: Theft | None = None
    for chunk, owners in chunk_map.in_flight.items():
        if thief.peer in owners or not thief.may_be_asked(chunk):
            continue
        wait = min(waits[owner] for owner in owners)
        is_copy = may_add and len(owners) < MAX_COPIES
        own_wait = thief.finish_in(chunk_map.length(chunk), now=now)
        # Of equals the newest: its owner answers in order, so the least of it has come.
        if wait >= latest and wait > own_wait * (1.0 if is_copy else _TAKEOVER_FACTOR):
            latest = wait
            theft = Theft(chunk, None if is_copy else max(owners, key=waits.__getitem__))
    return theft


def _owners(chunk_map: ChunkMap) -> set[PeerId]:
    return {owner for owners in chunk_map.in_flight.values() for owner in owners}
