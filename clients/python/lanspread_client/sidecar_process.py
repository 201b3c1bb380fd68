"""A sidecar that we spawn: its process, the two lines of `serve --managed`, and its end.

No call of ours waits for the process for ever: its pipes are written and read by threads of their
own, which end with them. It ends by itself when this process does, however that comes about.
"""

import json
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import psutil

from lanspread_client.errors import SPAWN_FAILED, SPAWN_TIMEOUT, LanspreadError
from lanspread_client.ready_line import MAX_READY_BYTES, Ready, parse_ready

if sys.platform == "win32":
    # Else a window comes up with it where the front end has no console.
    _CREATION_FLAGS = subprocess.CREATE_NO_WINDOW
else:
    _CREATION_FLAGS = 0
_END_PATIENCE_S = 5.0
_MAX_LOG_LINE_BYTES = 64 * 1024
_REFUSAL = re.compile(r"lanspread-peer: ([A-Z_]+): (.*)")


class SidecarProcess:
    """A spawned sidecar; whoever makes one must `end` it. Any thread may use it."""

    def __init__(
        self,
        command: Sequence[str | Path],
        handshake: Mapping[str, Any],
        on_log: Callable[[str], None] | None = None,
    ) -> None:
        """Start it; raises LanspreadError SPAWN_FAILED when there is no such program.

        `on_log` is called in another thread, with each line of the sidecar's log.
        """
        try:
            process = subprocess.Popen(  # noqa: S603 - whom to start is the caller's choice
                [*command, "serve", "--managed"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                creationflags=_CREATION_FLAGS,
            )
        except OSError as error:
            message = f"{command[0]}: {error.strerror}"
            raise LanspreadError(SPAWN_FAILED, message, {"command": str(command[0])}) from error
        self._process = process
        self._stdin = _pipe(process.stdin)
        self._stdout = _pipe(process.stdout)
        self._stderr = _pipe(process.stderr)
        self._on_log = on_log
        self._line = b""
        self._has_heard = threading.Event()
        self._last_words = ""
        self._saying = _in_thread(self._say, json.dumps(handshake).encode() + b"\n")
        self._hearing = _in_thread(self._hear)
        self._draining = _in_thread(self._drain)

    @property
    def pid(self) -> int:
        """What was started; of a bundle, the sidecar itself may be a child of it."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; 0 after a clean end."""
        return self._process.poll()

    def is_running(self) -> bool:
        return self.exit_code is None

    def wait_ready(self, timeout_s: float) -> Ready:
        """What it says once it serves.

        Raises LanspreadError: SPAWN_FAILED when it ended instead, whose metadata has its
        `exit_code`, the `sidecar_reason` it gave and its `last_line`; SPAWN_TIMEOUT;
        API_UNSUPPORTED or HANDSHAKE_INVALID when it is no sidecar of our age.
        """
        if not self._has_heard.wait(timeout_s):
            message = f"the sidecar did not serve within {timeout_s:g} s"
            raise LanspreadError(SPAWN_TIMEOUT, message, {"last_line": self._last_words})
        if self._line:
            return parse_ready(self._line)
        raise self._failure()

    def wait_ended(self, timeout_s: float | None = None) -> int | None:
        """Its exit code once it has ended, or None when it still runs after that time."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout_s)
        return self.exit_code

    def end(self) -> None:
        """Close its stdin, which it takes for the end; kill it and its children after 5 s."""
        # Who does not even read what it is told does not see the end of it either.
        self._saying.join(_END_PATIENCE_S)
        if not self._saying.is_alive():
            with suppress(OSError):
                self._stdin.close()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_END_PATIENCE_S)
        _kill_tree(self._process)
        for thread, pipe in (
            (self._saying, self._stdin),
            (self._hearing, self._stdout),
            (self._draining, self._stderr),
        ):
            thread.join(_END_PATIENCE_S)
            # A process that got away may still hold the other end; then this one stays, too.
            if not thread.is_alive():
                with suppress(OSError):
                    pipe.close()

    def _say(self, line: bytes) -> None:
        # One that is gone already tells by its exit code why.
        with suppress(OSError):
            self._stdin.write(line)
            self._stdin.flush()

    def _hear(self) -> None:
        try:
            self._line = self._stdout.readline(MAX_READY_BYTES)
        finally:
            self._has_heard.set()
        # Of a bundle, the process that waits for the sidecar keeps it open.
        while self._stdout.read(_MAX_LOG_LINE_BYTES):
            pass

    def _drain(self) -> None:
        try:
            while line := self._stderr.readline(_MAX_LOG_LINE_BYTES):
                self._take_log(line.decode("utf-8", "replace").rstrip("\r\n"))
        finally:
            # Also when the front end's own function failed.
            while self._stderr.read(_MAX_LOG_LINE_BYTES):
                pass

    def _take_log(self, line: str) -> None:
        if not _REFUSAL.match(self._last_words):
            self._last_words = line
        if self._on_log:
            self._on_log(line)

    def _failure(self) -> LanspreadError:
        # Its last words come while it ends.
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_PATIENCE_S)
        self._draining.join(_END_PATIENCE_S)
        metadata = {"exit_code": str(self.exit_code), "last_line": self._last_words}
        if refusal := _REFUSAL.match(self._last_words):
            metadata["sidecar_reason"] = refusal[1]
        said = refusal[2] if refusal else self._last_words
        return LanspreadError(SPAWN_FAILED, f"the sidecar did not start: {said}", metadata)


def _pipe(end: IO[bytes] | None) -> IO[bytes]:
    assert end is not None
    return end


def _in_thread(work: Callable[..., None], *args: object) -> threading.Thread:
    thread = threading.Thread(target=work, args=args, name="lanspread sidecar", daemon=True)
    thread.start()
    return thread


def _kill_tree(process: "subprocess.Popen[bytes]") -> None:
    """Kill it and all that it started; nothing happens when it ended."""
    if process.poll() is not None:
        return
    with suppress(psutil.NoSuchProcess):
        for child in psutil.Process(process.pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                child.kill()
    process.kill()
    process.wait()
