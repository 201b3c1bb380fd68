"""Makes the Python code of `proto/` in `proto/python`, or with --check says whether it is fresh.

Only what the compiler makes is written, replaced, or removed; a check changes nothing.
"""

import argparse
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parent.parent
PROTO = ROOT / "proto"
GENERATED = PROTO / "python"
PACKAGE = Path("lanspread") / "peer" / "v1"
PLUGINS = ("protoc-gen-mypy", "protoc-gen-mypy_grpc")


def main() -> int:
    """The exit code: 0 when done or fresh, 1 when stale."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="only compare, and fail when stale")
    only_check = parser.parse_args().check
    with TemporaryDirectory() as folder:
        fresh = Path(folder)
        _generate(fresh)
        stale = sorted(_differences(fresh))
        if not only_check:
            _replace(fresh)
            stale = []
    for path in stale:
        print(f"stale: proto/python/{path.as_posix()}", file=sys.stderr)
    if stale:
        print("run `make proto` and commit what it made", file=sys.stderr)
    return 1 if stale else 0


def _generate(target: Path) -> None:
    sources = sorted(
        path.relative_to(PROTO).as_posix() for path in (PROTO / PACKAGE).glob("*.proto")
    )
    command = [sys.executable, "-m", "grpc_tools.protoc", "--proto_path=."]
    command += [f"--plugin={name}={_plugin(name)}" for name in PLUGINS]
    command += [f"--{kind}_out={target}" for kind in ("python", "grpc_python")]
    command += [f"--{kind}_out=quiet:{target}" for kind in ("mypy", "mypy_grpc")]
    subprocess.run([*command, *sources], cwd=PROTO, check=True)
    # Tells type checkers of those who install us that the .pyi files are meant for them.
    (target / PACKAGE / "py.typed").touch()


def _plugin(name: str) -> str:
    found = shutil.which(name, path=str(Path(sys.executable).parent))
    if found is None:
        raise SystemExit(f"{name} is not installed beside {sys.executable}")
    return found


def _differences(fresh: Path) -> Iterator[Path]:
    for path in _files(fresh) | _files(GENERATED):
        made, kept = fresh / path, GENERATED / path
        if not made.exists() or not kept.exists() or made.read_bytes() != kept.read_bytes():
            yield path


def _files(root: Path) -> set[Path]:
    found = (root / PACKAGE.parts[0]).rglob("*")
    return {
        path.relative_to(root)
        for path in found
        if path.is_file() and "__pycache__" not in path.parts
    }


def _replace(fresh: Path) -> None:
    shutil.rmtree(GENERATED / PACKAGE.parts[0], ignore_errors=True)
    shutil.copytree(fresh / PACKAGE.parts[0], GENERATED / PACKAGE.parts[0])


if __name__ == "__main__":
    sys.exit(main())
