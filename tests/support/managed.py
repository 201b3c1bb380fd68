"""`lanspread-peer serve --managed` as a front end spawns it: real pipes, one line each way."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from lanspread_client import SyncClient
from support.processes import BIN, PATIENCE_S, remove_socket

# Nothing leaves this machine, and no other test is in the way.
QUIET = {"bind": "127.0.0.1", "port": 0, "mdns": False}


class ManagedProcess:
    """A spawned sidecar; a context manager that leaves no process behind.

    Its log is a file, unless `stderr` is something else. `said` overrides what it is told on stdin.
    """

    def __init__(
        self,
        folder: Path,
        *,
        command: Sequence[str | Path] = (BIN / "lanspread-peer",),
        flags: Sequence[str] = (),
        settings: Mapping[str, Any] | None = None,
        stderr: int | None = None,
        **said: Any,
    ) -> None:
        self.games = folder / "games"
        self.state = folder / "state"
        self.games.mkdir(parents=True, exist_ok=True)
        self.ready: dict[str, Any] = {}
        self._log_path = folder / "log"
        self.said = {
            "game_dir": str(self.games),
            "state_dir": str(self.state),
            "parent_pid": os.getpid(),
            "settings": {**QUIET, **(settings or {})},
            **said,
        }
        with self._log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [*command, "serve", "--managed", *flags],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log if stderr is None else stderr,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()
        remove_socket(self.state)
        if error is not None:
            sys.stderr.write(f"--- log\n{self.log}\n")

    def say(self, line: bytes | None = None) -> None:
        """Write the handshake, or another line."""
        assert self.process.stdin is not None
        self.process.stdin.write(line or json.dumps(self.said).encode() + b"\n")
        self.process.stdin.flush()

    def start(self) -> Self:
        """Write the handshake, and read the answer."""
        try:
            self.say()
            self.ready = json.loads(self.read_line())
        except BaseException as error:
            self.__exit__(type(error), error, None)
            raise
        return self

    def read_line(self) -> bytes:
        """A line of stdout; empty when that ended."""
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def close_stdin(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()

    def wait(self) -> int:
        """The exit code, which must come by itself."""
        return self.process.wait(timeout=PATIENCE_S)

    def client(self) -> SyncClient:
        return SyncClient(self.ready["address"], self.ready["token"])

    @property
    def log(self) -> str:
        return self._log_path.read_text("utf-8", "replace")
