"""This peer's library as others see it: its digest, and what changed since an older digest.

An unchanged library is not sent again; one that a caller knew a few changes ago is sent as a
delta. What is being downloaded comes with it, always all of it, as it is little. The digest covers
every field that is sent, so it changes when an answer would.
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping

import msgspec
from blake3 import blake3

from lanspread_peer.model.game import GameSummary
from lanspread_peer.model.ids import GameKey
from lanspread_peer.model.limits import MAX_DOWNLOADING_GAMES
from lanspread_peer.wire.messages import GameLine, Games, NotModified

# A peer that missed more changes than this gets the whole library, which is small.
_KEPT_REVISIONS = 16

_Library = Mapping[GameKey, GameSummary]


class LibraryRevisions:
    """The current library and the last few before it."""

    def __init__(self) -> None:
        self._revisions: OrderedDict[str, _Library] = OrderedDict()
        self._digest = ""
        self._library: _Library = {}
        self._downloading: list[GameLine] = []
        self.publish(())

    @property
    def digest(self) -> str:
        """The digest of the current library, 64 hex digits."""
        return self._digest

    def publish(self, games: Iterable[GameSummary]) -> bool:
        """Make this the current library; whether it differs from the last."""
        self._library = {game.key: game for game in sorted(games, key=lambda game: game.key)}
        return self._renew()

    def publish_downloading(self, games: Iterable[GameSummary]) -> bool:
        """These are being downloaded and can be served in part; whether that is news."""
        lines = [line_of(game) for game in sorted(games, key=lambda game: game.key)]
        self._downloading = lines[:MAX_DOWNLOADING_GAMES]
        return self._renew()

    def _renew(self) -> bool:
        lines = [line_of(game) for game in self._library.values()]
        digest = blake3(msgspec.json.encode((lines, self._downloading))).hexdigest()
        if digest == self._digest:
            return False
        self._digest = digest
        self._revisions[digest] = self._library
        self._revisions.move_to_end(digest)
        while len(self._revisions) > _KEPT_REVISIONS:
            self._revisions.popitem(last=False)
        return True

    def answer(self, known_digest: str) -> Games | NotModified:
        """What to tell a caller that knows the library with this digest, or none when empty."""
        if known_digest == self._digest:
            return NotModified()
        current = self._library
        base = self._revisions.get(known_digest)
        if base is None:
            return Games(
                digest=self._digest,
                games=[line_of(game) for game in current.values()],
                downloading=self._downloading,
            )
        return Games(
            digest=self._digest,
            base_digest=known_digest,
            games=[line_of(game) for key, game in current.items() if base.get(key) != game],
            removed=[game.id for key, game in base.items() if key not in current],
            downloading=self._downloading,
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
