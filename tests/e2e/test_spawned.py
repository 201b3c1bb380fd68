"""The Python client spawns real sidecars, and ends them, whatever becomes of either."""

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from lanspread_client import LanspreadError, SidecarProcess, spawn, spawn_async
from support.managed import QUIET
from support.processes import BIN, remove_socket, wait_for
from support.processes import SidecarProcess as OtherSidecar

COMMAND = (BIN / "lanspread-peer",)


@pytest.fixture(autouse=True)
def without_leftovers(tmp_path: Path) -> Iterator[None]:
    """Nothing is left of a sidecar that was killed."""
    yield
    remove_socket(tmp_path / "state")


def folders(tmp_path: Path) -> tuple[Path, Path]:
    (tmp_path / "games").mkdir(exist_ok=True)
    return tmp_path / "games", tmp_path / "state"


def program(tmp_path: Path, text: str) -> tuple[str, Path]:
    """Something else that is spawned in the place of a sidecar."""
    path = tmp_path / "program.py"
    path.write_text(text)
    return sys.executable, path


def is_alive(pid: str) -> bool:
    try:
        # Nobody in a container may wait for one whose parent was killed.
        return psutil.Process(int(pid)).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def failure(tmp_path: Path, text: str, timeout_s: float = 30) -> LanspreadError:
    with (
        pytest.raises(LanspreadError) as caught,
        spawn(*folders(tmp_path), command=program(tmp_path, text), timeout_s=timeout_s),
    ):
        pass
    return caught.value


@pytest.mark.usefixtures("no_end_is_late")
def test_a_sidecar_runs_as_long_as_the_block(tmp_path: Path) -> None:
    games, state = folders(tmp_path)
    log: list[str] = []
    with spawn(games, state, command=COMMAND, settings=QUIET, on_log=log.append) as sidecar:
        status = sidecar.client.get_status()
        assert status.instance_id == sidecar.ready.instance_id
        assert (Path(status.game_dir), Path(status.state_dir)) == (games, state)
        assert sidecar.process.is_running()
    assert sidecar.process.exit_code == 0
    assert any("ready" in line for line in log)
    assert not any(sidecar.ready.token in line for line in log)


@pytest.mark.usefixtures("no_end_is_late")
async def test_a_sidecar_runs_as_long_as_the_asyncio_block(tmp_path: Path) -> None:
    async with spawn_async(*folders(tmp_path), command=COMMAND, settings=QUIET) as sidecar:
        status = await sidecar.client.get_status()
        assert status.instance_id == sidecar.ready.instance_id
    assert sidecar.process.exit_code == 0


@pytest.mark.usefixtures("no_end_is_late")
def test_a_sidecar_is_heard_whose_starter_keeps_stdout_open(tmp_path: Path) -> None:
    # As the outer process of a bundle does.
    text = "import subprocess, sys; sys.exit(subprocess.call(sys.argv[1:]))"
    command = (*program(tmp_path, text), *COMMAND)
    with spawn(*folders(tmp_path), command=command, settings=QUIET) as sidecar:
        assert sidecar.client.get_status().instance_id == sidecar.ready.instance_id
    assert sidecar.process.exit_code == 0


async def test_a_task_that_is_cancelled_leaves_no_sidecar(tmp_path: Path) -> None:
    found: list[psutil.Process] = []
    running = asyncio.Event()

    async def front_end() -> None:
        async with spawn_async(*folders(tmp_path), command=COMMAND, settings=QUIET) as sidecar:
            found.append(psutil.Process(sidecar.process.pid))
            running.set()
            await asyncio.Event().wait()

    task = asyncio.ensure_future(front_end())
    await running.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not found[0].is_running()


async def test_a_task_that_is_cancelled_before_the_line_leaves_no_sidecar(tmp_path: Path) -> None:
    before = set(psutil.Process().children())

    async def front_end() -> None:
        async with spawn_async(*folders(tmp_path), command=COMMAND, settings=QUIET):
            raise AssertionError("it cannot be so fast")

    task = asyncio.ensure_future(front_end())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert set(psutil.Process().children()) == before


@pytest.mark.usefixtures("no_end_is_late")
def test_an_error_in_the_block_ends_the_sidecar_and_comes_through(tmp_path: Path) -> None:
    with (
        pytest.raises(KeyError),
        spawn(*folders(tmp_path), command=COMMAND, settings=QUIET) as sidecar,
    ):
        raise KeyError
    assert sidecar.process.exit_code == 0


