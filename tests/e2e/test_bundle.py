"""What `make bundle` made runs where there is no Python, does the main job, and leaves nothing.

Of its two forms the folder is one process; the one file is two, and unpacks itself into a temporary
folder at each start.
"""

import contextlib
import json
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from lanspread_peer import __version__
from support.game_trees import differences, make_game
from support.managed import QUIET, ManagedProcess
from support.processes import PATIENCE_S, SidecarProcess, is_answered

DIST = Path(__file__).parents[2] / "dist"
SPAWNING_PARENT = Path(__file__).parents[1] / "support" / "spawning_parent.py"
FORMS = {"folder": "lanspread-peer/lanspread-peer", "one file": "lanspread-peer-*-*"}

pytestmark = [pytest.mark.slow, pytest.mark.bundle, pytest.mark.timeout(180)]


@pytest.fixture
def temporary(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """Where the programs put what is temporary: nothing of it may be left. There is no PATH."""
    monkeypatch.setenv("PATH", str(tmp_path))
    # Not in `tmp_path`: the name of a socket in it must stay short.
    with tempfile.TemporaryDirectory(prefix="bundle-") as folder:
        monkeypatch.setenv("TMPDIR", folder)
        yield Path(folder)
        assert list(Path(folder).iterdir()) == []


@pytest.fixture(params=FORMS)
def program(request: pytest.FixtureRequest, temporary: Path) -> Path:
    return built(request.param)


def built(form: str) -> Path:
    found = [*DIST.glob(FORMS[form]), *DIST.glob(f"{FORMS[form]}.exe")]
    if not found:
        pytest.skip("`make bundle` comes first")
    [path] = found
    return path


def run(program: Path, *words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [program, *words], check=False, capture_output=True, text=True, timeout=PATIENCE_S
    )


def assert_they_end(processes: list[psutil.Process]) -> None:
    """By themselves; what does not is ended, so that nothing is left of a failed test."""
    _, left = psutil.wait_procs(processes, timeout=PATIENCE_S)
    for process in left:
        process.kill()
    assert left == []


def test_it_is_of_this_version(program: Path) -> None:
    assert run(program, "--version").stdout.split()[-1] == __version__


def test_a_game_goes_from_one_to_the_other(tmp_path: Path, program: Path) -> None:
    with SidecarProcess(tmp_path / "alice", program=program) as alice:
        game = make_game(alice.games, megabytes=10)
        with SidecarProcess(tmp_path / "bob", program=program, peers=[alice.address]) as bob:
            bob.wait_for_sources(game.name, 1)
            got = bob.cli("get", game.name)
            assert got.returncode == 0, got.stderr
            assert differences(game, bob.games / game.name) == []


def test_it_announces_itself_by_mdns_and_finds_others(tmp_path: Path, program: Path) -> None:
    options = ("--listen", "")
    with (
        SidecarProcess(tmp_path / "alice", program=program, options=options) as alice,
        SidecarProcess(tmp_path / "bob", program=program, options=options) as bob,
    ):
        # Named so that none of another test has it, which would be found here too.
        game = make_game(alice.games, f"aoe{secrets.token_hex(4)}")
        bob.wait_for_sources(game.name, 1)


def test_its_other_commands_work(tmp_path: Path, program: Path) -> None:
    alice = SidecarProcess(tmp_path / "alice", program=program)
    make_game(alice.games)
    folders = ("--game-dir", alice.games, "--state-dir", alice.state)
    assert "aoe2: hashed 1.0 MiB" in run(program, "index", *folders).stdout
    health = ("healthcheck", "--state-dir", alice.state)
    assert run(program, *health).returncode == 1
    with alice:
        assert run(program, *health).returncode == 0


@contextlib.contextmanager
def front_end(folder: Path, program: Path) -> Iterator[tuple[psutil.Process, dict[str, Any]]]:
    """A process that spawned a managed sidecar, and the answer of that."""
    said = {"game_dir": str(folder), "state_dir": str(folder / "state"), "settings": QUIET}
    with subprocess.Popen(
        [sys.executable, SPAWNING_PARENT, program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(said).encode() + b"\n")
        process.stdin.flush()
        try:
            yield psutil.Process(process.pid), json.loads(process.stdout.readline())
        finally:
            process.kill()


def require_next_launch_works(folder: Path, program: Path, before: dict[str, Any]) -> None:
    """Nobody answers any more, and nothing of that launch is in the way of another."""
    assert not is_answered(folder / "state")
    with ManagedProcess(folder, command=(program,)).start() as following:
        assert following.ready["token"] != before["token"]
        following.close_stdin()
        assert following.wait() == 0


def test_killing_the_front_end_ends_all_of_it(tmp_path: Path, program: Path) -> None:
    with front_end(tmp_path, program) as (parent, ready):
        spawned = parent.children(recursive=True)
        assert ready["pid"] in [each.pid for each in spawned]
        parent.kill()
        assert_they_end(spawned)
    require_next_launch_works(tmp_path, program, ready)


def test_killing_the_outer_process_ends_the_inner_one(tmp_path: Path, temporary: Path) -> None:
    # Its parent neither closes stdin nor waits for what was killed, as front ends may do.
    with front_end(tmp_path, built("one file")) as (parent, ready):
        [outer] = parent.children()
        inner = psutil.Process(ready["pid"])
        assert inner.ppid() == outer.pid
        assert list(temporary.glob("_MEI*"))
        outer.kill()
        assert_they_end([inner])
    require_next_launch_works(tmp_path, built("one file"), ready)
