"""Removals of a player's game: cut anywhere, and on a disk that holds a file."""

import errno
import os
from collections.abc import Callable

import pytest

from lanspread_peer.storage.removal import RemovalStep, Removed, remove_game
from lanspread_peer.storage.removal_note import removals_of
from support.player import OLD, Player, files_in

GAME_BYTES = sum(map(len, OLD.values()))


class Killed(BaseException):
    """What nobody catches, as a kill."""


def kill_before(number: int) -> Callable[[RemovalStep], None]:
    """Raises Killed instead of the step with that number, from 0 on."""
    left = number

    def tell(_step: RemovalStep) -> None:
        nonlocal left
        if left == 0:
            raise Killed
        left -= 1

    return tell


def removed(player: Player, *, remove_installed: bool = False) -> Removed | None:
    return remove_game(player.game_dir, "aoe2", player.index, remove_installed=remove_installed)


def own_files(player: Player) -> list[str]:
    own = files_in(player.game_dir.root / ".lanspread")
    return [path for path in own if not path.startswith("staging")] + notes(player)


def notes(player: Player) -> list[str]:
    folder = player.index.state_dir / removals_of(player.game_dir)
    return [path.name for path in folder.glob("*")]


def refuse(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Let the system say of one file that another program holds it."""
    unlink = os.unlink

    def unlink_others(path: str, *, dir_fd: int | None = None) -> None:
        if path == name:
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))
        unlink(path, dir_fd=dir_fd)

    monkeypatch.setattr(os, "unlink", unlink_others)
