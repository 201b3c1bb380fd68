"""Who is downloading which content now, and so can serve a part of it, by the peers' own word.

Apart from the libraries, so that no part is ever counted for the whole.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from lanspread_peer.model.game import GameSummary
from lanspread_peer.model.ids import ContentId, GameKey, PeerId

_NOTHING: Mapping[ContentId, GameKey] = {}


class PartialHolders:
    """By peer and by content."""

    def __init__(self) -> None:
        self._by_peer: dict[PeerId, Mapping[ContentId, GameKey]] = {}
        self._by_content: dict[ContentId, set[PeerId]] = defaultdict(set)

    def replace(self, peer_id: PeerId, games: Iterable[GameSummary]) -> frozenset[GameKey]:
        """This is all that the peer downloads now; the games for which that is news."""
        old = self._by_peer.pop(peer_id, _NOTHING)
        new = {game.content_id: game.key for game in games}
        for content_id in old.keys() - new.keys():
            self._by_content[content_id].discard(peer_id)
            if not self._by_content[content_id]:
                del self._by_content[content_id]
        for content_id in new:
            self._by_content[content_id].add(peer_id)
        if new:
            self._by_peer[peer_id] = new
        return frozenset(key for _, key in old.items() ^ new.items())

    def of(self, content_id: ContentId) -> frozenset[PeerId]:
        """Who downloads this content."""
        return frozenset(self._by_content.get(content_id, ()))
