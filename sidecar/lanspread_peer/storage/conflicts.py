"""Conflicts: `.lanspread/conflicts/<folder>/<n>/`, for files of a person that were in the way.

Nothing here is ever deleted or overwritten by us.
"""

from collections.abc import Iterable

from lanspread_peer.model.errors import StorageError
from lanspread_peer.storage import beneath
from lanspread_peer.storage.disk_errors import is_missing
from lanspread_peer.storage.game_dir import CONFLICTS_FOLDER, GameDir


def free_conflicts_folder(game_dir: GameDir, folder: str, taken: Iterable[str] = ()) -> str:
    """A path for what is set aside of a game, where nothing is, nor below any path in `taken`.

    Raises StorageError.
    """
    path = f"{CONFLICTS_FOLDER}/{folder}"
    try:
        names = {name for name, _ in beneath.list_folder(game_dir.root, path)}
    except StorageError as error:
        if not is_missing(error):
            raise
        names = set()
    depth = path.count("/") + 1
    names |= {each.split("/")[depth] for each in taken if each.startswith(f"{path}/")}
    return next(f"{path}/{n}" for n in range(1, len(names) + 2) if str(n) not in names)
