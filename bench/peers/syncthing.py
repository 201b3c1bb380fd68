"""Two syncthing daemons: one has the file and has hashed it, the other is given the folder."""

import contextlib
import json
import shutil
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.peers.certificate import HOST
from bench.peers.contender import Contender, Fetch
from bench.peers.programs import program
from bench.processes import free_port, output_of, running, wait_listening
from bench.sidecar import wait_until

_KEY = "bench"
_FOLDER = "shared"
_STEP_S = 0.02
# Without these it would look for the whole world; and as it syncs files, so would no disk here.
_OPTIONS = {
    "globalAnnounceEnabled": False,
    "localAnnounceEnabled": False,
    "relaysEnabled": False,
    "natEnabled": False,
    "crashReportingEnabled": False,
    "urAccepted": -1,
    "reconnectionIntervalS": 1,
}


class _Daemon:
    """One running syncthing and its REST interface."""

    def __init__(self, home: Path, gui_port: int) -> None:
        self.port = free_port()
        self._home = home
        self._address = f"http://{HOST}:{gui_port}/rest"
        self.id: str = self._ask("GET", "system/status")["myID"]
        options = {**_OPTIONS, "listenAddresses": [f"tcp://{HOST}:{self.port}"]}
        self._ask("PATCH", "config/options", options)

    def know(self, other: "_Daemon") -> None:
        """Connect to another one."""
        device = {"deviceID": other.id, "addresses": [f"tcp://{HOST}:{other.port}"]}
        self._ask("POST", "config/devices", device)

    def share(self, path: Path, other: "_Daemon", kind: str) -> None:
        """Keep a folder in step with another daemon."""
        folder = {
            "id": _FOLDER,
            "path": str(path),
            "type": kind,
            "devices": [{"deviceID": self.id}, {"deviceID": other.id}],
            "fsWatcherEnabled": False,
            "rescanIntervalS": 0,
            "disableFsync": True,
        }
        self._ask("POST", "config/folders", folder)

    def unshare(self) -> None:
        """Forget the folder and all that is known of it."""
        self._ask("DELETE", f"config/folders/{_FOLDER}")

    def is_connected_to(self, other: "_Daemon") -> bool:
        """Whether they see each other."""
        known = self._ask("GET", "system/connections")["connections"].get(other.id, {})
        return bool(known.get("connected"))

    def has(self, size: int) -> bool:
        """Whether so many bytes of the folder are here and nothing is under way."""
        status = self._ask("GET", f"db/status?folder={_FOLDER}")
        return bool(status["state"] == "idle" and status["localBytes"] >= size)

    def _ask(self, method: str, path: str, content: object = None) -> Any:
        data = None if content is None else json.dumps(content).encode()
        headers = {"X-API-Key": _KEY, "Content-Type": "application/json"}
        request = urllib.request.Request(
            f"{self._address}/{path}", data=data, headers=headers, method=method
        )
        # No proxy that the environment names has a say in what this machine asks itself.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=60) as answer:
            body = answer.read()
        return json.loads(body) if body else None


@contextlib.contextmanager
def _serving(file: Path, folder: Path) -> Iterator[Fetch]:
    shared = folder / "shared"
    shared.mkdir()
    (shared / file.name).hardlink_to(file)
    size = file.stat().st_size
    with _daemon(folder / "source") as source, _daemon(folder / "taker") as taker:
        source.know(taker)
        taker.know(source)
        source.share(shared, taker, "sendonly")
        wait_until(lambda: source.has(size), "syncthing to hash the file")
        wait_until(lambda: taker.is_connected_to(source), "syncthing to connect")

        def fetch(target: Path) -> float:
            synced = target.with_suffix(".synced")
            synced.mkdir()
            started = time.perf_counter()
            taker.share(synced, source, "receiveonly")
            wait_until(lambda: taker.has(size), "syncthing to finish", _STEP_S)
            seconds = time.perf_counter() - started
            taker.unshare()
            (synced / file.name).rename(target)
            shutil.rmtree(synced)
            return seconds

        yield fetch


@contextlib.contextmanager
def _daemon(home: Path) -> Iterator[_Daemon]:
    command = program("syncthing")
    output_of([*command, "generate", f"--home={home}", "--no-default-folder"])
    port = free_port()
    serve = [*command, "serve", f"--home={home}", "--no-browser", "--no-restart", "--no-upgrade"]
    log = home / "log"
    with running(
        [*serve, f"--gui-address=http://{HOST}:{port}", f"--gui-apikey={_KEY}", f"--logfile={log}"],
        home / "errors",
    ):
        wait_listening(port)
        yield _Daemon(home, port)


SYNCTHING = Contender("syncthing", "TLS 1.3", "SHA-256 of every block", _serving)
