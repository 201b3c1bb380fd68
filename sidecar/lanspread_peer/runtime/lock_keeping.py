"""Keeps the folder locks fresh, so that other machines see that the folders are in use."""

import asyncio
from collections.abc import Callable, Mapping

from lanspread_peer.model.errors import StorageError
from lanspread_peer.model.events import Warned
from lanspread_peer.model.limits import LOCK_REFRESH_S
from lanspread_peer.runtime.tasks import run_in_thread
from lanspread_peer.storage.locks import FolderLock


async def keep_locks(
    locks: Callable[[], Mapping[str, FolderLock]],
    emit: Callable[[Warned], None],
    *,
    period_s: float = LOCK_REFRESH_S,
) -> None:
    """Refresh the held locks for ever; whatever is wrong with one is told once.

    `locks` gives them by the code of the warning that another sidecar took the folder.
    """
    told: set[tuple[FolderLock, str]] = set()
    while True:
        await asyncio.sleep(period_s)
        for code, lock in locks().items():
            warning = await run_in_thread(_refresh, lock, code)
            if warning is not None and (lock, warning.code) not in told:
                told.add((lock, warning.code))
                emit(warning)


def _refresh(lock: FolderLock, code: str) -> Warned | None:
    try:
        is_ours = lock.refresh()
    except StorageError as error:
        return Warned(error.reason, error.message)
    return None if is_ours else Warned(code, "another sidecar took over a folder in use here")
