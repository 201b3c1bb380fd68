"""Real sidecar processes, each with folders of its own, driven by the Python client."""

import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Self

from bench.games import GAME
from bench.namespaces import Machine
from lanspread.peer.v1.types_pb2 import DOWNLOAD_STATE_FINISHED, Download, Status
from lanspread_client import LanspreadError, SyncClient

PATIENCE_S = 60.0
LOOPBACK = "127.0.0.1"
THIS_PROGRAM = (sys.executable, "-m", "lanspread_peer")
# What is installed was compiled then; a checkout is at its first start, when nothing forbids that.
INSTALLED = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}


class Sidecar:
    """`lanspread-peer serve` in a process of its own; a context manager that starts and ends it."""

    def __init__(
        self,
        folder: Path,
        *,
        peers: Sequence[str] = (),
        bind: str = LOOPBACK,
        port: int = 0,
        run_by: Sequence[str] = (),
        program: Sequence[str] = THIS_PROGRAM,
    ) -> None:
        """`run_by` is a command that runs the program, as `ip netns exec NAME` does."""
        self.folder = folder
        self.games = folder / "games"
        self.games.mkdir(parents=True, exist_ok=True)
        self._state = folder / "state"
        self._log = folder / "log"
        words = [word for peer in peers for word in ("--peer", peer)]
        self._command = [
            *run_by,
            *(*program, "--log-level", "warning", "serve"),
            *("--game-dir", str(self.games), "--state-dir", str(self._state)),
            *("--name", folder.name, "--bind", bind, "--port", str(port), "--no-mdns"),
            *words,
        ]
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> float:
        """Start it and wait until it answers; how many seconds that took."""
        started = time.perf_counter()
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=INSTALLED
            )
        wait_until(self._answers, f"{self.folder.name} to start", step_s=0.005)
        return time.perf_counter() - started

    def stop(self) -> None:
        """End it, as a user does."""
        self.process.terminate()
        self.process.wait(timeout=PATIENCE_S)

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The process; `start` comes first."""
        assert self._process is not None, "start() comes first"
        return self._process

    @contextlib.contextmanager
    def client(self) -> Iterator[SyncClient]:
        """A connection to it."""
        with SyncClient.connect(self._state) as client:
            yield client

    def status(self) -> Status:
        """What it says of itself."""
        with self.client() as client:
            return client.get_status()

    @property
    def address(self) -> str:
        """Where other sidecars reach it."""
        return self.status().addresses[0]

    def wait_hashed(self) -> None:
        """Wait until it offers all its games."""
        with self.client() as client:
            wait_until(lambda: not client.get_status().indexing, "all games to be hashed")

    def wait_sources(self, count: int) -> None:
        """Wait until it sees so many peers that have the game."""
        with self.client() as client:
            wait_until(
                lambda: any(
                    each.id == GAME and each.peer_count == count for each in client.list_games()
                ),
                f"{count} sources",
            )

    def wait_peers(self, count: int) -> None:
        """Wait until it is connected to so many peers."""
        with self.client() as client:
            wait_until(lambda: client.get_status().peer_count >= count, f"{count} peers")

    def download(self) -> float:
        """Seconds from the command to the event that the game is there."""
        with self.client() as client:
            started = time.perf_counter()
            last: Download | None = None
            for last in client.download(GAME):  # noqa: B007 - the last one tells
                continue
            seconds = time.perf_counter() - started
        if last is None or last.state != DOWNLOAD_STATE_FINISHED:
            raise RuntimeError(f"the download did not finish: {last}\n{self.log}")
        return seconds

    @property
    def log(self) -> str:
        """What it said, for whoever looks for a fault."""
        return self._log.read_text("utf-8", "replace")

    def memory(self, line: str = "VmRSS") -> int:
        """Resident bytes now, or with `VmHWM` the most so far."""
        text = Path(f"/proc/{self.process.pid}/status").read_text("ascii")
        lines = (each.split() for each in text.splitlines())
        return next(int(words[1]) * 1024 for words in lines if words[0] == f"{line}:")

    def _answers(self) -> bool:
        if self.process.poll() is not None:
            raise RuntimeError(f"{self.folder.name} ended: {self.log}")
        with contextlib.suppress(LanspreadError):
            return bool(self.status().peer_id)
        return False


@contextlib.contextmanager
def downloader(
    folder: Path, sources: Sequence[str], machine: Machine | None = None
) -> Iterator[Sidecar]:
    """A new sidecar that has nothing yet and sees the game at all sources; leaves no file.

    It runs on that machine of a shaped network, or on loopback.
    """
    bind, run_by = (machine.address, machine.run_by) if machine else (LOOPBACK, ())
    try:
        with Sidecar(folder, peers=sources, bind=bind, run_by=run_by) as sidecar:
            sidecar.wait_sources(len(sources))
            sidecar.wait_hashed()
            yield sidecar
    finally:
        shutil.rmtree(folder)


def wait_until(look: Callable[[], bool], what: str, step_s: float = 0.05) -> None:
    """Wait until `look` says so; raises TimeoutError when it does not for too long."""
    deadline = time.monotonic() + PATIENCE_S
    while not look():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {PATIENCE_S:g} s in vain for {what}")
        time.sleep(step_s)
