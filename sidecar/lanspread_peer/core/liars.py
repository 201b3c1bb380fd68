"""Who lied since this sidecar started: wrong bytes of a game, or wrong bytes of a manifest.

A download drops a liar at its first lie by itself; this remembers across downloads. A peer that
lied MAX_LIES_PER_PEER times is asked nothing more until the sidecar starts again. Ids are free, so
an address where MAX_LIARS_PER_ADDRESS peers lied makes newcomers from there wait behind all
others; they wait, and are not refused, as an honest peer may share it, behind a router or on one
machine. A peer that gave right bytes never waits for its address.

Everything is bounded: the oldest is forgotten first.
"""

from collections import OrderedDict
from collections.abc import Iterable
from typing import TypeVar

from lanspread_peer.model.ids import PeerId
from lanspread_peer.model.limits import (
    MAX_KNOWN_PEERS,
    MAX_LIARS_PER_ADDRESS,
    MAX_LIES_PER_PEER,
    MAX_REMEMBERED_LIARS,
)

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


class Liars:
    """The memory of one sidecar."""

    def __init__(self) -> None:
        self._lies: OrderedDict[PeerId, int] = OrderedDict()
        self._honest: OrderedDict[PeerId, None] = OrderedDict()
        self._at: OrderedDict[str, frozenset[PeerId]] = OrderedDict()

    def lied(self, peer: PeerId, host: str) -> None:
        """The peer, which is reached at this host, gave wrong bytes."""
        _keep(self._lies, peer, self._lies.get(peer, 0) + 1, MAX_REMEMBERED_LIARS)
        there = self._at.get(host, frozenset())
        if len(there) < MAX_LIARS_PER_ADDRESS:
            there |= {peer}
        _keep(self._at, host, there, MAX_KNOWN_PEERS)

    def gave(self, peer: PeerId) -> None:
        """The peer gave right bytes."""
        _keep(self._honest, peer, None, MAX_REMEMBERED_LIARS)

    def forgive(self, peers: Iterable[PeerId]) -> None:
        """One lie less of each, as the fault may have been on this machine."""
        for peer in peers:
            lies = self._lies.pop(peer, 0)
            if lies > 1:
                self._lies[peer] = lies - 1
            for host, there in self._at.items():
                self._at[host] = there - {peer}

    def is_dropped(self, peer: PeerId) -> bool:
        """Whether it lied so often that it is asked nothing more."""
        return self._lies.get(peer, 0) >= MAX_LIES_PER_PEER

    def waits(self, peer: PeerId, host: str) -> bool:
        """Whether all others come first: it lied before, or many did at this host."""
        if self._lies.get(peer):
            return True
        is_bad_place = len(self._at.get(host, ())) >= MAX_LIARS_PER_ADDRESS
        return is_bad_place and peer not in self._honest


def _keep(memory: OrderedDict[_Key, _Value], key: _Key, value: _Value, most: int) -> None:
    memory[key] = value
    memory.move_to_end(key)
    while len(memory) > most:
        memory.popitem(last=False)
