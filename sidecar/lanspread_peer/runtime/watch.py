"""Noticing changes below the game folder, coalesced; the periodic rescan finds what this misses.

The games are watched, each with all that is in it, and never our own folder beside them: a download
writes there all the time, and the system tells of each write. Which games there are is looked up
now and then. Folders that cannot be watched are left to the rescan: those that we may not read, and
those whose name is no UTF-8.
"""

import asyncio
import os
from collections.abc import AsyncGenerator, Collection
from contextlib import aclosing
from pathlib import Path

from watchfiles import Change, awatch

from lanspread_peer.model.errors import StorageError
from lanspread_peer.runtime.tasks import run_in_thread
from lanspread_peer.storage.game_dir import OWN_FOLDER

# A copy in progress makes changes all the time; a survey each second is enough to follow it.
_SETTLE_MS = 1000
# A game that is new is noticed after so long.
_LOOK_MS = 1000
_INSTALLED_FOLDER = "local"


async def wait_for_changes(root: Path) -> AsyncGenerator[None, None]:
    """Yields when it has begun, as nobody saw what came before that; then after each burst of
    changes that may matter, and when the folder goes or comes back.

    Raises StorageError when it cannot be watched, or is not there in the beginning.
    """
    try:
        str(root).encode()
        games = await run_in_thread(_games_in, root)
        is_news = True
        while True:
            async with aclosing(_changes_of(root, games)) as looks:
                async for has_changed in looks:
                    # New games are watched by now, so that no change goes unseen.
                    if has_changed or is_news:
                        is_news = False
                        yield
                    if await run_in_thread(_games_now_in, root) != games:
                        break
            games, is_news = await run_in_thread(_games_now_in, root), True
    except (OSError, RuntimeError, UnicodeError) as error:
        raise StorageError(f"cannot watch {root}: {error}", path=str(root)) from error


async def _changes_of(root: Path, games: Collection[str]) -> AsyncGenerator[bool, None]:
    """Whether something changed in these, now and then.

    Ends when one of them is gone, or when the change of a name was told that is no UTF-8.
    """
    watch = awatch(
        *games,
        watch_filter=_Relevant(root),
        debounce=_SETTLE_MS,
        rust_timeout=_LOOK_MS,
        yield_on_timeout=True,
        recursive=True,
        ignore_permission_denied=True,
    )
    async with aclosing(watch) as bursts:
        try:
            async for changes in bursts:
                yield bool(changes)
                # What has its name afterwards is another folder, which nobody watches.
                if any(kind is Change.deleted and path in games for kind, path in changes):
                    return
        except FileNotFoundError:
            return
        except ExceptionGroup as errors:
            # Out of the watching thread; the errors of a watch that cannot begin come alone.
            if errors.split(RuntimeError)[1] is not None:
                raise
    # To begin anew takes a walk through all games, so not at once for each of many.
    await asyncio.sleep(_LOOK_MS / 1000)
    yield True


def _games_now_in(root: Path) -> frozenset[str]:
    """Empty while the root is not there, such as a disk that is not mounted."""
    try:
        return _games_in(root)
    except FileNotFoundError:
        return frozenset()


def _games_in(root: Path) -> frozenset[str]:
    with os.scandir(root) as entries:
        return frozenset(
            entry.path
            for entry in entries
            if entry.name != OWN_FOLDER
            and _is_utf8(entry.name)
            and entry.is_dir(follow_symlinks=False)
        )


def _is_utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


class _Relevant:
    """Leaves out installed content, where games write all the time."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def __call__(self, _change: Change, path: str) -> bool:
        try:
            parts = Path(path).relative_to(self._root).parts
        except ValueError:
            return True
        # The folder itself appearing or vanishing is what "installed" means, so that counts.
        return not (len(parts) > 2 and parts[1].casefold() == _INSTALLED_FOLDER)
