"""Takes one guard after the other out of a copy of the code, and sees some test turn red each time.

A guard that can go without a test noticing is one that will go some day. Ends with 1 when a test
stays green, is red without any sabotage, or a sabotage no longer fits the code. Arguments are parts
of names, to try only those sabotages. Nothing is ever changed in this checkout.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sabotage_entry import Sabotage
from sabotages import SABOTAGES

ROOT = Path(__file__).resolve().parent.parent
_COPIED = ("sidecar", "clients/python", "proto/python", "tests", "bench", "pyproject.toml")
_SOURCES = ("sidecar", "clients/python", "proto/python")
# What pytest ends with when tests ran and some failed; anything else is a fault of its own.
_GREEN, _RED = 0, 1
_OUTCOMES = {_GREEN: "GREEN", _RED: "red"}
_LONGEST_S = 180.0
# What a sabotage does not break on purpose: then the tests would be red for a wrong reason.
_NOT_A_TEST = ("SyntaxError", "NameError", "ImportError", "ModuleNotFoundError", "IndentationError")


@dataclass(frozen=True, slots=True)
class Run:
    """How some tests ended: pytest's exit code, its last lines, and how long they took."""

    code: int
    output: str
    seconds: float

    @property
    def outcome(self) -> str:
        if any(f"E   {name}" in self.output for name in _NOT_A_TEST):
            return "BROKEN"
        return _OUTCOMES.get(self.code, "BROKEN")


class Copy:
    """A copy of the sources and tests, in which things may be broken."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        for name in _COPIED:
            source, target = ROOT / name, folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", ".*"))
            else:
                shutil.copy2(source, target)
        paths = os.pathsep.join(str(folder / name) for name in _SOURCES)
        # Without caches a file that changed twice within a second is still read anew.
        self._environment = {**os.environ, "PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1"}
        self._environment.pop("LANSPREAD_LONG", None)

    def is_what_runs(self) -> bool:
        """Whether the copy is imported, and not the checkout that is installed."""
        script = "import lanspread_peer; print(lanspread_peer.__file__)"
        answer = self._python("-c", script)
        return Path(answer.stdout.strip()).is_relative_to(self._folder)

    def test(self, tests: Iterable[str]) -> Run:
        started = time.monotonic()
        options = ("-x", "-q", "-p", "no:cacheprovider", "--timeout=30")
        try:
            ended = self._python("-m", "pytest", *options, *tests)
        except subprocess.TimeoutExpired:
            return Run(-1, "took too long", time.monotonic() - started)
        return Run(ended.returncode, ended.stdout[-8000:], time.monotonic() - started)

    def sabotaged(self, sabotage: Sabotage) -> Run:
        """The tests of a sabotage with it in place; afterwards the copy is whole again."""
        file = self._folder / sabotage.file
        whole = file.read_text("utf-8")
        if whole.count(sabotage.old) != 1:
            count = whole.count(sabotage.old)
            return Run(-1, f"the text to replace stands {count} times in {sabotage.file}", 0.0)
        try:
            file.write_text(whole.replace(sabotage.old, sabotage.new), "utf-8")
            return self.test(sabotage.tests)
        finally:
            file.write_text(whole, "utf-8")

    def _python(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self._folder,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_LONGEST_S,
            check=False,
        )


def main() -> int:
    """The exit code."""
    chosen = [s for s in SABOTAGES if not sys.argv[1:] or any(a in s.name for a in sys.argv[1:])]
    with tempfile.TemporaryDirectory(prefix="lanspread-sabotage-") as folder:
        copy = Copy(Path(folder).resolve())
        if not copy.is_what_runs():
            print("the copy is not what Python imports", file=sys.stderr)
            return 1
        print(f"{'sabotage':<56} {'outcome':<8} {'seconds':>7}  tests", flush=True)
        whole = copy.test(sorted({test for sabotage in chosen for test in sabotage.tests}))
        _print("none: all tests are green", whole, wanted=_GREEN, tests=())
        failures = int(whole.code != _GREEN)
        for sabotage in chosen:
            run = copy.sabotaged(sabotage)
            _print(sabotage.name, run, wanted=_RED, tests=sabotage.tests)
            failures += run.outcome != "red"
    print(f"{len(chosen)} sabotages, {failures} not as expected")
    return 1 if failures else 0


def _print(name: str, run: Run, *, wanted: int, tests: tuple[str, ...]) -> None:
    print(f"{name:<56} {run.outcome:<8} {run.seconds:7.1f}  {' '.join(tests)}", flush=True)
    if run.code != wanted or run.outcome == "BROKEN":
        print(run.output, flush=True)


if __name__ == "__main__":
    sys.exit(main())
