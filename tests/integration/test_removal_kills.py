"""kill -9 in the middle of a removal: the game is whole, or there is none and a start cleans up."""

import asyncio
import signal
import sys
from pathlib import Path

import pytest

from lanspread_peer.model.events import Warned
from lanspread_peer.runtime.sidecar import Sidecar
from support import doomed_removal
from support.party import AOE2, Party, download, make_game, title
from support.storage_folders import make_files, snapshot

GAME = make_game(1)
# What is there without the game.
KEPT = {"one.sav": b"saved"}
STEPS = 11

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is of POSIX")


async def remove_until(games: Path, state: Path, number: int) -> int:
    """How the process ended that removes the game, and dies at that step."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(doomed_removal.__file__), str(games), str(state), str(number)
    )
    return await asyncio.wait_for(process.wait(), 60)


async def downloaded(party: Party, source: Sidecar) -> None:
    """Makes the game folder whole again."""
    owner = await party.downloader(source)
    if not is_here(owner):
        await download(owner)
    make_files(party.game("downloader"), {**KEPT, "local/aoe2.exe": b"installed"})
    await party.end(owner)


def is_here(sidecar: Sidecar) -> bool:
    shown = title(sidecar)
    return shown is not None and shown.local is not None


async def start_again(party: Party, *, tells: bool) -> bool:
    """Whether the next start finds the game; it tells when it had something to finish."""
    sidecar = await party.start("downloader")
    if tells:
        await party.events(sidecar).wait_for(Warned, lambda told: told.code == "REMOVAL_FINISHED")
    found = is_here(sidecar)
    await party.end(sidecar)
    return found


async def test_a_removal_that_is_killed_at_any_step(party: Party) -> None:
    source = await party.start("source", {AOE2: GAME})
    games, state = party.games("downloader"), party.root / "downloader" / "state"
    deaths = 0
    for number in range(STEPS + 1):
        await downloaded(party, source)
        whole = snapshot(games / AOE2)
        code = await remove_until(games, state, number)
        assert code in (0, -signal.SIGKILL)
        deaths += code != 0
        if (games / AOE2 / "version.ini").exists():
            assert await start_again(party, tells=False)
            assert snapshot(games / AOE2) == whole
        else:
            assert not await start_again(party, tells=code != 0)
            assert snapshot(games / AOE2) == KEPT
        assert not list(state.glob("removals/*/*"))
    # Each step was died at, and the last removal came through.
    assert deaths == STEPS
