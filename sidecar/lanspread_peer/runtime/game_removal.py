"""Removing a game on command: nothing else is about that game meanwhile."""

from collections.abc import Callable

from lanspread_peer.model.errors import GameNotFound
from lanspread_peer.model.events import Event, GameRemoved
from lanspread_peer.model.ids import GameId, game_key
from lanspread_peer.runtime.downloads import Downloads
from lanspread_peer.runtime.library import Library
from lanspread_peer.runtime.tasks import run_in_thread
from lanspread_peer.runtime.verifications import Verifications
from lanspread_peer.storage.game_dir import GameDir
from lanspread_peer.storage.index import Index
from lanspread_peer.storage.removal import Removed, remove_game


class GameRemoval:
    """Removes games of the current game folder."""

    def __init__(
        self,
        library: Library,
        index: Index,
        downloads: Downloads,
        verifications: Verifications,
        emit: Callable[[Event], None],
    ) -> None:
        self._library = library
        self._index = index
        self._downloads = downloads
        self._verifications = verifications
        self._emit = emit

    async def remove(self, game_id: GameId, *, remove_installed: bool) -> Removed:
        """Delete its files; a second call for one of which files were left tries those again.

        Raises GameNotFound, DownloadActive or StorageError, and then the game is still there.
        """
        key = game_key(game_id)
        async with self._downloads.none_of(key):
            await self._verifications.cancel_of(key)
            removed = await run_in_thread(
                _remove,
                self._library.game_dir,
                game_id,
                self._index,
                remove_installed=remove_installed,
            )
            if removed is None:
                raise GameNotFound(f"{game_id!r} is not in the game folder", game_id=game_id)
            self._library.removed(key)
            self._emit(GameRemoved(game_id, removed.bytes, removed.left_files))
        return removed


def _remove(
    game_dir: GameDir, game_id: GameId, index: Index, *, remove_installed: bool
) -> Removed | None:
    game_dir.require_present()
    folder = game_dir.folder_of(game_id)
    if folder is None:
        return None
    return remove_game(game_dir, folder, index, remove_installed=remove_installed)
