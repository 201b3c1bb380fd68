"""`lanspread-peer index`: hash a game folder before the party, without any network."""

from collections.abc import Callable
from dataclasses import dataclass

from lanspread_peer.model import errors
from lanspread_peer.storage.found import FoundGame
from lanspread_peer.storage.game_dir import GameDir
from lanspread_peer.storage.hasher import hash_game, plan
from lanspread_peer.storage.index import Index
from lanspread_peer.storage.locks import lock_folder
from lanspread_peer.storage.scanner import survey
from lanspread_peer.storage.state_dir import open_state_dir


@dataclass(frozen=True, slots=True)
class IndexLine:
    """What became of one game: its content id, or why it is not shared."""

    game_id: str
    hashed_bytes: int
    content_id: str
    fault: str = ""


def index_games(game_dir: str, state_dir: str, on_line: Callable[[IndexLine], None]) -> bool:
    """Hash what is not hashed yet; whether every game can be shared.

    Raises GameDirUnusable, AlreadyRunning when a sidecar runs there, or StorageError.
    """
    folder = GameDir.open(game_dir)
    state = open_state_dir(state_dir)
    lock = lock_folder(state, "state folder")
    try:
        index = Index(state)
        try:
            return _index_all(folder, index, on_line)
        finally:
            index.close()
    finally:
        lock.release()


def _index_all(folder: GameDir, index: Index, on_line: Callable[[IndexLine], None]) -> bool:
    all_shared = True
    for found in survey(folder):
        line = _index_one(folder, found, index)
        all_shared = all_shared and not line.fault
        on_line(line)
    return all_shared


def _index_one(folder: GameDir, found: FoundGame, index: Index) -> IndexLine:
    try:
        hash_plan = plan(found, index)
        game = hash_game(
            folder, hash_plan, index, on_bytes=lambda _: None, is_cancelled=lambda: False
        )
    except errors.LanspreadError as error:
        return IndexLine(found.id, 0, "", error.message)
    assert game is not None, "only a cancelled run has no game"
    return IndexLine(found.id, hash_plan.bytes, game.content_id)
