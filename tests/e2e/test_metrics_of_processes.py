"""Metrics of a real process: there when they are asked for, and else not even loaded."""

import json
import socket
import urllib.request
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from support.processes import SidecarProcess, peer_program, wait_for


def test_metrics_are_served_where_the_log_says(tmp_path: Path) -> None:
    options = ("--no-mdns", "--metrics", "127.0.0.1:0", "--log-format", "json")
    with SidecarProcess(tmp_path / "alice", options=options) as alice:
        lines = wait_for("the address", lambda: alice.log.splitlines())
        [told] = [each for each in map(json.loads, lines) if each["event"] == "metrics"]
        with urllib.request.urlopen(f"http://{told['address']}/metrics", timeout=30) as answer:
            assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
            families = list(text_string_to_metric_families(answer.read().decode()))
        delays = next(each for each in families if each.name == "lanspread_loop_delay_seconds")
        assert {sample.name.rpartition("_")[2] for sample in delays.samples} == {
            *("bucket", "count", "sum")
        }


def test_a_taken_port_for_metrics_is_exit_4(tmp_path: Path) -> None:
    (tmp_path / "games").mkdir()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ended = peer_program(
            *("serve", "--game-dir", tmp_path / "games", "--state-dir", tmp_path / "state"),
            *("--bind", "127.0.0.1", "--port", "0", "--no-mdns"),
            *("--metrics", f"127.0.0.1:{taken.getsockname()[1]}"),
        )
    assert (ended.returncode, "CANNOT_BIND" in ended.stderr) == (4, True)


def test_an_address_that_is_not_loopback_is_exit_2(tmp_path: Path) -> None:
    ended = peer_program("serve", "--game-dir", tmp_path, "--metrics", "0.0.0.0:9000")
    assert ended.returncode == 2
    assert "flag --metrics: metrics: expected a loopback address" in ended.stderr
