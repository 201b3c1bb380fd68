"""Where the other programs are: unpacked below a folder that git ignores, or on this system."""

import os
import shutil
from pathlib import Path

from bench.peers.contender import Missing

CACHE = Path(__file__).resolve().parent.parent / ".cache"
DEBIAN = CACHE / "debian"
VENV_PYTHON = CACHE / "venv" / "bin" / "python"
S2N_QUIC = CACHE / "s2n_quic" / "release" / "s2n-quic-file"
HINT = "run: make bench-peers"


def program(name: str) -> list[str]:
    """The command that runs a program; raises Missing."""
    for folder in ("usr/bin", "usr/sbin"):
        unpacked = DEBIAN / folder / name
        if unpacked.exists():
            libraries = DEBIAN / "usr/lib" / f"{os.uname().machine}-linux-gnu"
            return ["env", f"LD_LIBRARY_PATH={libraries}", str(unpacked)]
    found = shutil.which(name)
    if found is None:
        raise Missing(f"{name} is not installed; {HINT}")
    return [found]


def required(path: Path) -> Path:
    """A file that the installation makes; raises Missing."""
    if not path.exists():
        raise Missing(f"{path.name} was not built; {HINT}")
    return path
