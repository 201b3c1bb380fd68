"""Fails when a source file of ours has grown past the length at which it should be two."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# proto/python is generated, so its length is nobody's choice.
FOLDERS = ("sidecar", "clients", "tests", "bench", "scripts", "demo")
SUFFIXES = frozenset([".py", ".rs", ".ts"])
# Made or fetched by the tools of a language.
FOREIGN = frozenset(["dist", "generated", "node_modules", "target"])
MAX_LINES = 400


def main() -> int:
    """The exit code: 1 when any file is too long."""
    too_long = [(path, lines) for path, lines in _lengths() if lines > MAX_LINES]
    for path, lines in too_long:
        print(f"{path.as_posix()}: {lines} lines, expected at most {MAX_LINES}", file=sys.stderr)
    return 1 if too_long else 0


def _lengths() -> Iterator[tuple[Path, int]]:
    for folder in FOLDERS:
        for parent, folders, names in os.walk(ROOT / folder):
            folders[:] = [name for name in folders if not _is_foreign(name)]
            for path in sorted(Path(parent, name) for name in names):
                if path.suffix in SUFFIXES:
                    yield path.relative_to(ROOT), len(path.read_bytes().splitlines())


def _is_foreign(folder: str) -> bool:
    return folder.startswith(".") or folder in FOREIGN


if __name__ == "__main__":
    sys.exit(main())
