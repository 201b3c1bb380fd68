"""Starts and ends hostile peers, each a process of its own and at an address of its own."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from support import hostile_process

TESTS = Path(__file__).parent.parent
_PATIENCE_S = 60.0


class HostileProcess:
    """One hostile peer that is starting."""

    def __init__(self, mode: str, host: str, arguments: Sequence[str], log: Path) -> None:
        self.mode = mode
        self._address = ""
        self._log = log
        with log.open("wb") as errors:
            self._process = subprocess.Popen(
                [sys.executable, hostile_process.__file__, mode, "--bind", host, *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env={"PYTHONPATH": str(TESTS)},
            )

    @property
    def address(self) -> str:
        """Where it listens, once it does."""
        if not self._address:
            assert self._process.stdout is not None
            line = self._process.stdout.readline()
            assert line, f"{self.mode} did not start: {self._log.read_text()}"
            self._address = json.loads(line)["address"]
        return self._address

    @property
    def cpu_s(self) -> float:
        """The processor time it took so far."""
        times = psutil.Process(self._process.pid).cpu_times()
        return times.user + times.system

    def end(self) -> None:
        """End it; fails when it was not alive, as then it had not been hostile to the end."""
        assert self._process.poll() is None, f"{self.mode} ended: {self._log.read_text()}"
        try:
            self._process.communicate(timeout=_PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def kill(self) -> None:
        """End it, however it is."""
        self._process.kill()
        self._process.communicate()


class Crowd:
    """Hostile processes for one test; a context manager that ends them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.members: list[HostileProcess] = []

    def __enter__(self) -> Self:
        self._folder.mkdir()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for member in self.members:
            if error is None:
                member.end()
            else:
                member.kill()

    def add_sources(self, modes: Sequence[str], game: Path) -> list[str]:
        """Sources of this game, one for each mode; where they listen."""
        return self._add(modes, ["--game", str(game)])

    def add_callers(self, modes: Sequence[str], target: str) -> None:
        """Callers that attack this address, one for each mode."""
        self._add(modes, ["--target", target])

    def _add(self, modes: Sequence[str], arguments: Sequence[str]) -> list[str]:
        added = []
        for mode in modes:
            number = len(self.members)
            host = _host(number)
            log = self._folder / f"{number}-{mode}.log"
            member = HostileProcess(mode, host, arguments, log)
            self.members.append(member)
            added.append(member)
        # They start together, and each is waited for only then.
        return [member.address for member in added]


def _host(number: int) -> str:
    # Elsewhere the loopback network has one address, unless somebody configured more.
    return f"127.0.1.{number + 1}" if sys.platform == "linux" else "127.0.0.1"
