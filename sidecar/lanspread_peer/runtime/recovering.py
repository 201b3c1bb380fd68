"""What a crash has cut in a game folder is ended at a start, and told."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

from lanspread_peer.model.download import StagedDownload
from lanspread_peer.model.errors import StorageError
from lanspread_peer.model.events import Event, Warned
from lanspread_peer.runtime.download_run import tell_set_aside
from lanspread_peer.storage.game_dir import GameDir
from lanspread_peer.storage.index import Index
from lanspread_peer.storage.recovery import Outcome, Recovered, recover
from lanspread_peer.storage.removal import FinishedRemoval, finish_removals
from lanspread_peer.storage.scratch import things_in_scratch


async def recover_games(
    game_dir: GameDir, index: Index, emit: Callable[[Event], None]
) -> list[StagedDownload]:
    """End publishes and removals; the downloads that finished by that. Raises StorageError."""
    recovered = await asyncio.to_thread(recover, game_dir, index)
    for each in recovered:
        _tell_publish(each, emit)
    for removal in await asyncio.to_thread(finish_removals, game_dir, index):
        emit(_of_removal(removal))
    with suppress(StorageError):
        if left := await asyncio.to_thread(things_in_scratch, game_dir):
            emit(Warned("REMOVAL_STUCK", f"{len(left)} removed files or folders cannot be deleted"))
    published = (each.staged for each in recovered if each.outcome is Outcome.PUBLISHED)
    return [staged for staged in published if staged is not None]


def _tell_publish(each: Recovered, emit: Callable[[Event], None]) -> None:
    game = each.folder or each.name
    if each.outcome is Outcome.STUCK:
        emit(Warned("PUBLISH_STUCK", f"{game}: {each.reason}"))
    else:
        emit(Warned("PUBLISH_RECOVERED", f"{game} was {each.outcome.value}"))
    tell_set_aside(each.conflicts, emit)


def _of_removal(each: FinishedRemoval) -> Warned:
    if each.fault or each.left_files:
        detail = each.fault or f"{each.left_files} files cannot be removed"
        return Warned("REMOVAL_STUCK", f"{each.folder}: {detail}")
    return Warned("REMOVAL_FINISHED", f"the rest of {each.folder} was removed")
