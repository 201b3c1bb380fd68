"""Starting wrongly has an exit code and a reason; ending leaves nothing behind."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from lanspread_client import read_runtime_file
from support.game_trees import make_game
from support.processes import PATIENCE_S, SidecarProcess, peer_program


def serve(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Start a sidecar that is expected to end by itself."""
    (folder / "games").mkdir(parents=True, exist_ok=True)
    return peer_program(
        *("serve", "--game-dir", folder / "games", "--state-dir", folder / "state"),
        *("--bind", "127.0.0.1", "--port", "0", "--no-mdns"),
        *options,
    )


def test_a_missing_game_folder_is_exit_6(tmp_path: Path) -> None:
    ended = serve(tmp_path, "--game-dir", str(tmp_path / "nowhere"))
    assert (ended.returncode, "GAME_DIR_UNUSABLE" in ended.stderr) == (6, True)


def test_a_file_for_a_game_folder_is_exit_6(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert serve(tmp_path, "--game-dir", str(tmp_path / "file")).returncode == 6


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_game_folder_that_cannot_be_written_is_exit_6(tmp_path: Path) -> None:
    (tmp_path / "games").mkdir(mode=0o500)
    assert serve(tmp_path).returncode == 6


def test_a_second_sidecar_on_the_same_state_folder_is_exit_3(tmp_path: Path) -> None:
    with SidecarProcess(tmp_path / "one") as one:
        ended = serve(tmp_path / "two", "--state-dir", str(one.state))
        assert ended.returncode == 3
        assert "ALREADY_RUNNING" in ended.stderr
        assert str(one.process.pid) in ended.stderr
        assert one.status().name == "one"


def test_a_second_sidecar_on_the_same_game_folder_is_exit_3(tmp_path: Path) -> None:
    with SidecarProcess(tmp_path / "one") as one:
        assert serve(tmp_path / "two", "--game-dir", str(one.games)).returncode == 3


def test_a_taken_port_is_exit_4(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        ended = serve(tmp_path, "--port", str(taken.getsockname()[1]))
    assert (ended.returncode, "CANNOT_BIND" in ended.stderr) == (4, True)


def test_a_taken_control_port_is_exit_4(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ended = serve(tmp_path, "--listen", f"127.0.0.1:{taken.getsockname()[1]}")
    assert (ended.returncode, "CANNOT_BIND" in ended.stderr) == (4, True)


@pytest.mark.parametrize(
    "options",
    [
        ("--bind", "not-an-address"),
        ("--peer", "no-port"),
        ("--peer", "host:99999"),
        ("--port", "70000"),
        ("--listen", "localhost:5000"),
        ("--name", ""),
        ("--party", "/nonexistent"),
        ("--config", "/nonexistent.toml"),
        ("--no-such-flag",),
    ],
)
def test_a_wrong_setting_is_exit_2(tmp_path: Path, options: tuple[str, ...]) -> None:
    ended = serve(tmp_path, *options)
    assert ended.returncode == 2, ended.stderr
    assert ended.stderr


def test_a_config_file_with_an_unknown_key_is_exit_2_and_names_it(tmp_path: Path) -> None:
    config = tmp_path / "lanspread.toml"
    config.write_text('name = "alice"\ncolour = "red"\n')
    ended = serve(tmp_path, "--config", str(config))
    assert ended.returncode == 2
    assert "colour" in ended.stderr


@pytest.mark.parametrize(
    "line",
    [
        'mdns = "no"',
        'peer = "host:1"',
        "name = [",
        "name = " + "[" * 5000,
        "port = inf",
        "peer = [1]",
    ],
)
def test_a_config_value_of_the_wrong_kind_is_exit_2(tmp_path: Path, line: str) -> None:
    config = tmp_path / "lanspread.toml"
    config.write_text(line)
    ended = serve(tmp_path, "--config", str(config))
    assert ended.returncode == 2, ended.stderr


def test_flags_win_over_the_config_file(tmp_path: Path) -> None:
    config = tmp_path / "lanspread.toml"
    config.write_text('name = "from the file"\nmdns = false\npatience_seconds = 5.0\n')
    with SidecarProcess(tmp_path / "from the flag", options=("--config", str(config))) as sidecar:
        assert sidecar.status().name == "from the flag"


@pytest.mark.parametrize("how", ["SIGTERM", "SIGINT", "shutdown"])
def test_the_end_is_clean_however_it_is_asked_for(tmp_path: Path, how: str) -> None:
    with SidecarProcess(tmp_path / "alice") as alice:
        make_game(alice.games)
        with alice.client() as client:
            events = client.events()
            next(iter(events))
            socket_folder = Path(
                read_runtime_file(alice.state).address.removeprefix("unix:")
            ).parent
            assert socket_folder.stat().st_mode & 0o777 == 0o700
            if how == "shutdown":
                assert alice.cli("shutdown").returncode == 0
            else:
                alice.process.send_signal(signal.Signals[how])
            assert alice.process.wait(timeout=PATIENCE_S) == 0
            events.close()
        assert not (alice.state / "runtime.json").exists()
        assert not socket_folder.exists()
        assert "Traceback" not in alice.log


@pytest.mark.skipif(sys.platform != "linux", reason="asks the system in its own way")
def test_without_standard_streams_it_serves_and_gives_their_numbers_to_nothing_else(
    tmp_path: Path,
) -> None:
    class Closed(SidecarProcess):
        def command(self) -> list[str]:
            # The shell closes them and becomes the sidecar.
            return ["sh", "-c", 'exec "$0" "$@" <&- >&- 2>&-', *super().command()]

    with Closed(tmp_path / "alice") as alice:
        for number in "012":
            link = Path("/proc") / str(alice.process.pid) / "fd" / number
            assert str(link.readlink()) == os.devnull


def test_after_a_kill_the_next_start_works_and_tidies_up(tmp_path: Path) -> None:
    alice = SidecarProcess(tmp_path / "alice")
    with alice:
        first = alice.status()
        left = Path(read_runtime_file(alice.state).address.removeprefix("unix:"))
        alice.kill()
        assert left.exists()
        alice.start()
        assert not left.parent.exists()
        second = alice.status()
    assert second.peer_id == first.peer_id
    assert second.instance_id != first.instance_id


def test_healthcheck_tells_whether_it_serves(tmp_path: Path) -> None:
    def health() -> int:
        state = tmp_path / "alice" / "state"
        return peer_program("healthcheck", "--state-dir", state).returncode

    assert health() == 1
    with SidecarProcess(tmp_path / "alice") as alice:
        assert health() == 0
        alice.end()
        assert health() == 1


def test_indexing_before_the_party_leaves_nothing_to_hash(tmp_path: Path) -> None:
    alice = SidecarProcess(tmp_path / "alice")
    make_game(alice.games, megabytes=3)
    folders = ("--game-dir", alice.games, "--state-dir", alice.state)
    first = peer_program("index", *folders)
    again = peer_program("index", *folders)
    assert "hashed 3.0 MiB" in first.stdout
    assert "hashed 0.0 MiB" in again.stdout
