"""Every client does what SCENARIOS.md says, with the installed sidecar and with the bundle."""

import contextlib
import json
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from clients.conformance.conftest import Run, Seeder
from clients.conformance.under_test import (
    CLIENTS,
    Built,
    client_program,
    require_built,
    sidecar_program,
)
from lanspread_client import RuntimeFile, read_runtime_file
from support.game_trees import differences, make_game
from support.processes import is_answered, remove_socket

pytestmark = pytest.mark.slow

_PATIENCE_S = 120.0
# The one number of the contract.
_ORPHAN_LIFE_S = 2.0
_LOOK_S = 0.05
_GAMES = 25


@pytest.fixture(params=["installed", pytest.param("bundle", marks=pytest.mark.bundle)])
def sidecar(request: pytest.FixtureRequest) -> Built:
    return require_built(request.param, sidecar_program(request.param))


@pytest.fixture(params=CLIENTS)
def run(
    request: pytest.FixtureRequest, sidecar: Built, seeder: Seeder, tmp_path: Path
) -> Iterator[Run]:
    program = require_built(request.param, client_program(request.param))
    games, state = tmp_path / "games", tmp_path / "state"
    games.mkdir()
    state.mkdir()
    yield Run(program, sidecar, games, state, seeder)
    remove_socket(state)


@pytest.mark.parametrize(
    "scenario",
    ["spawn", "refused_token", "wrong_field", "resume", "expired_token", "cancel", "shutdown"],
)
def test_a_client_passes(run: Run, scenario: str) -> None:
    _pass(run, scenario)


def test_a_client_talks_tls_where_others_could_listen(run: Run) -> None:
    # Open to all, and dialled on loopback as no other machine is in reach of a test.
    _pass(replace(run, listen="0.0.0.0:0"), "tls")


def test_a_client_lists_pages(run: Run) -> None:
    for number in range(_GAMES):
        make_game(run.games, f"game{number}", megabytes=0)
    _pass(run, "list_pages")


def test_a_client_downloads_the_game_as_it_is(run: Run) -> None:
    _pass(run, "download")
    game = run.seeder.game
    assert differences(game, run.games / game.name) == []


def test_a_killed_client_leaves_no_sidecar(run: Run) -> None:
    first = _kill_the_parent(run)
    second = _kill_the_parent(run)
    assert second.token != first.token
    _pass(run, "spawn")
    # What an orphan had no time to remove, the next launch does.
    for found in (first, second):
        assert not _has_socket(found.address)


def _kill_the_parent(run: Run) -> RuntimeFile:
    with _started(run, "parent_killed") as program:
        assert program.stdout is not None
        pid = json.loads(program.stdout.readline())["pid"]
        offspring = psutil.Process(program.pid).children(recursive=True)
        found = read_runtime_file(run.state)
        program.kill()
        _require_end_in_time(offspring)
    assert pid in [process.pid for process in offspring]
    assert not is_answered(run.state)
    return found


def _pass(run: Run, scenario: str) -> None:
    with _started(run, scenario) as program:
        printed, log = program.communicate(timeout=_PATIENCE_S)
    assert program.returncode == 0, printed + log
    assert not (run.state / "runtime.json").exists()


def _has_socket(address: str) -> bool:
    return address.startswith("unix:") and Path(address.removeprefix("unix:")).parent.exists()


def _require_end_in_time(orphans: Sequence[psutil.Process]) -> None:
    # Told by looks and not by a clock: a machine that has no time for the orphans has none to look.
    for _ in range(round(_ORPHAN_LIFE_S / _LOOK_S)):
        if _are_gone(orphans):
            return
        time.sleep(_LOOK_S)
    raise AssertionError(f"alive {_ORPHAN_LIFE_S:g} s after their parent")


def _are_gone(processes: Sequence[psutil.Process]) -> bool:
    return all(_is_gone(process) for process in processes)


def _is_gone(process: psutil.Process) -> bool:
    try:
        # Whoever adopts an orphan may be slow to bury it.
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@contextlib.contextmanager
def _started(run: Run, scenario: str) -> Iterator["subprocess.Popen[str]"]:
    command = [*run.program.command, scenario]
    with subprocess.Popen(
        command, env=run.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as program:
        try:
            yield program
        finally:
            program.kill()
