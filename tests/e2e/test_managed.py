"""`serve --managed` as front ends use it: the two lines, what they say, and wrong ones."""

import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lanspread_client import LanspreadError, SyncClient, read_runtime_file
from lanspread_peer import __version__
from support.managed import ManagedProcess
from support.processes import BIN

NOISY = (sys.executable, Path(__file__).parents[1] / "support" / "noisy_main.py")
TOKEN = "given-by-the-front-end-0123456789-0123456789"


def test_one_line_in_one_line_out_and_then_nothing(tmp_path: Path) -> None:
    with ManagedProcess(tmp_path).start() as spawned:
        assert spawned.ready.keys() == {
            *("lanspread", "address", "token", "pid", "api", "version", "instance_id")
        }
        assert (spawned.ready["lanspread"], spawned.ready["api"]) == (1, ["lanspread.peer.v1"])
        assert (spawned.ready["pid"], spawned.ready["version"]) == (
            spawned.process.pid,
            __version__,
        )
        with spawned.client() as client:
            status = client.get_status()
            assert status.instance_id == spawned.ready["instance_id"]
            assert Path(status.game_dir) == spawned.games
            # A command line on the same machine finds it too.
            with SyncClient.connect(spawned.state) as found:
                assert found.get_status().instance_id == status.instance_id
            client.shutdown()
        assert spawned.read_line() == b""
        assert spawned.wait() == 0
        assert not (spawned.state / "runtime.json").exists()
        assert not Path(spawned.ready["address"].removeprefix("unix:")).parent.exists()


def test_the_token_may_be_the_front_ends_own(tmp_path: Path) -> None:
    with ManagedProcess(tmp_path, token=TOKEN).start() as spawned:
        assert spawned.ready["token"] == TOKEN
        with spawned.client() as client:
            client.get_status()


def test_it_ends_cleanly_when_stdin_closes(tmp_path: Path) -> None:
    with ManagedProcess(tmp_path).start() as spawned:
        spawned.close_stdin()
        assert spawned.wait() == 0
        assert not (spawned.state / "runtime.json").exists()


def test_flags_win_over_the_handshake_and_that_over_the_file(tmp_path: Path) -> None:
    config = tmp_path / "lanspread.toml"
    config.write_text('name = "of the file"\npatience_seconds = 7.0\nport = 1\n')
    flags = ("--config", str(config), "--name", "of the flag")
    settings = {"name": "of the handshake", "patience_seconds": 5}
    with (
        ManagedProcess(tmp_path, flags=flags, settings=settings).start() as spawned,
        spawned.client() as client,
    ):
        chosen = client.get_settings()
        assert (chosen.name, chosen.patience_seconds) == ("of the flag", 5.0)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"colour": "red"}, "unknown key 'colour'"),
        ({"settings": {"colour": "red"}}, "'colour': expected one of the keys"),
        ({"settings": {"game_dir": "/x"}}, "'game_dir' belongs beside"),
        ({"settings": {"port": "0"}}, "port"),
        ({"settings": {"port": 65536}}, "port"),
        ({"settings": {"bind": "here"}}, "handshake: bind"),
        ({"settings": {"peer": ["no-port"]}}, "handshake: peer"),
        ({"settings": {"listen": "localhost:0"}}, "handshake: listen"),
        ({"token": "short"}, "token"),
    ],
)
def test_a_wrong_handshake_is_exit_5_and_says_what_is_wrong(
    tmp_path: Path, said: dict[str, Any], told: str
) -> None:
    with ManagedProcess(tmp_path, **said) as spawned:
        spawned.say()
        assert spawned.wait() == 5
        assert spawned.read_line() == b""
        assert spawned.log.startswith("lanspread-peer: HANDSHAKE_REFUSED: ")
        assert told in spawned.log
        assert spawned.log.count("\n") == 1


def test_a_wrong_flag_is_exit_2_all_the_same(tmp_path: Path) -> None:
    with ManagedProcess(tmp_path, flags=("--listen", "localhost:0")) as spawned:
        spawned.say()
        assert spawned.wait() == 2
        assert "INVALID_SETTING: flag --listen: listen" in spawned.log


def test_no_handshake_at_all_is_exit_5(tmp_path: Path) -> None:
    with ManagedProcess(tmp_path) as spawned:
        spawned.close_stdin()
        assert spawned.wait() == 5
        assert "HANDSHAKE_REFUSED" in spawned.log


