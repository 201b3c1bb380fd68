"""Group sync: several files at once, as a disk takes several syncs in one go.

Of many small files, most time is waiting for it.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from lanspread_peer.model.errors import StorageError
from lanspread_peer.model.paths import SafeRelPath
from lanspread_peer.storage import beneath

_THREADS = 8

Sync = Callable[[SafeRelPath], StorageError | None]


def sync_each(paths: Sequence[SafeRelPath], sync: Sync) -> dict[SafeRelPath, StorageError]:
    """The errors by path that `sync` gave, in threads of its own; `paths` come sorted."""
    # Those of one folder go to one thread, which walks there once.
    share = max(1, -(-len(paths) // _THREADS))
    with ThreadPoolExecutor(_THREADS) as threads:
        failures = threads.map(
            partial(_sync_in_turn, sync),
            (paths[start : start + share] for start in range(0, len(paths), share)),
        )
        return {path: error for failed in failures for path, error in failed.items()}


def _sync_in_turn(sync: Sync, paths: Sequence[SafeRelPath]) -> dict[SafeRelPath, StorageError]:
    with beneath.keeping_folders():
        errors = {path: sync(path) for path in paths}
    return {path: error for path, error in errors.items() if error is not None}
