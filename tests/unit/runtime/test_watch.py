"""Watching the game folder: what a game writes while it is played wakes nobody up."""

import asyncio
from contextlib import aclosing
from pathlib import Path

import pytest
from watchfiles import Change

from lanspread_peer.model.errors import StorageError
from lanspread_peer.runtime.watch import _Relevant, wait_for_changes


@pytest.mark.parametrize(
    ("path", "matters"),
    [
        ("aoe2", True),
        ("aoe2/version.ini", True),
        ("aoe2/data/x", True),
        ("aoe2/local", True),
        ("aoe2/LOCAL", True),
        ("aoe2/local/save.dat", False),
        ("aoe2/Local/a/b", False),
        ("aoe2/data/local/x", True),
        (".lanspread", False),
        (".lanspread/staging/x/files/a", False),
    ],
)
def test_only_what_may_change_a_game_matters(path: str, matters: bool) -> None:
    assert _Relevant(Path("/games"))(Change.modified, f"/games/{path}") is matters


async def test_a_new_file_is_noticed(tmp_path: Path) -> None:
    async with aclosing(wait_for_changes(tmp_path)) as changes:
        waiting = asyncio.ensure_future(anext(changes))
        async with asyncio.timeout(20):
            while not waiting.done():
                # The watch begins a moment later than it is asked for.
                (tmp_path / "file").write_bytes(b"x")
                await asyncio.wait({waiting}, timeout=0.05)
        await waiting


async def test_a_folder_that_is_not_there_cannot_be_watched(tmp_path: Path) -> None:
    with pytest.raises(StorageError):
        await anext(wait_for_changes(tmp_path / "missing"))
