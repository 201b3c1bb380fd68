"""Memory does not grow with the file, as what moves is never held; and it goes back at rest."""

import shutil
import sys
from pathlib import Path

import pytest

from support.game_trees import MIB, differences, make_game
from support.managed import ManagedProcess
from support.processes import SidecarProcess, wait_for

RESTING = (sys.executable, Path(__file__).parents[1] / "support" / "resting_main.py")
GAME_MEGABYTES = 2048
MAX_RESIDENT_BYTES = 200 * MIB


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_two_gibibytes_through_two_sidecars_hold_each_below_200_mib(tmp_path: Path) -> None:
    with SidecarProcess(tmp_path / "alice") as alice:
        game = make_game(alice.games, megabytes=GAME_MEGABYTES)
        with SidecarProcess(tmp_path / "bob", peers=[alice.address]) as bob:
            bob.wait_for_sources(game.name, 1)
            before = alice.open_descriptors, bob.open_descriptors
            got = bob.cli("get", game.name)
            assert got.returncode == 0, got.stderr
            print(f"\n{got.stdout.strip()}")
            peaks = {sidecar.name: sidecar.peak_bytes / MIB for sidecar in (alice, bob)}
            print(f"peak resident MiB: {peaks}")
            assert max(peaks.values()) < MAX_RESIDENT_BYTES / MIB
            assert differences(game, bob.games / game.name) == []
            after = alice.open_descriptors, bob.open_descriptors
            assert all(late <= early + 8 for early, late in zip(before, after, strict=True))
    shutil.rmtree(tmp_path)


def test_a_sidecar_gives_memory_back_when_it_comes_to_rest(tmp_path: Path) -> None:
    with ManagedProcess(tmp_path, command=RESTING).start() as spawned:
        wait_for("memory to be given back", lambda: "memory given back" in spawned.log)
        spawned.close_stdin()
        assert spawned.wait() == 0
