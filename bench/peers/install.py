"""Installs the other programs, each from its public package, into a folder that git ignores.

Debian's packages are unpacked and not installed, so nothing of the system changes and no service
starts. What cannot be had is told and left out; rows then report it as missing.
"""

import shutil
import subprocess
import sys
import venv
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.peers.programs import CACHE, DEBIAN, S2N_QUIC, VENV_PYTHON

PROGRAMS = {
    "nginx": "nginx",
    "curl": "curl",
    "aria2c": "aria2",
    "rsync": "rsync",
    "syncthing": "syncthing",
}
CRATE = Path(__file__).resolve().parent.parent / "s2n_quic"


def main() -> int:
    """The exit code: 1 when something could not be installed."""
    CACHE.mkdir(exist_ok=True)
    steps: dict[str, Callable[[], None]] = {
        "Debian's packages": unpack_debian,
        "libtorrent": install_libtorrent,
        "s2n-quic": build_s2n_quic,
    }
    return sum(not _try(name, step) for name, step in steps.items()) and 1


def unpack_debian() -> None:
    """Unpack the programs that this system lacks, with the libraries they need."""
    wanted = [package for name, package in PROGRAMS.items() if shutil.which(name) is None]
    if not wanted:
        return
    listing = _run(
        ["apt-get", "install", "--print-uris", "-qq", "-y", "--no-install-recommends", *wanted]
    )
    # A line is: 'ADDRESS' NAME_VERSION_ARCHITECTURE.deb SIZE HASH
    packages = sorted({line.split()[1].split("_")[0] for line in listing.splitlines()})
    downloads = CACHE / "packages"
    downloads.mkdir(exist_ok=True)
    _run(["apt-get", "download", "-qq", *packages], folder=downloads)
    for package in downloads.glob("*.deb"):
        _run(["dpkg-deb", "--extract", str(package), str(DEBIAN)])
    shutil.rmtree(downloads)


def install_libtorrent() -> None:
    """A virtual environment of its own, as it is none of our dependencies."""
    if not VENV_PYTHON.exists():
        venv.create(VENV_PYTHON.parent.parent, with_pip=True)
    _run([str(VENV_PYTHON), "-m", "pip", "install", "-q", "libtorrent"])


def build_s2n_quic() -> None:
    """Build our file server and client, with the versions that are locked."""
    target = str(S2N_QUIC.parent.parent)
    _run(["cargo", "build", "--release", "--locked", "-q", "--target-dir", target], folder=CRATE)


def _try(name: str, step: Callable[[], None]) -> bool:
    try:
        step()
    except (OSError, RuntimeError) as error:
        print(f"{name}: {error}", file=sys.stderr)
        return False
    print(f"{name}: there")
    return True


def _run(command: Sequence[str], folder: Path | None = None) -> str:
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=folder)
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]} failed: {done.stderr.strip()[-1000:]}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
