"""Scratch: `.lanspread/scratch/`, where things are that the next start removes.

What is to be deleted goes there first, in one rename, so that a kill in the middle leaves nothing
half deleted where anybody looks. What is to appear all at once is made there.
"""

import secrets
from contextlib import suppress

from lanspread_peer.model.errors import StorageError
from lanspread_peer.storage import beneath
from lanspread_peer.storage.disk_errors import is_missing
from lanspread_peer.storage.game_dir import OWN_FOLDER, GameDir

SCRATCH_FOLDER = f"{OWN_FOLDER}/scratch"


def new_scratch_path(game_dir: GameDir) -> str:
    """A path below the game folder where nothing is; the folder around it is made."""
    beneath.make_folders(game_dir.root, SCRATCH_FOLDER)
    return f"{SCRATCH_FOLDER}/{secrets.token_hex(8)}"


def bury(game_dir: GameDir, path: str) -> None:
    """Remove a file, link or folder and all in it; nothing happens when it is gone.

    Raises StorageError when the disk refuses; what is left is removed at the next start.
    """
    grave = path
    # On a disk that has no room for the grave, it is removed where it is.
    with suppress(StorageError):
        new_place = new_scratch_path(game_dir)
        beneath.rename(game_dir.root, path, game_dir.root, new_place)
        grave = new_place
        # Or a crash could bring it back to its place with half of it deleted.
        beneath.sync_folder(game_dir.root, SCRATCH_FOLDER)
    beneath.remove_tree(game_dir.root, grave)


def clear_scratch(game_dir: GameDir) -> None:
    """Remove what earlier launches left; call it under the lock. Raises StorageError.

    It goes on past what is refused, and raises that in the end.
    """
    refused = None
    for name in things_in_scratch(game_dir):
        try:
            beneath.remove_tree(game_dir.root, f"{SCRATCH_FOLDER}/{name}")
        except StorageError as error:
            refused = refused or error
    if refused is not None:
        raise refused


def things_in_scratch(game_dir: GameDir) -> list[str]:
    """The names of what lies there; raises StorageError."""
    try:
        return [name for name, _ in beneath.list_folder(game_dir.root, SCRATCH_FOLDER)]
    except StorageError as error:
        if is_missing(error):
            return []
        raise
