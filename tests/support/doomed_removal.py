"""A process that removes a game and dies at a step: `doomed_removal.py GAME_DIR STATE_DIR NUMBER`.

It kills itself instead of the step with that number, from 0 on, and ends with 0 if there is none.
"""

import os
import signal
import sys
from pathlib import Path

from lanspread_peer.storage.game_dir import GameDir
from lanspread_peer.storage.index import Index
from lanspread_peer.storage.removal import RemovalStep, remove_game


class Doom:
    """Told each step before it is made."""

    def __init__(self, number: int) -> None:
        self._left = number

    def __call__(self, _step: RemovalStep) -> None:
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        self._left -= 1


if __name__ == "__main__":
    index = Index(Path(sys.argv[2]))
    doom = Doom(int(sys.argv[3]))
    remove_game(GameDir.open(sys.argv[1]), "aoe2", index, remove_installed=True, before_step=doom)
    index.close()
