"""Noticing changes below the game folder, coalesced; the periodic rescan finds what this misses."""

from collections.abc import AsyncGenerator
from pathlib import Path

from watchfiles import Change, awatch

from lanspread_peer.model.errors import StorageError

# A copy in progress makes changes all the time; a survey each second is enough to follow it.
_SETTLE_MS = 1000
_OWN_FOLDER = ".lanspread"
_INSTALLED_FOLDER = "local"


async def wait_for_changes(root: Path) -> AsyncGenerator[None, None]:
    """Yields after each burst of changes that may matter; raises StorageError."""
    try:
        async for _ in awatch(
            root, watch_filter=_Relevant(root), debounce=_SETTLE_MS, recursive=True
        ):
            yield
    except (OSError, RuntimeError) as error:
        raise StorageError(f"cannot watch {root}: {error}", path=str(root)) from error


class _Relevant:
    """Leaves out our own folder and installed content, where games write all the time."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def __call__(self, _change: Change, path: str) -> bool:
        try:
            parts = Path(path).relative_to(self._root).parts
        except ValueError:
            return True
        is_own = parts[:1] == (_OWN_FOLDER,)
        # The folder itself appearing or vanishing is what "installed" means, so that counts.
        is_installed = len(parts) > 2 and parts[1].casefold() == _INSTALLED_FOLDER
        return not (is_own or is_installed)
