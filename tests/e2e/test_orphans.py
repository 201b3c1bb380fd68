"""A front end that dies takes its sidecar with it, whatever that does, and nothing is broken."""

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import grpc
import psutil
import pytest

from lanspread.peer.v1.types_pb2 import DOWNLOAD_STATE_FINISHED
from lanspread_client import LanspreadError, SyncClient
from lanspread_peer.control import parent_watch, process
from lanspread_peer.control.listen import remove_private_socket
from lanspread_peer.model.limits import MIN_RATE_LIMIT_BYTES_PER_SECOND, ORPHAN_GRACE_S
from support.game_trees import MIB, differences, make_game
from support.managed import QUIET, ManagedProcess
from support.processes import BIN, SidecarProcess, wait_for

SUPPORT = Path(__file__).parents[1] / "support"
STUCK = (sys.executable, SUPPORT / "stuck_main.py")
PATIENT = (sys.executable, SUPPORT / "patient_main.py")


class DoomedFrontEnd:
    """A front end in a process of its own, to be killed; a context manager that tidies up."""

    def __init__(
        self,
        folder: Path,
        *,
        command: Sequence[str | Path] = (BIN / "lanspread-peer",),
        held_open: bool = False,
        **said: Any,
    ) -> None:
        self.games, self.state = folder / "games", folder / "state"
        self.games.mkdir(parents=True, exist_ok=True)
        said = {"parent_pid": True, "settings": QUIET, **said}
        said |= {"game_dir": str(self.games), "state_dir": str(self.state)}
        with (folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, SUPPORT / "front_end_main.py", json.dumps(said)),
                    *(*command, "serve", "--managed"),
                ],
                stdout=subprocess.PIPE,
                stderr=log,
                env={**os.environ, **({"HELD_OPEN": "1"} if held_open else {})},
            )
        pids = self._read()
        self.sidecar = psutil.Process(pids["pid"])
        self._holder = pids["holder"]
        self.ready: dict[str, Any] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()
        with contextlib.suppress(psutil.NoSuchProcess):
            self.sidecar.kill()
        if self._holder:
            os.kill(self._holder, signal.SIGKILL)
        assert self._process.stdout is not None
        self._process.stdout.close()
        if self.ready:
            remove_private_socket(self.ready["address"])

    def wait_ready(self) -> Self:
        self.ready = self._read()
        return self

    def client(self) -> SyncClient:
        return SyncClient(self.ready["address"], self.ready["token"])

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line: dict[str, Any] = json.loads(self._process.stdout.readline())
        return line


def has_ended(process: psutil.Process) -> bool:
    try:
        # Nobody in a container may wait for one whose parent was killed.
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def require_end(front_end: DoomedFrontEnd) -> None:
    """The sidecar and all that it started are gone soon after its front end was killed."""
    family = [front_end.sidecar, *front_end.sidecar.children(recursive=True)]
    front_end.kill()
    wait_for("the end of the orphans", lambda: all(map(has_ended, family)))


def require_next_launch_works(front_end: DoomedFrontEnd, folder: Path) -> None:
    with ManagedProcess(folder).start() as following, following.client() as client:
        assert client.get_status().instance_id != front_end.ready.get("instance_id")


def list_games(client: SyncClient) -> None:
    """Until the sidecar dies."""
    with contextlib.suppress(LanspreadError):
        list(client.list_games())


def test_an_orphan_is_given_less_than_the_two_seconds_that_are_promised() -> None:
    assert parent_watch._POLL_S + ORPHAN_GRACE_S <= 1.5


@pytest.mark.parametrize("parent_pid", [True, None], ids=["with its pid", "by stdin alone"])
def test_a_sidecar_ends_with_its_front_end(tmp_path: Path, parent_pid: bool | None) -> None:
    with DoomedFrontEnd(tmp_path, parent_pid=parent_pid).wait_ready() as front_end:
        require_end(front_end)
        require_next_launch_works(front_end, tmp_path)


def test_a_stdin_that_somebody_else_holds_open_does_not_keep_it(tmp_path: Path) -> None:
    with DoomedFrontEnd(tmp_path, held_open=True).wait_ready() as front_end:
        require_end(front_end)
        require_next_launch_works(front_end, tmp_path)


@pytest.mark.parametrize("wait_s", [0.0, 0.2, 0.4, 0.6, 0.8])
def test_a_sidecar_that_is_starting_ends_with_its_front_end(tmp_path: Path, wait_s: float) -> None:
    with DoomedFrontEnd(tmp_path) as front_end:
        # Any moment must do; these are some.
        time.sleep(wait_s)
        require_end(front_end)
        require_next_launch_works(front_end, tmp_path)


