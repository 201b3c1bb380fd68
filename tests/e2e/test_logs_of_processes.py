"""The log of real processes: in the format that is asked for, and in a file as well."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.managed import ManagedProcess
from support.processes import SidecarProcess, peer_program

NOISY = (sys.executable, Path(__file__).parents[1] / "support" / "noisy_main.py")


@pytest.mark.parametrize("log_format", ["json", "logfmt", "console"])
def test_a_sidecar_logs_in_each_format(tmp_path: Path, log_format: str) -> None:
    log = tmp_path / "alice.log"
    options = ("--no-mdns", "--log-format", log_format, "--log-file", str(log))
    with SidecarProcess(tmp_path / "alice", options=options) as alice:
        pass
    for text in (alice.log, log.read_text("utf-8")):
        lines = text.splitlines()
        assert [sum(word in line for line in lines) for word in ("ready", "ending")] == [1, 1]
        assert all(line.startswith("{") is (log_format == "json") for line in lines)
    [ready] = [line for line in log.read_text("utf-8").splitlines() if "ready" in line]
    if log_format == "json":
        assert json.loads(ready)["pid"] == alice.process.pid
    else:
        assert f"pid={alice.process.pid}" in ready


def test_a_front_end_gets_json_unless_it_wants_something_else(tmp_path: Path) -> None:
    for flags, begins in (((), "{"), (("--log-format", "logfmt"), "timestamp=")):
        with ManagedProcess(tmp_path, flags=flags).start() as spawned:
            spawned.close_stdin()
            assert spawned.wait() == 0
            assert spawned.log.splitlines()[-1].startswith(begins)


def test_the_file_gets_what_a_front_end_does_not_read(tmp_path: Path) -> None:
    log = tmp_path / "file.log"
    flags = ("--log-file", str(log), "--log-level", "debug")
    with ManagedProcess(tmp_path, command=NOISY, flags=flags, stderr=subprocess.PIPE) as spawned:
        spawned.start()
        with spawned.client() as client:
            # Each logs a megabyte, many times what the pipe takes.
            for _ in range(4):
                client.get_status()
            client.shutdown()
        assert spawned.wait() == 0
    assert '"ending"' in log.read_text("utf-8")


@pytest.mark.skipif(os.name == "nt", reason="Windows has other terminals")
def test_a_log_file_that_hangs_holds_up_no_end(tmp_path: Path) -> None:
    """A terminal that nobody reads takes some KiB, and then nothing, as a disk that hangs."""
    import pty

    terminal, end = pty.openpty()
    try:
        flags = ("--log-file", os.ttyname(end), "--log-level", "debug")
        with ManagedProcess(tmp_path, command=NOISY, flags=flags).start() as spawned:
            with spawned.client() as client:
                client.get_status()
                client.shutdown()
            assert spawned.wait() == 0
    finally:
        os.close(end)
        os.close(terminal)


@pytest.mark.skipif(os.name == "nt", reason="Windows has other terminals")
def test_a_person_at_a_terminal_gets_the_console(tmp_path: Path) -> None:
    import pty

    (tmp_path / "games").mkdir()
    terminal, end = pty.openpty()
    try:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "lanspread_peer", "serve", "--no-mdns"),
                *("--bind", "127.0.0.1", "--port", "0"),
                *("--game-dir", tmp_path / "games", "--state-dir", tmp_path / "state"),
            ],
            stdin=subprocess.DEVNULL,
            stderr=end,
        )
        os.close(end)
        with process:
            shown = ""
            while "ready" not in shown:
                shown += os.read(terminal, 4096).decode()
            process.terminate()
            assert process.wait(timeout=30) == 0
    finally:
        os.close(terminal)
    assert "\x1b[" in shown
    assert "timestamp=" not in shown


def test_a_log_file_that_cannot_be_is_exit_2(tmp_path: Path) -> None:
    ended = peer_program("serve", "--game-dir", tmp_path, "--log-file", tmp_path)
    assert ended.returncode == 2
    assert "log_file" in ended.stderr
