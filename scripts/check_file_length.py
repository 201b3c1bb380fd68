"""Fails when a Python file of ours has grown past the length at which it should be two."""

import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# proto/python is generated, so its length is nobody's choice.
FOLDERS = ("sidecar", "clients", "tests", "bench", "scripts", "demo")
MAX_LINES = 400


def main() -> int:
    """The exit code: 1 when any file is too long."""
    too_long = [(path, lines) for path, lines in _lengths() if lines > MAX_LINES]
    for path, lines in too_long:
        print(f"{path.as_posix()}: {lines} lines, expected at most {MAX_LINES}", file=sys.stderr)
    return 1 if too_long else 0


def _lengths() -> Iterator[tuple[Path, int]]:
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            relative = path.relative_to(ROOT)
            if not _is_foreign(relative):
                yield relative, len(path.read_bytes().splitlines())


def _is_foreign(path: Path) -> bool:
    return any(part.startswith(".") or part == "node_modules" for part in path.parts)


if __name__ == "__main__":
    sys.exit(main())
