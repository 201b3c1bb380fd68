"""The two folders that a running sidecar holds, so that no other one works in them.

The state folder is held to the end, and a game folder until another one takes its place.
"""

import asyncio
from pathlib import Path

from lanspread_peer.storage.game_dir import GameDir
from lanspread_peer.storage.locks import FolderLock, lock_folder


class HeldFolders:
    """The locks of one sidecar; whoever made it must `release` it."""

    def __init__(self, state: FolderLock) -> None:
        self._state = state
        self._game: FolderLock | None = None

    @classmethod
    async def hold(cls, state_dir: Path) -> "HeldFolders":
        """Lock the state folder; raises AlreadyRunning or StorageError."""
        return cls(await asyncio.to_thread(lock_folder, state_dir, "state folder"))

    def by_warning(self) -> dict[str, FolderLock]:
        """The locks, by the code of the warning that another sidecar took the folder."""
        assert self._game is not None
        return {"STATE_DIR_TAKEN": self._state, "GAME_DIR_TAKEN": self._game}

    def hold_game_dir(self, lock: FolderLock) -> None:
        """Hold the folder of this lock instead of the one before."""
        if self._game is not None:
            self._game.release()
        self._game = lock

    def release(self) -> None:
        if self._game is not None:
            self._game.release()
        self._state.release()


async def lock_game_dir(game_dir: GameDir) -> FolderLock:
    """Lock a game folder; raises AlreadyRunning or StorageError."""
    return await asyncio.to_thread(_lock, game_dir)


def _lock(game_dir: GameDir) -> FolderLock:
    return lock_folder(game_dir.make_own(), "game folder")
