"""Whose dial comes next, when more peers are to be dialled than may be at once.

Addresses that a person typed come first, then what was seen by ourselves, then what other peers
told. Each of the latter two leaves slots for those before it, and no single peer's hints take all
that hints may have, so that a flood of made-up peers delays nobody else.
"""

from collections import Counter
from dataclasses import dataclass
from enum import IntEnum

from lanspread_peer.model.ids import PeerId
from lanspread_peer.model.limits import (
    MAX_DIALS_AT_ONCE,
    MAX_DIALS_OF_HINTS,
    MAX_DIALS_PER_HINTING_PEER,
    MAX_DIALS_UNTYPED,
)


class DialRank(IntEnum):
    """Where the wish to dial comes from; the lower one goes first."""

    TYPED = 0
    SEEN = 1
    HINTED = 2


_SLOTS = {
    DialRank.TYPED: MAX_DIALS_AT_ONCE,
    DialRank.SEEN: MAX_DIALS_UNTYPED,
    DialRank.HINTED: MAX_DIALS_OF_HINTS,
}


@dataclass(frozen=True, slots=True, eq=False)
class Wish:
    """One dial that waits or runs; `told_by` is the peer whose hint it follows, if any.

    `failures` are those since the peer was last seen: who failed often comes after the others.
    """

    rank: DialRank
    told_by: PeerId | None = None
    failures: int = 0


class DialQueue:
    """The dials of one sidecar that wait, and the number of those that run."""

    def __init__(self) -> None:
        self._waiting: dict[DialRank, dict[Wish, None]] = {rank: {} for rank in DialRank}
        self._running: dict[Wish, None] = {}
        self._running_of: Counter[PeerId | None] = Counter()

    def add(self, wish: Wish) -> None:
        """Wait for a slot."""
        self._waiting[wish.rank][wish] = None

    def next(self) -> Wish | None:
        """Who may begin now, or None; it counts as running until it is removed."""
        for rank, waiting in self._waiting.items():
            if len(self._running) >= _SLOTS[rank]:
                # Nor is there a slot for the ranks below. Who waits is not looked at: a flood
                # that waits must cost nothing each time that one more comes.
                return None
            allowed = (wish for wish in waiting if self._is_within_share(wish))
            if wish := min(allowed, key=self._order, default=None):
                self._begin(wish)
                return wish
        return None

    def remove(self, wish: Wish) -> None:
        """A dial is over, or its wish was given up."""
        self._waiting[wish.rank].pop(wish, None)
        if wish in self._running:
            del self._running[wish]
            self._running_of[wish.told_by] -= 1
            if not self._running_of[wish.told_by]:
                del self._running_of[wish.told_by]

    def _begin(self, wish: Wish) -> None:
        del self._waiting[wish.rank][wish]
        self._running[wish] = None
        self._running_of[wish.told_by] += 1

    def _is_within_share(self, wish: Wish) -> bool:
        share = MAX_DIALS_PER_HINTING_PEER
        return wish.rank is not DialRank.HINTED or self._running_of[wish.told_by] < share

    def _order(self, wish: Wish) -> tuple[int, int]:
        # Ties go to who waits longest, as the dictionary keeps the order.
        return self._running_of[wish.told_by], wish.failures