def test_a_sidecar_that_is_hashing_ends_with_its_front_end(tmp_path: Path) -> None:
    # Zeros that are nowhere on the disk, and take many seconds to hash.
    with (make_game(tmp_path / "games") / "aoe2.eti").open("r+b") as archive:
        archive.truncate(32 * 1024 * MIB)
    with DoomedFrontEnd(tmp_path).wait_ready() as front_end:
        with front_end.client() as client:
            wait_for("the hashing", lambda: client.get_status().indexing)
        require_end(front_end)
        require_next_launch_works(front_end, tmp_path)


def test_a_download_goes_on_at_the_next_launch(tmp_path: Path) -> None:
    with SidecarProcess(tmp_path / "seeder") as seeder:
        make_game(seeder.games, megabytes=8)
        folder = tmp_path / "downloader"
        with DoomedFrontEnd(folder).wait_ready() as front_end:
            with front_end.client() as client:
                client.add_peer(seeder.address)
                wait_for("the game", lambda: any(game.variants for game in client.list_games()))
                client.update_settings(download_bytes_per_second=MIN_RATE_LIMIT_BYTES_PER_SECOND)
                started = client.download_game_files("aoe2")
                wait_for("some of it", lambda: client.get_download(started.id).done_bytes)
            require_end(front_end)
        assert not (front_end.games / "aoe2").exists()
        following = ManagedProcess(folder, settings={"peer": [seeder.address]})
        with following.start(), following.client() as client:
            client.update_settings(download_bytes_per_second=None)
            *_, last = client.follow_download(started.id)
            assert last.state == DOWNLOAD_STATE_FINISHED
            assert not differences(seeder.games / "aoe2", following.games / "aoe2")


def test_a_loop_that_stands_still_does_not_keep_an_orphan_alive(tmp_path: Path) -> None:
    with DoomedFrontEnd(tmp_path, command=STUCK).wait_ready() as front_end:
        with front_end.client() as client:
            listing = threading.Thread(target=list_games, args=[client])
            listing.start()
            log = tmp_path / "log"
            wait_for("the loop to stand still", lambda: "standing still" in log.read_text())
            require_end(front_end)
            listing.join()
        require_next_launch_works(front_end, tmp_path)


def test_a_call_that_runs_on_does_not_cost_an_orphan_its_orderly_end(tmp_path: Path) -> None:
    assert 2 * process._ORPHANS_CALLS_GRACE_S <= ORPHAN_GRACE_S
    with DoomedFrontEnd(tmp_path, command=PATIENT).wait_ready() as front_end:
        metadata = [("authorization", f"Bearer {front_end.ready['token']}")]
        with grpc.insecure_channel(front_end.ready["address"]) as channel:
            requests: queue.Queue[bytes] = queue.Queue()
            silent: Any = channel.stream_unary("/lanspread.peer.v1.PeerService/GetStatus")
            call = silent.future(iter(requests.get, b""), metadata=metadata)
            # On the same connection, so that the sidecar has had the first call by then.
            answered: Any = channel.unary_unary("/lanspread.peer.v1.PeerService/GetStatus")
            answered(b"", metadata=metadata, timeout=20)
            assert not call.done()
            require_end(front_end)
            requests.put(b"")
        assert not (front_end.state / "runtime.json").exists()


@pytest.mark.parametrize("is_buried", [True, False])
def test_a_parent_that_is_dead_already_is_the_end(tmp_path: Path, is_buried: bool) -> None:
    dead = subprocess.Popen(["true"])
    if is_buried:
        dead.wait()
    with ManagedProcess(tmp_path, parent_pid=dead.pid) as spawned:
        spawned.say()
        assert spawned.wait() == 0
        assert "the front end is gone" in spawned.log
    dead.wait()


def test_a_process_that_is_younger_is_no_parent(tmp_path: Path) -> None:
    with ManagedProcess(tmp_path) as spawned:
        born = psutil.Process(spawned.process.pid).create_time()
        # The id of a parent that died, given to another process since.
        younger = subprocess.Popen(["sleep", "1000"])
        while psutil.Process(younger.pid).create_time() <= born:
            younger.kill()
            younger.wait()
            younger = subprocess.Popen(["sleep", "1000"])
        try:
            spawned.said["parent_pid"] = younger.pid
            spawned.say()
            assert spawned.wait() == 0
        finally:
            younger.kill()
            younger.wait()


def test_a_front_end_that_only_closes_stdin_may_wait_for_an_orderly_end(tmp_path: Path) -> None:
    with ManagedProcess(tmp_path, command=STUCK).start() as spawned, spawned.client() as client:
        listing = threading.Thread(target=list_games, args=[client])
        listing.start()
        wait_for("the loop to stand still", lambda: "standing still" in spawned.log)
        spawned.close_stdin()
        with pytest.raises(subprocess.TimeoutExpired):
            spawned.process.wait(2 * ORPHAN_GRACE_S)
        spawned.process.kill()
        listing.join()
