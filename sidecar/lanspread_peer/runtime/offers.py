"""What this sidecar can serve of a content: an offered game, or what is here of a download."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from lanspread_peer.core.run_slices import FileRange
from lanspread_peer.model.errors import NotFoundByPeer
from lanspread_peer.model.ids import ContentId
from lanspread_peer.model.manifest import Manifest
from lanspread_peer.runtime.library import Library
from lanspread_peer.runtime.partial_offers import PartialOffers
from lanspread_peer.storage.hasher import IndexedGame
from lanspread_peer.storage.served_file import served_slices


class Offer(Protocol):
    """A content that can be served, or a part of it."""

    @property
    def manifest(self) -> Manifest: ...

    def slices(self, slices: Iterable[Iterable[FileRange]]) -> Iterator[bytes]:
        """The bytes of each slice in turn, as they were when hashed, if it comes to its end.

        For any one thread. Raises NotFoundByPeer for what is not here, Stale, Busy or StorageError.
        """
        ...


@dataclass(frozen=True, slots=True)
class GameOffer:
    """A game in the library."""

    game: IndexedGame

    @property
    def manifest(self) -> Manifest:
        return self.game.manifest

    @property
    def is_whole(self) -> bool:
        """Whether every file of the manifest is here."""
        return self.game.local.is_whole

    def slices(self, slices: Iterable[Iterable[FileRange]]) -> Iterator[bytes]:
        return served_slices(self.game.found.game_dir, self.game, slices)


class Offers:
    """All that can be served."""

    def __init__(self, library: Library, partial: PartialOffers) -> None:
        self._library = library
        self._partial = partial

    def find(self, content_id: str) -> Offer:
        """What is here of this content; raises NotFoundByPeer when that is nothing."""
        game = self._game(content_id)
        if game is not None and game.is_whole:
            return game
        offer = self._partial.find(content_id) or game
        if offer is None:
            raise NotFoundByPeer("this content is not offered")
        return offer

    def game(self, content_id: str) -> GameOffer:
        """The game in the library with this content; raises NotFoundByPeer when there is none."""
        game = self._game(content_id)
        if game is None:
            raise NotFoundByPeer("this content is not offered as a game")
        return game

    def whole(self, content_id: str) -> GameOffer:
        """All of this content; raises NotFoundByPeer when something is missing."""
        game = self.game(content_id)
        if not game.is_whole:
            raise NotFoundByPeer("this content is not offered as a whole")
        return game

    def look_again(self) -> None:
        """A file was not the one that was hashed."""
        self._library.request_rescan()

    def _game(self, content_id: str) -> GameOffer | None:
        game = self._library.by_content(ContentId(content_id))
        return None if game is None else GameOffer(game)
