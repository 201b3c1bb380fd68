"""The doctor on real machines: what is well is told so, and what is broken is found."""

import json
import os
import shlex
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.namespaces import Link, Machine, network
from lanspread_peer.control.doctor.finding import Verdict
from lanspread_peer.control.doctor.network import check_running_port
from lanspread_peer.model.limits import MIB
from lanspread_peer.model.peer import Address
from lanspread_peer.storage import runtime_file
from lanspread_peer.storage.state_dir import open_state_dir
from support.firewall import Firewall
from support.mounts import needs_mounts, read_only, small_disk
from support.ports import free_port
from support.processes import BIN, PATIENCE_S, SidecarProcess, peer_program

QUIET = ("--bind", "127.0.0.1")
CHECKS = [
    *("sidecar", "versions", "interfaces", "multicast", "port", "game folder", "free space"),
    *("file system", "open files", "clock"),
]


class Diagnosis:
    """What the doctor said, by check."""

    def __init__(self, ended: subprocess.CompletedProcess[str]) -> None:
        assert ended.returncode in (0, 1), ended.stderr
        self.exit_code = ended.returncode
        self._checks = {each["check"]: each for each in json.loads(ended.stdout)["checks"]}
        assert list(self._checks) == CHECKS
        failed = any(each["verdict"] == "fail" for each in self._checks.values())
        assert self.exit_code == int(failed)

    def __getitem__(self, check: str) -> str:
        """The verdict."""
        return str(self._checks[check]["verdict"])

    def told(self, check: str) -> str:
        return f"{self._checks[check]['told']} {self._checks[check]['advice']}"


def diagnose(state_dir: Path, *options: str | Path) -> Diagnosis:
    return Diagnosis(peer_program("doctor", "--json", "--state-dir", state_dir, *options))


def test_a_sidecar_that_runs_is_asked_and_reached(tmp_path: Path) -> None:
    with SidecarProcess(tmp_path / "alice", port=free_port()) as alice:
        said = diagnose(alice.state)
        assert said.exit_code == 0
        well = ("sidecar", "versions", "multicast", "port", "game folder", "open files")
        assert {check: said[check] for check in well} == dict.fromkeys(well, "ok")
        assert str(alice.games) in said.told("game folder")
        assert said["interfaces"] == "warn"
        for_eyes = peer_program("doctor", "--state-dir", alice.state)
        assert "ok      port: the sidecar answers" in for_eyes.stdout
        by_client = alice.cli("doctor", "--json")
        assert Diagnosis(by_client)["port"] == "ok"


def test_a_sidecar_that_speaks_tls_is_asked_too(tmp_path: Path) -> None:
    options = ("--listen", "0.0.0.0:0")
    with SidecarProcess(tmp_path / "alice", options=options, port=free_port()) as alice:
        said = diagnose(alice.state)
    assert (said["sidecar"], said["versions"], said["port"]) == ("ok",) * 3


def test_addresses_where_nobody_answers_are_told() -> None:
    port = free_port()
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mute,
        socket.socket(socket.AF_INET, socket.SOCK_STREAM) as deaf,
    ):
        mute.bind(("127.0.0.1", port))
        # Bound and not listening, so that nobody else takes the number.
        deaf.bind(("127.0.0.1", port))
        finding = check_running_port([Address("127.0.0.1", port)])
    assert finding.verdict is Verdict.WARN
    assert f"UDP 127.0.0.1:{port}, TCP 127.0.0.1:{port}" in finding.told
    assert "firewall" in finding.advice


def test_one_that_runs_and_does_not_answer_fails(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as deaf:
        deaf.bind(("127.0.0.1", 0))
        state_dir = open_state_dir(str(tmp_path / "state"))
        address = f"127.0.0.1:{deaf.getsockname()[1]}"
        content = runtime_file.RuntimeFile(
            address=address,
            token="token",
            pid=os.getpid(),
            instance_id="instance",
            version="0.1.0",
            started_at=1.0,
        )
        runtime_file.write(state_dir, content)
        said = diagnose(state_dir, *QUIET)
    assert (said["sidecar"], said.exit_code) == ("fail", 1)
    assert str(os.getpid()) in said.told("sidecar")


def test_one_that_was_killed_is_none(tmp_path: Path) -> None:
    with SidecarProcess(tmp_path / "alice") as alice:
        alice.kill()
        said = diagnose(alice.state, *QUIET)
        assert said["sidecar"] == "skipped"
        assert "tidying up" in said.told("sidecar")
        alice.start()


def test_without_a_sidecar_the_machine_is_looked_at(tmp_path: Path) -> None:
    said = diagnose(tmp_path / "state", *QUIET, "--game-dir", tmp_path, "--port", "0")
    assert said.exit_code == 0
    assert (said["sidecar"], said["versions"], said["port"]) == ("skipped",) * 3
    assert (said["multicast"], said["game folder"]) == ("ok", "ok")
    assert not (tmp_path / "state").exists()


def test_nothing_but_the_machine_is_known_without_a_game_folder(tmp_path: Path) -> None:
    said = diagnose(tmp_path / "state", *QUIET, "--port", "0", "--no-mdns")
    about_games = ("game folder", "free space", "file system", "multicast")
    assert [said[check] for check in about_games] == ["skipped"] * 4


@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_STREAM])
def test_a_port_that_another_program_has_is_noticed(
    tmp_path: Path, kind: socket.SocketKind
) -> None:
    port = free_port()
    with socket.socket(socket.AF_INET, kind) as taken:
        taken.bind(("127.0.0.1", port))
        if kind is socket.SOCK_STREAM:
            taken.listen()
        said = diagnose(tmp_path, *QUIET, "--port", str(port))
    assert said["port"] == "fail"
    name = "UDP" if kind is socket.SOCK_DGRAM else "TCP"
    assert f"another program has {name} port {port}" in said.told("port")
    # The other one of the two is free, and it is free again now.
    assert diagnose(tmp_path, *QUIET, "--port", str(port))["port"] == "ok"


