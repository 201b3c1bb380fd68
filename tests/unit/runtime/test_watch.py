"""Watching the game folder: what a game writes while it is played wakes nobody up."""

import asyncio
import os
import shutil
import sys
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from lanspread_peer.model.errors import StorageError
from lanspread_peer.runtime.watch import _begin, _games_in, _may_matter, wait_for_changes

NOT_ROOT = 65534
NOT_UTF8 = os.fsdecode(b"\xfc")


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
    ],
)
def test_only_what_may_change_a_game_matters(path: str, matters: bool) -> None:
    assert _may_matter(Path("/games"), f"/games/{path}") is matters


async def test_a_new_game_is_noticed_and_what_comes_into_it(tmp_path: Path) -> None:
    names = count()
    async with aclosing(wait_for_changes(tmp_path)) as changes:
        await anext(changes)
        await noticed(changes, lambda: (tmp_path / f"game{next(names)}").mkdir())
        await noticed(changes, (tmp_path / "game0" / "file").touch)


async def test_a_game_that_was_removed_and_made_again_is_watched(tmp_path: Path) -> None:
    game = tmp_path / "aoe2"
    game.mkdir()
    async with aclosing(wait_for_changes(tmp_path)) as changes:
        await anext(changes)
        await noticed(changes, (game / "file").touch)
        shutil.rmtree(game)
        game.mkdir()
        # The first may tell of the removal itself, and of what came before it.
        for _ in range(3):
            await noticed(changes, (game / "file").touch)


async def test_a_root_that_goes_and_comes_back_is_watched_again(tmp_path: Path) -> None:
    root = tmp_path / "games"
    (root / "aoe2").mkdir(parents=True)
    async with aclosing(wait_for_changes(root)) as changes:
        await anext(changes)
        await noticed(changes, (root / "aoe2" / "file").touch)
        root.rename(tmp_path / "away")
        async with asyncio.timeout(20):
            await anext(changes)
        (tmp_path / "away").rename(root)
        for _ in range(3):
            await noticed(changes, (root / "aoe2" / "file").touch)


async def test_our_own_folder_is_not_watched(tmp_path: Path) -> None:
    (tmp_path / ".lanspread").mkdir()
    (tmp_path / "aoe2").mkdir()
    (tmp_path / "file").touch()
    assert _games_in(tmp_path) == {str(tmp_path / "aoe2")}


@pytest.mark.skipif(sys.platform != "linux", reason="others have no such names")
async def test_names_that_are_not_utf8_keep_nothing_else_from_being_watched(tmp_path: Path) -> None:
    game = tmp_path / "aoe2"
    game.mkdir()
    (tmp_path / NOT_UTF8).mkdir()
    async with aclosing(wait_for_changes(tmp_path)) as changes:
        await anext(changes)
        await noticed(changes, (game / "file").touch)
        await noticed(changes, (game / NOT_UTF8).touch)
        for _ in range(3):
            await noticed(changes, (game / "file").touch)


@pytest.mark.skipif(sys.platform != "linux", reason="others have no such names")
async def test_a_root_that_is_not_utf8_cannot_be_watched(tmp_path: Path) -> None:
    (tmp_path / NOT_UTF8).mkdir()
    with pytest.raises(StorageError):
        await anext(wait_for_changes(tmp_path / NOT_UTF8))


@pytest.fixture
def own_folder() -> Iterator[Path]:
    """A folder of somebody to whom permissions apply, which root is not."""
    with TemporaryDirectory() as name:
        is_root = os.geteuid() == 0
        if is_root:
            os.chown(name, NOT_ROOT, -1)
            os.seteuid(NOT_ROOT)
        try:
            yield Path(name)
        finally:
            if is_root:
                os.seteuid(0)


@pytest.mark.skipif(sys.platform == "win32", reason="no such permissions there")
async def test_folders_that_may_not_be_read_keep_no_other_from_being_watched(
    own_folder: Path,
) -> None:
    games, guarded = [own_folder / "aoe2", own_folder / "zoo"], own_folder / "lost+found"
    for folder in (*games, guarded):
        folder.mkdir()
    guarded.chmod(0)
    try:
        async with aclosing(wait_for_changes(own_folder)) as changes:
            for game in (*games, *games):
                await noticed(changes, (game / "file").touch)
    finally:
        guarded.chmod(0o700)


async def noticed(changes: AsyncGenerator[None, None], change: Callable[[], object]) -> None:
    """A change is noticed; it is made again and again, as the watch may begin a moment later."""
    waiting = asyncio.ensure_future(anext(changes))
    async with asyncio.timeout(20):
        while not waiting.done():
            change()
            await asyncio.wait({waiting}, timeout=0.05)
    await waiting


async def test_a_folder_that_is_not_there_cannot_be_watched(tmp_path: Path) -> None:
    with pytest.raises(StorageError):
        await anext(wait_for_changes(tmp_path / "missing"))


@pytest.mark.parametrize(
    ("release", "polls"), [("6.1.0-13-amd64", False), ("6.6.87.2-Microsoft-standard-WSL2", True)]
)
def test_linux_inside_windows_is_looked_at_as_it_tells_of_no_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, release: str, polls: bool
) -> None:
    monkeypatch.setattr("platform.release", lambda: release)
    watch = _begin([str(tmp_path)])
    assert repr(watch).startswith("RustNotify(Poll(") is polls
    watch.close()
