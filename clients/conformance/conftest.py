"""What the scenarios run with: a seeder, and for each run folders and programs."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from clients.conformance.under_test import Built
from support.game_trees import make_game
from support.processes import SidecarProcess, wait_for

# Several seconds of a download at the lowest rate, and a moment at full speed.
_GAME_MEBIBYTES = 8


@dataclass(frozen=True, slots=True)
class Seeder:
    """A sidecar of the harness with one game; `game` is its folder."""

    address: str
    game: Path


@dataclass(frozen=True, slots=True)
class Run:
    """A client's program and all that it is told."""

    program: Built
    sidecar: Built
    games: Path
    state: Path
    seeder: Seeder
    # Where its sidecar listens; empty: at the system's default.
    listen: str = ""

    def environment(self) -> dict[str, str]:
        """What SCENARIOS.md promises the program."""
        settings = {"bind": "127.0.0.1", "port": 0, "mdns": False, "name": "conformance"}
        if self.listen:
            settings["listen"] = self.listen
        return os.environ | {
            "CONFORMANCE_SIDECAR": self.sidecar.as_json(),
            "CONFORMANCE_GAME_DIR": str(self.games),
            "CONFORMANCE_STATE_DIR": str(self.state),
            "CONFORMANCE_SETTINGS": json.dumps(settings),
            "CONFORMANCE_SEEDER": self.seeder.address,
            "CONFORMANCE_GAME": self.seeder.game.name,
            "CONFORMANCE_GAMES": json.dumps([folder.name for folder in self.games.iterdir()]),
        }


@pytest.fixture(scope="session")
def seeder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seeder]:
    with SidecarProcess(tmp_path_factory.mktemp("conformance") / "seeder") as sidecar:
        game = make_game(sidecar.games, megabytes=_GAME_MEBIBYTES)
        wait_for("the seeder to offer its game", lambda: sidecar.status().game_count)
        yield Seeder(sidecar.address, game)
