"""Sidecars end as they are told when the system gives them nothing more, and say what is wrong."""

import sys
from pathlib import Path

import psutil
import pytest

from lanspread_peer.control.exit_codes import ExitCode
from support.managed import ManagedProcess
from support.mounts import in_use, needs_mounts


@pytest.mark.skipif(sys.platform != "linux", reason="sets the limits of another process")
def test_it_ends_when_stdin_closes_though_no_file_can_be_opened(tmp_path: Path) -> None:
    import resource

    with ManagedProcess(tmp_path).start() as spawned:
        # What is open stays so.
        psutil.Process(spawned.process.pid).rlimit(resource.RLIMIT_NOFILE, (3, 3))
        spawned.close_stdin()
        assert spawned.wait() == ExitCode.CLEAN
        assert "the runtime file stays" in spawned.log
        assert "Traceback" not in spawned.log
    with ManagedProcess(tmp_path).start() as following, following.client() as client:
        assert client.get_status().instance_id != spawned.ready["instance_id"]


@needs_mounts
def test_a_runtime_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    runtime_file = tmp_path / "state" / "runtime.json"
    runtime_file.parent.mkdir()
    runtime_file.touch()
    with in_use(runtime_file), ManagedProcess(tmp_path) as spawned:
        spawned.say()
        assert spawned.read_line() == b""
        assert spawned.wait() == ExitCode.CRASH
        assert "lanspread-peer: FILE_LOCKED: cannot" in spawned.log
        assert "Traceback" not in spawned.log
