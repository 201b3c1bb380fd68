"""The token of a launch: who may not learn it, and where it never stands."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from lanspread_client import LanspreadError
from support.managed import ManagedProcess

SUPPORT = Path(__file__).parents[1] / "support"
CRASHING = (sys.executable, SUPPORT / "crashing_main.py")
TOKEN = "given-by-the-front-end-0123456789-0123456789"


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that other users may enter, as the one of the tests is closed to them."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def files_with(token: str, folder: Path) -> set[str]:
    return {
        path.name
        for path in folder.rglob("*")
        if path.is_file() and token.encode() in path.read_bytes()
    }


def tried_by_another_user(spawned: ManagedProcess) -> dict[str, str]:
    script = SUPPORT / "other_user.py"
    words = (str(spawned.process.pid), str(spawned.state), spawned.ready["address"])
    done = subprocess.run(
        [sys.executable, script, *words], check=True, capture_output=True, text=True, timeout=50
    )
    outcomes: dict[str, str] = json.loads(done.stdout)
    assert not any(spawned.ready["token"] in outcome for outcome in outcomes.values())
    return outcomes


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="only root may be others")
@pytest.mark.parametrize("listen", ["", "127.0.0.1:0"], ids=["socket", "port"])
def test_another_user_neither_gets_in_nor_learns_the_token(open_folder: Path, listen: str) -> None:
    (open_folder / "state").mkdir(mode=0o755)
    with ManagedProcess(open_folder, settings={"listen": listen}, token=TOKEN).start() as spawned:
        outcomes = tried_by_another_user(spawned)
    # What he may see: that there is a sidecar, and how it was started.
    assert "runtime.json" in outcomes.pop("names")
    assert "--managed" in outcomes.pop("arguments")
    refused = "UNAUTHENTICATED" if listen else "NO_ANSWER"
    assert outcomes.pop("call") == refused
    assert set(outcomes.values()) == {"PermissionError"}
    assert len(outcomes) == (4 if listen else 6)


def test_the_token_stands_nowhere_but_in_the_line_and_the_runtime_file(tmp_path: Path) -> None:
    command = (*CRASHING, "--log-level", "debug")
    with ManagedProcess(tmp_path, command=command, token=TOKEN).start() as spawned:
        with spawned.client() as client:
            with pytest.raises(LanspreadError):
                list(client.list_games())
            assert files_with(TOKEN, tmp_path) == {"runtime.json"}
            assert (spawned.state / "runtime.json").stat().st_mode & 0o777 == 0o600
            for name in ("cmdline", "environ"):
                process = Path("/proc") / str(spawned.process.pid)
                assert TOKEN not in (process / name).read_text()
            client.shutdown()
        assert spawned.wait() == 1
        assert "a call failed on purpose" in spawned.log
        assert "it crashed on purpose" in spawned.log
        assert spawned.read_line() == b""
    assert files_with(TOKEN, tmp_path) == set()


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such signal to send")
def test_a_crash_of_the_interpreter_tells_where_and_no_token(tmp_path: Path) -> None:
    with ManagedProcess(tmp_path, token=TOKEN).start() as spawned:
        spawned.process.send_signal(signal.SIGSEGV)
        assert spawned.wait() == -signal.SIGSEGV
        assert "Fatal Python error: Segmentation fault" in spawned.log
        assert files_with(TOKEN, tmp_path) == {"runtime.json"}


@pytest.mark.parametrize(
    "said", [f'"token": "{TOKEN}", "colour": 1', f'"token": "{TOKEN}"', f'"token": ["{TOKEN}"]']
)
def test_a_refused_handshake_does_not_tell_the_token(tmp_path: Path, said: str) -> None:
    with ManagedProcess(tmp_path) as spawned:
        spawned.say(f'{{"game_dir": "x", {said}}}\n'.encode())
        assert spawned.wait() == 5
    assert files_with(TOKEN, tmp_path) == set()
