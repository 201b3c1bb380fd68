"""The state folder: this user's node key, index, runtime file and lock, closed to other users."""

from pathlib import Path

from lanspread_peer.storage.disk_errors import disk_errors


def open_state_dir(path: str) -> Path:
    """The real path of the state folder, made with mode 0700 if missing; raises StorageError.

    The other functions that take a state folder expect what this returns.
    """
    with disk_errors(f"make the state folder {path!a}"):
        folder = Path(path).expanduser().absolute()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder.resolve(strict=True)
