"""What every other program is to a row: something that fetches one file, and on which terms."""

import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from bench.processes import Word, output_of

Fetch: TypeAlias = Callable[[Path], float]
"""Fetches the file to this path, which is not there yet, and tells how many seconds that took."""


class Missing(RuntimeError):
    """A program that is not installed here."""


@dataclass(frozen=True, slots=True)
class Contender:
    """`serve(file, folder)` runs whatever must run besides; it may use the empty folder.

    It raises Missing when a program is not there. One that is slow gets a part of the file, and is
    compared by its rate.
    """

    name: str
    encryption: str
    integrity: str
    serve: Callable[[Path, Path], AbstractContextManager[Fetch]]
    part: int = 1

    @property
    def terms(self) -> str:
        """What it does for its time."""
        return f"encryption: {self.encryption}; integrity: {self.integrity}"


def seconds_of(command: Sequence[Word]) -> float:
    """How long a program takes from its start to its end, which must be a good one."""
    started = time.perf_counter()
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    seconds = time.perf_counter() - started
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]} failed: {(done.stderr or done.stdout)[-2000:]}")
    return seconds


def seconds_said_by(command: Sequence[Word]) -> float:
    """What a program that measures itself prints."""
    return float(output_of(command))
