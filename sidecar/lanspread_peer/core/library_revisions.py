"""This peer's library as others see it: its digest, and what changed since an older digest.

An unchanged library is not sent again; one that a caller knew a few changes ago is sent as a
delta. The digest covers every field that is sent, so it changes when an answer would.
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping

import msgspec
from blake3 import blake3

from lanspread_peer.model.game import GameSummary
from lanspread_peer.model.ids import GameKey
from lanspread_peer.wire.messages import GameLine, Games, NotModified

# A peer that missed more changes than this gets the whole library, which is small.
_KEPT_REVISIONS = 16

_Library = Mapping[GameKey, GameSummary]


class LibraryRevisions:
    """The current library and the last few before it."""

    def __init__(self) -> None:
        self._revisions: OrderedDict[str, _Library] = OrderedDict()
        self._digest = ""
        self.publish(())

    @property
    def digest(self) -> str:
        """The digest of the current library, 64 hex digits."""
        return self._digest

    def publish(self, games: Iterable[GameSummary]) -> bool:
        """Make this the current library; whether it differs from the last."""
        library = {game.key: game for game in sorted(games, key=lambda game: game.key)}
        digest = blake3(
            msgspec.json.encode([line_of(game) for game in library.values()])
        ).hexdigest()
        if digest == self._digest:
            return False
        self._digest = digest
        self._revisions[digest] = library
        self._revisions.move_to_end(digest)
        while len(self._revisions) > _KEPT_REVISIONS:
            self._revisions.popitem(last=False)
        return True

    def answer(self, known_digest: str) -> Games | NotModified:
        """What to tell a caller that knows the library with this digest, or none when empty."""
        if known_digest == self._digest:
            return NotModified()
        current = self._revisions[self._digest]
        base = self._revisions.get(known_digest)
        if base is None:
            return Games(digest=self._digest, games=[line_of(game) for game in current.values()])
        return Games(
            digest=self._digest,
            base_digest=known_digest,
            games=[line_of(game) for key, game in current.items() if base.get(key) != game],
            removed=[game.id for key, game in base.items() if key not in current],
        )


def line_of(game: GameSummary) -> GameLine:
    """The message form of a summary."""
    return GameLine(
        id=game.id,
        version=game.version,
        content_id=game.content_id,
        bytes=game.bytes,
        files=game.files,
        name=game.name,
    )
