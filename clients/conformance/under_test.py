"""What is tested with what: the clients' programs, and the sidecars that they spawn.

What is not built has no path, and says how it is built.
"""

import json
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.processes import BIN

ROOT = Path(__file__).resolve().parents[2]
_EXE = ".exe" if os.name == "nt" else ""

CLIENTS = ("python", "typescript", "rust")


@dataclass(frozen=True, slots=True)
class Built:
    """A program that can be run."""

    command: tuple[str, ...]

    def as_json(self) -> str:
        return json.dumps(self.command)


@dataclass(frozen=True, slots=True)
class NotBuilt:
    """A program that is not there, and why."""

    reason: str


def client_program(client: str) -> Built | NotBuilt:
    """The conformance program of a client; SCENARIOS.md has the table."""
    match client:
        case "python":
            return Built((sys.executable, "-m", "conformance"))
        case "typescript":
            return typescript_program("conformance/main.js")
        case "rust":
            return rust_program("conformance")
    raise LookupError(client)


def sidecar_program(sidecar: str) -> Built | NotBuilt:
    """The command of a sidecar, before `serve`."""
    if sidecar == "installed":
        return Built((str(BIN / f"lanspread-peer{_EXE}"),))
    if named := os.environ.get("CONFORMANCE_BUNDLE"):
        return _file(Path(named).absolute(), "CONFORMANCE_BUNDLE names it")
    found = sorted(path for path in (ROOT / "dist").glob("lanspread-peer-*") if path.is_file())
    return _file(found[0], "") if found else NotBuilt("no bundle in dist/: run `make bundle`")


def typescript_program(name: str) -> Built | NotBuilt:
    """A program of the built TypeScript client."""
    node = shutil.which("node")
    if node is None:
        return NotBuilt("Node.js is not installed")
    built = _file(ROOT / "clients/typescript/dist" / name, "run `make clients`")
    return Built((node, *built.command)) if isinstance(built, Built) else built


def rust_program(name: str) -> Built | NotBuilt:
    """An example of the built Rust client."""
    return _file(ROOT / f"clients/rust/target/debug/examples/{name}{_EXE}", "run `make clients`")


def require_built(name: str, program: Built | NotBuilt) -> Built:
    """The program; what is not built is skipped, unless CONFORMANCE_REQUIRED names it."""
    if isinstance(program, Built):
        return program
    if name in os.environ.get("CONFORMANCE_REQUIRED", "").split(","):
        pytest.fail(program.reason)
    pytest.skip(program.reason)


def _file(path: Path, advice: str) -> Built | NotBuilt:
    return Built((str(path),)) if path.is_file() else NotBuilt(f"{path} is not there: {advice}")
