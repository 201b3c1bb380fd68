"""Real sidecar processes on loopback, and the real command line that drives them."""

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import psutil

from lanspread.peer.v1.types_pb2 import LOCAL_STATE_INDEXING, Download, Status
from lanspread_client import LanspreadError, SyncClient, read_runtime_file
from lanspread_client.connection import FINAL_STATES
from lanspread_peer.control.listen import remove_private_socket

BIN = Path(sys.executable).parent
PATIENCE_S = 100.0

_T = TypeVar("_T")


def wait_for(what: str, look: Callable[[], _T | None], timeout_s: float = PATIENCE_S) -> _T:
    """What `look` finds, as soon as it finds something; fails the test after the timeout."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"waited {timeout_s:g} s in vain for {what}")


def is_answered(state: Path) -> bool:
    """Whether a client that looks for a sidecar of this state folder finds one that answers."""
    with contextlib.suppress(LanspreadError), SyncClient.connect(state) as client:
        return bool(client.get_status().instance_id)
    return False


def remove_socket(state: Path) -> None:
    """Remove the control socket that a killed sidecar of this state folder left."""
    with contextlib.suppress(LanspreadError):
        remove_private_socket(read_runtime_file(state).address)


def peer_program(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """Run `lanspread-peer` to its end, which must come by itself."""
    return subprocess.run(
        [BIN / "lanspread-peer", *words],
        check=False,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )


class SidecarProcess:
    """`lanspread-peer serve` in a process of its own; a context manager that starts and ends it."""

    def __init__(
        self,
        folder: Path,
        *,
        peers: Sequence[str] = (),
        options: Sequence[str] = (),
        program: Path = BIN / "lanspread-peer",
        port: int = 0,
    ) -> None:
        """Port 0 is another free one at each start."""
        self.name = folder.name
        self._program = program
        self.games = folder / "games"
        self.state = folder / "state"
        self.games.mkdir(parents=True, exist_ok=True)
        self._log_path = folder / "log"
        self._peers = peers
        self._options = options or ("--no-mdns",)
        self._port = port
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException as error:
            self.__exit__(type(error), error, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            self.kill()
            sys.stderr.write(f"--- log of {self.name}\n{self.log}\n")
        elif self.process.poll() is None:
            assert self.end() == 0, self.log
        # One that was killed cannot, and here nothing starts after it that would.
        remove_socket(self.state)

    def command(self) -> list[str]:
        """The command line of the process."""
        peers = [word for peer in self._peers for word in ("--peer", peer)]
        return [
            *(str(self._program), "serve", "--name", self.name),
            *("--game-dir", str(self.games), "--state-dir", str(self.state)),
            *("--bind", "127.0.0.1", "--port", str(self._port)),
            *peers,
            *self._options,
        ]

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self.launch()
        self.wait_serving()

    def launch(self) -> None:
        """Start it; what it does then, and whether it comes to anything, is left open."""
        with self._log_path.open("ab") as log:
            self._process = subprocess.Popen(
                self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def wait_serving(self) -> None:
        """Wait until it answers; it must not have ended."""
        wait_for(f"{self.name} to serve", self._status_or_end)

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "start() comes first"
        return self._process

    @property
    def log(self) -> str:
        return self._log_path.read_text("utf-8", "replace")

    def kill(self) -> None:
        """kill -9, as when somebody pulls the plug."""
        self.process.kill()
        self.process.wait()

    def end(self) -> int:
        """Ask it to end; its exit code."""
        self.process.terminate()
        return self.process.wait(timeout=PATIENCE_S)

    def status(self) -> Status:
        with self.client() as client:
            return client.get_status()

    @property
    def address(self) -> str:
        """Where other sidecars reach it."""
        return self.status().addresses[0]

    @property
    def peak_bytes(self) -> int:
        """The most memory it was resident with so far."""
        text = Path(f"/proc/{self.process.pid}/status").read_text("ascii")
        return next(
            int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("VmHWM")
        )

    @property
    def open_descriptors(self) -> int:
        return psutil.Process(self.process.pid).num_fds()

    @contextlib.contextmanager
    def client(self) -> Iterator[SyncClient]:
        with SyncClient.connect(self.state) as client:
            yield client

    def cli(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run the command line client to its end."""
        return subprocess.run(
            [BIN / "lanspread", "--state-dir", self.state, *words],
            check=False,
            capture_output=True,
            text=True,
            timeout=180,
        )

    def ask(self, *words: str) -> Any:
        """The JSON that a command of the client answers."""
        answer = self.cli(*words, "--json")
        assert answer.returncode == 0, answer.stderr
        return json.loads(answer.stdout)

    def wait_for_sources(self, game: str, count: int) -> None:
        """Wait until so many peers are seen to have the game, and what is here of it is hashed."""

        def look() -> bool:
            with self.client() as client:
                return any(
                    each.id == game
                    and each.peer_count == count
                    and each.local.state != LOCAL_STATE_INDEXING
                    for each in client.list_games()
                )

        wait_for(f"{count} sources of {game}", look)

    def has_no_work(self) -> bool:
        """Whether it serves, and no download of it is under way."""
        with contextlib.suppress(LanspreadError), self.client() as client:
            return all(download.state in FINAL_STATES for download in client.list_downloads())
        return False

    def wait_for_share(self, download_id: str, share: float) -> Download:
        """Wait until so much of a download is done."""

        def look() -> Download | None:
            with self.client() as client:
                download = client.get_download(download_id)
            return download if download.done_bytes >= share * download.total_bytes else None

        return wait_for(f"{share:.0%} of the download", look)

    def _status_or_end(self) -> Status | None:
        assert self.process.poll() is None, f"{self.name} ended: {self.log}"
        with contextlib.suppress(LanspreadError):
            return self.status()
        return None
