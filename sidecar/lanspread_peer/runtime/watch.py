"""Noticing changes below the game folder, coalesced; the periodic rescan finds what this misses.

The games are watched, each with all that is in it, and never our own folder beside them: a download
writes there all the time, and the system tells of each write. Which games there are is looked up
now and then. Folders that cannot be watched are left to the rescan: those that we may not read, and
those whose name is no UTF-8.
"""

import asyncio
import os
import platform
from collections.abc import AsyncGenerator, Collection
from contextlib import aclosing
from functools import partial
from pathlib import Path
from threading import Event

from watchfiles import Change

# `awatch` is this with anyio around it: 1 MiB more.
from watchfiles._rust_notify import RustNotify

from lanspread_peer.model.errors import StorageError
from lanspread_peer.runtime.tasks import run_in_thread
from lanspread_peer.storage.game_dir import OWN_FOLDER
from lanspread_peer.transport.worker_threads import WorkerThreads

# A copy in progress makes changes all the time; a survey each second is enough to follow it.
_SETTLE_MS = 1000
# So long nothing must happen for a burst of changes to be over, and so late it ends on a stop.
_STEP_MS = 50
# A game that is new is noticed after so long.
_LOOK_MS = 1000
# Where the system tells nothing, and all files are looked at instead.
_POLL_MS = 300
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
    try:
        watch = await run_in_thread(_begin, games)
    except FileNotFoundError:
        return
    thread, stop = WorkerThreads("watch", 1), Event()
    try:
        while True:
            burst = await thread.run(partial(_next_burst, watch, stop), stop.set)
            has_changed = any(_may_matter(root, path) for _, path in burst)
            if has_changed or not burst:
                yield has_changed
            # What has its name afterwards is another folder, which nobody watches.
            if any((Change.deleted, game) in burst for game in games):
                return
    except RuntimeError:
        # Out of the thread that hears of changes; the errors of a watch that cannot begin go on.
        pass
    finally:
        watch.close()
        thread.close()
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


def _begin(games: Collection[str]) -> RustNotify:
    # That system is told of no change on the disks of the Windows around it.
    is_wsl = "microsoft-standard" in platform.release().lower()
    return RustNotify(
        list(games),
        debug=False,
        force_polling=is_wsl,
        poll_delay_ms=_POLL_MS,
        recursive=True,
        ignore_permission_denied=True,
    )


def _next_burst(watch: RustNotify, stop: Event) -> set[tuple[int, str]]:
    """Kinds and paths of changes; none when it has been quiet for a while."""
    burst = watch.watch(_SETTLE_MS, _STEP_MS, _LOOK_MS, stop)
    return burst if isinstance(burst, set) else set()


def _may_matter(root: Path, path: str) -> bool:
    """Not in installed content, where games write all the time."""
    try:
        parts = Path(path).relative_to(root).parts
    except ValueError:
        return True
    # The folder itself appearing or vanishing is what "installed" means, so that counts.
    return not (len(parts) > 2 and parts[1].casefold() == _INSTALLED_FOLDER)
