"""A contender that is a Python module of this folder, run as the program of both ends.

`MODULE serve FILE CERTIFICATE KEY` prints its port, and `MODULE get PORT CERTIFICATE TARGET` how
many seconds the file took.
"""

import contextlib
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from bench.peers.certificate import write_certificate
from bench.peers.contender import Fetch, seconds_said_by
from bench.processes import first_line, running


def serving_by(module: str) -> Callable[[Path, Path], AbstractContextManager[Fetch]]:
    """How a Contender of this module serves."""
    command = (sys.executable, "-m", module)

    @contextlib.contextmanager
    def serve(file: Path, folder: Path) -> Iterator[Fetch]:
        certificate, key = write_certificate(folder)
        log = folder / "log"
        with running([*command, "serve", file, certificate, key], log) as server:
            port = first_line(server, log)
            yield lambda target: seconds_said_by([*command, "get", port, certificate, target])

    return serve