def test_a_sidecar_that_dies_is_an_error_of_the_next_call_and_not_of_the_end(
    tmp_path: Path,
) -> None:
    with spawn(*folders(tmp_path), command=COMMAND, settings=QUIET) as sidecar:
        os.kill(sidecar.process.pid, signal.SIGKILL)
        with pytest.raises(LanspreadError) as caught:
            sidecar.client.get_status()
        assert caught.value.reason == "NO_ANSWER"
    assert sidecar.process.exit_code == -signal.SIGKILL


def test_the_events_of_one_that_died_end_with_an_error(tmp_path: Path) -> None:
    with spawn(*folders(tmp_path), command=COMMAND, settings=QUIET) as sidecar:
        events = sidecar.client.events()
        next(events)
        os.kill(sidecar.process.pid, signal.SIGKILL)
        with pytest.raises(LanspreadError) as caught:
            list(events)
        assert caught.value.reason == "NO_ANSWER"


def test_why_it_did_not_start_is_told(tmp_path: Path) -> None:
    with (
        OtherSidecar(tmp_path) as other,
        pytest.raises(LanspreadError) as caught,
        spawn(other.games, other.state, command=COMMAND, settings=QUIET),
    ):
        pass
    error = caught.value
    assert (error.reason, error.metadata["exit_code"]) == ("SPAWN_FAILED", "3")
    assert error.metadata["sidecar_reason"] == "ALREADY_RUNNING"
    assert "another sidecar uses" in error.message


def test_a_program_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with (
        pytest.raises(LanspreadError) as caught,
        spawn(*folders(tmp_path), command=(tmp_path / "nowhere",)),
    ):
        pass
    assert caught.value.reason == "SPAWN_FAILED"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("hello", "HANDSHAKE_INVALID"),
        ('{"lanspread": 1}', "HANDSHAKE_INVALID"),
        (
            '{"lanspread": 2, "address": "a", "token": "t", "pid": 1, "instance_id": "i",'
            ' "version": "9", "api": ["lanspread.peer.v1"]}',
            "API_UNSUPPORTED",
        ),
        (
            '{"lanspread": 1, "address": "a", "token": "t", "pid": 1, "instance_id": "i",'
            ' "version": "9", "api": ["lanspread.peer.v9"]}',
            "API_UNSUPPORTED",
        ),
    ],
)
def test_what_is_no_sidecar_of_our_age_is_an_error(tmp_path: Path, line: str, reason: str) -> None:
    assert failure(tmp_path, f"print({line!r})").reason == reason


def test_the_last_words_of_a_program_that_ends_are_told(tmp_path: Path) -> None:
    error = failure(tmp_path, "import sys; sys.exit('no such module')")
    assert error.metadata == {"exit_code": "1", "last_line": "no such module"}


def test_one_that_neither_answers_nor_ends_is_killed_with_its_children(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    text = f"""
import os, pathlib, signal, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"])
pathlib.Path({str(pids)!r}).write_text(f"{{os.getpid()}} {{child.pid}}")
time.sleep(1000)
"""
    # As a thread may wait for the end while another one gives up.
    process = SidecarProcess(program(tmp_path, text), {"game_dir": "x" * 1_000_000})
    wait_for("both", lambda: pids.exists() and len(pids.read_text().split()) == 2)
    with pytest.raises(LanspreadError) as caught:
        process.wait_ready(0.1)
    assert caught.value.reason == "SPAWN_TIMEOUT"
    process.end()
    wait_for("their end", lambda: not any(map(is_alive, pids.read_text().split())))
    assert not [each for each in threading.enumerate() if each.name == "lanspread sidecar"]


@pytest.mark.usefixtures("no_end_is_late")
def test_a_log_function_that_fails_holds_up_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed: list[type[BaseException]] = []
    monkeypatch.setattr(threading, "excepthook", lambda args: failed.append(args.exc_type))

    def fail(_line: str) -> None:
        raise KeyError

    with spawn(*folders(tmp_path), command=COMMAND, settings=QUIET, on_log=fail) as sidecar:
        sidecar.client.get_status()
    assert sidecar.process.exit_code == 0
    assert failed == [KeyError]
