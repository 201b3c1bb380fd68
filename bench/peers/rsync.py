"""An rsync daemon, and a client that copies a file or a whole folder from it."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from bench.peers.certificate import HOST
from bench.peers.contender import Contender, Fetch, seconds_of
from bench.peers.programs import program
from bench.processes import free_port, running, wait_listening

_CONFIGURATION = """
use chroot = no
reverse lookup = no
pid file = {folder}/pid
lock file = {folder}/lock
[files]
path = {served}
read only = yes
{user}
"""


@contextlib.contextmanager
def serve_tree(served: Path, folder: Path) -> Iterator[Fetch]:
    """A daemon for all in `served`; the fetch copies that into the folder it is given."""
    with _daemon(served, folder) as address:
        copy = [*program("rsync"), "--recursive", "--times", "--whole-file"]
        yield lambda target: seconds_of([*copy, f"{address}/", f"{target}/"])


@contextlib.contextmanager
def _serving(file: Path, folder: Path) -> Iterator[Fetch]:
    with _daemon(file.parent, folder) as address:
        copy = [*program("rsync"), "--whole-file", f"{address}/{file.name}"]
        yield lambda target: seconds_of([*copy, target])


@contextlib.contextmanager
def _daemon(served: Path, folder: Path) -> Iterator[str]:
    port, configuration, log = free_port(), folder / "rsyncd.conf", folder / "log"
    # As root, it would serve as nobody, who may not read our folders.
    user = "uid = root\ngid = root" if Path.home() == Path("/root") else ""
    configuration.write_text(
        _CONFIGURATION.format(folder=folder, served=served, user=user), "utf-8"
    )
    daemon = [*program("rsync"), "--daemon", "--no-detach", f"--config={configuration}"]
    with running([*daemon, f"--address={HOST}", f"--port={port}"], log):
        wait_listening(port)
        yield f"rsync://{HOST}:{port}/files"


RSYNC = Contender("rsync daemon", "none", "a checksum of each file", _serving)