def test_a_game_folder_that_is_not_there_fails(tmp_path: Path) -> None:
    said = diagnose(tmp_path, *QUIET, "--game-dir", tmp_path / "gone")
    assert (said["game folder"], said["free space"], said.exit_code) == ("fail", "skipped", 1)


@needs_mounts
def test_a_game_folder_that_cannot_be_written_fails(tmp_path: Path) -> None:
    (tmp_path / "games").mkdir()
    with read_only(tmp_path / "games"):
        said = diagnose(tmp_path, *QUIET, "--game-dir", tmp_path / "games")
    assert said["game folder"] == "fail"


@needs_mounts
def test_a_disk_that_fills_up_warns_and_then_fails(tmp_path: Path) -> None:
    with small_disk(tmp_path / "games", 64) as disk:
        said = diagnose(tmp_path, *QUIET, "--game-dir", disk)
        assert (said["free space"], said["file system"]) == ("warn", "ok")
        assert "tmpfs" in said.told("file system")
        # So that less is left than the reserve, which downloads never touch.
        (disk / "large").write_bytes(bytes(62 * MIB))
        assert diagnose(tmp_path, *QUIET, "--game-dir", disk)["free space"] == "fail"


@pytest.mark.parametrize(("limit", "verdict"), [(64, "fail"), (200, "warn"), (4096, "ok")])
def test_the_limit_of_open_files_is_looked_at(tmp_path: Path, limit: int, verdict: str) -> None:
    command = shlex.join([str(BIN / "lanspread-peer"), "doctor", "--json", *QUIET])
    state = shlex.quote(str(tmp_path))
    ended = subprocess.run(
        ["sh", "-c", f"ulimit -Sn {limit} && exec {command} --state-dir {state}"],
        check=False,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert Diagnosis(ended)["open files"] == verdict


def test_an_address_that_is_not_ours_fails(tmp_path: Path) -> None:
    said = diagnose(tmp_path, "--bind", "203.0.113.7")
    assert (said["interfaces"], said["multicast"]) == ("fail", "fail")


class TestOnANetwork:
    """A machine of a small network of its own."""

    @pytest.fixture
    def machine(self) -> Iterator[Machine]:
        try:
            with network(Link(1000, 1000)) as [machine]:
                yield machine
        except RuntimeError as error:
            pytest.skip(str(error))

    def diagnose(self, machine: Machine, state: Path) -> Diagnosis:
        ended = subprocess.run(
            [*machine.run_by, BIN / "lanspread-peer", "doctor", "--json", "--state-dir", state],
            check=False,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )
        return Diagnosis(ended)

    def ip(self, machine: Machine, *words: str) -> None:
        subprocess.run([*machine.run_by, "ip", *words], check=True, capture_output=True)

    def test_one_that_is_well(self, machine: Machine, tmp_path: Path) -> None:
        self.ip(machine, "route", "add", "default", "dev", "eth0")
        said = self.diagnose(machine, tmp_path)
        assert (said["interfaces"], said["multicast"], said["port"]) == ("ok", "ok", "ok")
        assert machine.address in said.told("interfaces")

    def test_a_vpn_that_wins_is_noticed(self, machine: Machine, tmp_path: Path) -> None:
        self.ip(machine, "link", "add", "tun0", "type", "veth", "peer", "name", "far")
        self.ip(machine, "link", "set", "far", "up")
        self.ip(machine, "address", "add", "10.8.0.2/24", "dev", "tun0")
        self.ip(machine, "link", "set", "tun0", "up")
        self.ip(machine, "route", "add", "default", "dev", "tun0")
        said = self.diagnose(machine, tmp_path)
        assert said["interfaces"] == "warn"
        assert "tun0 wins" in said.told("interfaces")

    def test_a_firewall_that_drops_is_noticed(self, machine: Machine, tmp_path: Path) -> None:
        self.ip(machine, "route", "add", "default", "dev", "eth0")
        Firewall(machine, 26789)
        assert self.diagnose(machine, tmp_path)["multicast"] == "fail"

    def test_a_machine_without_a_network_fails(self, machine: Machine, tmp_path: Path) -> None:
        self.ip(machine, "link", "set", "eth0", "down")
        said = self.diagnose(machine, tmp_path)
        assert (said["interfaces"], said["multicast"]) == ("fail", "skipped")
