"""Other programs as child processes that are surely ended."""

import contextlib
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

Word = str | Path
_START_PATIENCE_S = 20.0
_END_PATIENCE_S = 20.0


@contextlib.contextmanager
def running(command: Sequence[Word], log: Path) -> Iterator[subprocess.Popen[str]]:
    """A child process; its errors go to `log`, its output can be read."""
    with log.open("ab") as errors:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, text=True
        )
    try:
        yield process
    finally:
        end(process)


def end(process: subprocess.Popen[str]) -> None:
    """End a process, by force when it does not hear."""
    process.terminate()
    try:
        process.communicate(timeout=_END_PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()


def first_line(process: subprocess.Popen[str], log: Path) -> str:
    """What the process says once it is ready."""
    assert process.stdout is not None
    line = process.stdout.readline().strip()
    if not line:
        raise RuntimeError(f"it did not start: {log.read_text('utf-8', 'replace')[-2000:]}")
    return line


def output_of(command: Sequence[Word]) -> str:
    """What a program says until its end; raises RuntimeError when it fails."""
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]} failed: {done.stderr.strip()[-2000:]}")
    return done.stdout


def free_port() -> int:
    """A TCP port of the loopback interface that nobody has now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def wait_listening(port: int) -> None:
    """Wait until something accepts connections there."""
    deadline = time.monotonic() + _START_PATIENCE_S
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.02)
    raise TimeoutError(f"nothing listens on port {port}")
