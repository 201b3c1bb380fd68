"""libtorrent: one seed, one downloader."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from bench.peers.contender import Contender, Fetch, seconds_said_by
from bench.peers.programs import VENV_PYTHON, required
from bench.processes import first_line, running

_ENDS = Path(__file__).with_name("torrent_ends.py")


@contextlib.contextmanager
def _serving(file: Path, folder: Path) -> Iterator[Fetch]:
    command = [required(VENV_PYTHON), _ENDS]
    torrent, log = folder / "torrent", folder / "log"
    with running([*command, "seed", file, torrent], log) as seed:
        port = first_line(seed, log)
        yield lambda target: seconds_said_by([*command, "get", port, torrent, target])


LIBTORRENT = Contender("libtorrent", "none", "SHA-1 and SHA-256 of every piece", _serving)