def test_half_a_line_is_exit_5(tmp_path: Path) -> None:
    with ManagedProcess(tmp_path) as spawned:
        spawned.say(json.dumps({"game_dir": str(tmp_path)}).encode())
        spawned.close_stdin()
        assert spawned.wait() == 5


def test_a_front_end_that_never_reads_the_log_gets_answers_all_the_same(tmp_path: Path) -> None:
    loud = (*NOISY, "--log-level", "debug")
    with ManagedProcess(tmp_path, command=loud, stderr=subprocess.PIPE).start() as spawned:
        with spawned.client() as client:
            for _ in range(8):
                client.get_status()
            client.shutdown()
        # Nor does it wait for the log at its end.
        assert spawned.wait() == 0


def test_a_front_end_that_closes_the_log_gets_answers_all_the_same(tmp_path: Path) -> None:
    loud = (*NOISY, "--log-level", "debug")
    with ManagedProcess(tmp_path, command=loud, stderr=subprocess.PIPE).start() as spawned:
        assert spawned.process.stderr is not None
        spawned.process.stderr.close()
        with spawned.client() as client:
            for _ in range(8):
                client.get_status()
            client.shutdown()
        assert spawned.wait() == 0


def test_a_second_launch_is_exit_3_and_leaves_the_first_alone(tmp_path: Path) -> None:
    with ManagedProcess(tmp_path).start() as first:
        before = (first.state / "runtime.json").read_bytes()
        with ManagedProcess(tmp_path) as second:
            second.say()
            assert second.wait() == 3
            assert second.read_line() == b""
            assert "lanspread-peer: ALREADY_RUNNING: " in second.log
        assert (first.state / "runtime.json").read_bytes() == before
        with first.client() as client:
            assert client.get_status().instance_id == first.ready["instance_id"]
            client.shutdown()
        assert first.wait() == 0


def test_a_launch_after_a_kill_has_nothing_of_the_one_before(tmp_path: Path) -> None:
    with ManagedProcess(tmp_path).start() as killed:
        killed.process.kill()
        killed.process.wait()
        left = Path(killed.ready["address"].removeprefix("unix:"))
        assert left.exists()
        with ManagedProcess(tmp_path).start() as following:
            assert not left.parent.exists()
            for key in ("address", "token", "pid", "instance_id"):
                assert following.ready[key] != killed.ready[key]
            assert read_runtime_file(following.state).token == following.ready["token"]
            with (
                SyncClient(following.ready["address"], killed.ready["token"]) as stranger,
                pytest.raises(LanspreadError) as caught,
            ):
                stranger.get_status()
            assert caught.value.reason == "UNAUTHENTICATED"


def test_a_game_folder_that_is_not_there_is_exit_6(tmp_path: Path) -> None:
    with ManagedProcess(tmp_path, game_dir=str(tmp_path / "nowhere")) as spawned:
        spawned.say()
        assert spawned.wait() == 6
        assert "lanspread-peer: GAME_DIR_UNUSABLE: " in spawned.log


def test_a_taken_port_is_exit_4(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        with ManagedProcess(tmp_path, settings={"listen": listen}) as spawned:
            spawned.say()
            assert spawned.wait() == 4
            assert "lanspread-peer: CANNOT_BIND: " in spawned.log


def test_a_front_end_that_closed_stdout_is_exit_5(tmp_path: Path) -> None:
    with ManagedProcess(tmp_path) as spawned:
        assert spawned.process.stdout is not None
        spawned.process.stdout.close()
        spawned.say()
        assert spawned.wait() == 5
        assert "HANDSHAKE_REFUSED: stdout cannot be written" in spawned.log
        assert not (spawned.state / "runtime.json").exists()


@pytest.mark.parametrize(("flags", "is_told"), [((), False), (("--log-level", "info"), True)])
def test_the_log_has_the_level_of_the_handshake_unless_a_flag_says_another(
    tmp_path: Path, flags: tuple[str, ...], is_told: bool
) -> None:
    command: tuple[str | Path, ...] = (BIN / "lanspread-peer", *flags)
    with ManagedProcess(tmp_path, command=command, log_level="error").start() as spawned:
        spawned.close_stdin()
        assert spawned.wait() == 0
        assert ('"event": "ready"' in spawned.log) == is_told


def test_what_is_printed_goes_to_stderr(tmp_path: Path) -> None:
    # It prints once before it tells that it is ready, too.
    with ManagedProcess(tmp_path, command=NOISY).start() as spawned:
        with spawned.client() as client:
            client.get_status()
            client.shutdown()
        assert spawned.wait() == 0
        assert spawned.read_line() == b""
        assert spawned.log.count("printed on purpose") == 2
