"""The titles a front end is shown, and telling it when one changed.

Changes come in bursts, when a peer joins or a scan ends, so they are gathered for a moment and
told together, so many at a time that the loop is not held, whatever libraries peers make up: the
oldest first. Nothing is told twice, and nothing that looks the same.
"""

import asyncio
from collections.abc import Callable, Iterable
from itertools import islice

from lanspread_peer.core.peer_db import PeerDb
from lanspread_peer.core.titles import make_title
from lanspread_peer.model.events import Event, GamesUpdated
from lanspread_peer.model.game import Title
from lanspread_peer.model.ids import GameId, GameKey
from lanspread_peer.runtime.clock import today
from lanspread_peer.runtime.library import Library

_GATHER_S = 0.1
# Merging and telling so many takes some 15 ms.
_MAX_TOLD_AT_ONCE = 250


class TitleBoard:
    """The merged titles of one sidecar."""

    def __init__(self, library: Library, peers: PeerDb, emit: Callable[[Event], None]) -> None:
        self._library = library
        self._peers = peers
        self._emit = emit
        self._shown: dict[GameKey, Title] = {}
        self._changed: dict[GameKey, None] = {}
        self._timer: asyncio.TimerHandle | None = None

    def title(self, key: GameKey) -> Title | None:
        """The title as it is now, or None when nobody has it."""
        return make_title(self._library.local_game(key), self._peers.holders(key), today=today())

    def titles(self) -> list[Title]:
        """All titles in order of their keys."""
        keys = self._library.local_games().keys() | self._peers.game_keys()
        titles = (self.title(key) for key in sorted(keys))
        return [title for title in titles if title is not None]

    def changed(self, keys: Iterable[GameKey]) -> None:
        """These may have changed; the front end hears of it soon."""
        self._changed.update(dict.fromkeys(keys))
        if self._changed and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_GATHER_S, self._tell)

    def close(self) -> None:
        """Tell nothing more."""
        if self._timer is not None:
            self._timer.cancel()

    def _tell(self) -> None:
        self._timer = None
        keys = sorted(islice(self._changed, _MAX_TOLD_AT_ONCE))
        for key in keys:
            del self._changed[key]
        self._tell_of(keys)
        self.changed(())

    def _tell_of(self, keys: Iterable[GameKey]) -> None:
        titles: list[Title] = []
        removed: list[GameId] = []
        for key in keys:
            title, shown = self.title(key), self._shown.get(key)
            if title == shown:
                continue
            if title is not None:
                self._shown[key] = title
                titles.append(title)
            elif shown is not None:
                del self._shown[key]
                removed.append(shown.id)
        if titles or removed:
            self._emit(GamesUpdated(tuple(titles), tuple(removed)))
