"""Held folders stay fresh, and what is wrong with one is told once."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

from lanspread_peer.model.events import Warned
from lanspread_peer.runtime.lock_keeping import keep_locks
from lanspread_peer.runtime.tasks import TaskSet
from lanspread_peer.storage.lock_owner import OWNER_FILE
from lanspread_peer.storage.locks import FolderLock, lock_folder


async def _kept(
    locks: dict[str, FolderLock], until: Callable[[list[Warned]], bool]
) -> list[Warned]:
    told: list[Warned] = []
    tasks = TaskSet()
    tasks.spawn("locks", keep_locks(lambda: locks, told.append, period_s=0.001))
    while not until(told):  # noqa: ASYNC110 - what is waited for has no event of its own
        await asyncio.sleep(0.001)
    await tasks.close()
    return told


def _age(folder: Path) -> None:
    os.utime(folder / OWNER_FILE, (0, 0))


async def test_held_folders_are_refreshed_again_and_again(tmp_path: Path) -> None:
    lock = lock_folder(tmp_path, "game folder")
    for _ in range(2):
        _age(tmp_path)
        told = await _kept(
            {"GAME_DIR_TAKEN": lock}, lambda _: (tmp_path / OWNER_FILE).stat().st_mtime > 0
        )
        assert told == []
    lock.release()


async def test_a_folder_that_another_took_over_is_told_once(tmp_path: Path) -> None:
    (tmp_path / "games").mkdir()
    (tmp_path / "state").mkdir()
    taken = lock_folder(tmp_path / "games", "game folder")
    kept = lock_folder(tmp_path / "state", "state folder")
    (tmp_path / "games" / OWNER_FILE).write_bytes(b"another's")
    rounds = 0

    def several_rounds(_: list[Warned]) -> bool:
        nonlocal rounds
        if (tmp_path / "state" / OWNER_FILE).stat().st_mtime > 0:
            rounds += 1
            _age(tmp_path / "state")
        return rounds == 3

    told = await _kept({"GAME_DIR_TAKEN": taken, "STATE_DIR_TAKEN": kept}, several_rounds)
    assert [warning.code for warning in told] == ["GAME_DIR_TAKEN"]
    taken.release()
    kept.release()


async def test_a_folder_that_is_gone_is_told_with_that_reason(tmp_path: Path) -> None:
    folder = tmp_path / "games"
    folder.mkdir()
    lock = lock_folder(folder, "game folder")
    folder.rename(tmp_path / "unmounted")
    told = await _kept({"GAME_DIR_TAKEN": lock}, bool)
    assert [warning.code for warning in told] == ["GAME_DIR_GONE"]
    (tmp_path / "unmounted").rename(folder)
    lock.release()
