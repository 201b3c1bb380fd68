"""The row `quic`: our QUIC transport against aioquic's stock asyncio protocol.

Server and client are two processes; runs of both contenders alternate, and their medians are
compared. The bytes are zeros in memory on one side and counted on the other. The figure is that of
a path with Ethernet's longest packets, a loopback of 1500 bytes in a network namespace of its own;
the plain loopback, whose long datagrams flatter us, is run beside it, and alone where the system
has no such namespaces.
"""

import argparse
import json
import statistics
import subprocess
import sys
from typing import Any

from bench.quic_ends import CONTENDERS
from lanspread_peer.model.limits import MIB

ROW = "quic"
TARGET = 2.0
UNIT = "times the throughput of aioquic's stock protocol"

ETHERNET = "ethernet"
LOOPBACK = "loopback"

_HOST = "127.0.0.1"
_TIMEOUT_S = 300.0
_IN_NAMESPACE = ("unshare", "--map-root-user", "--net", "sh", "-c")
_WITH_LINK = 'ip link set lo mtu 1500 up && exec "$@"'


def measure(*, rounds: int = 5, size: int = 64 * MIB) -> dict[str, Any]:
    """Let both fetch `size` bytes `rounds` times, alternating; the row's figure and its runs."""
    paths = [ETHERNET, LOOPBACK] if _has_namespaces() else [LOOPBACK]
    runs = [
        _run(path, contender, size)
        for _ in range(rounds)
        for path in paths
        for contender in CONTENDERS
    ]
    figures = {path: _figure([run for run in runs if run["path"] == path]) for path in paths}
    return {
        "row": ROW,
        "figure": round(figures[paths[0]], 2),
        "figures": {path: round(figure, 2) for path, figure in figures.items()},
        "target": TARGET,
        "unit": UNIT,
        "ok": all(figure >= TARGET for figure in figures.values()),
        "runs": runs,
    }


def _figure(runs: list[dict[str, Any]]) -> float:
    speeds: dict[str, list[float]] = {contender: [] for contender in CONTENDERS}
    for run in runs:
        speeds[run["contender"]].append(run["mb_per_s"])
    return statistics.median(speeds["ours"]) / statistics.median(speeds["stock"])


def _has_namespaces() -> bool:
    try:
        command = [*_IN_NAMESPACE, _WITH_LINK, "sh", "true"]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


def _run(path: str, contender: str, size: int) -> dict[str, Any]:
    with subprocess.Popen(
        [*_serving_in(path), *_end("serve", contender)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        port = json.loads(server.stdout.readline())["port"]
        client = _result([*_joining(path, server.pid), *_end("fetch", contender, port, size)])
        server.stdin.close()
        cost = json.loads(server.stdout.readline())
    return {
        "path": path,
        "contender": contender,
        "bytes": size,
        "seconds": round(client["seconds"], 3),
        "mb_per_s": round(size / client["seconds"] / 1e6, 1),
        "server_cpu_s": round(cost["cpu_s"], 2),
        "client_cpu_s": round(client["cpu_s"], 2),
        "server_loop_delay_p99_ms": round(cost["loop_delay_p99_ms"], 1),
        "client_loop_delay_p99_ms": round(client["loop_delay_p99_ms"], 1),
    }


def _serving_in(path: str) -> list[str]:
    return [] if path == LOOPBACK else [*_IN_NAMESPACE, _WITH_LINK, "sh"]


def _joining(path: str, server_pid: int) -> list[str]:
    if path == LOOPBACK:
        return []
    return ["nsenter", f"--target={server_pid}", "--user", "--net", "--preserve-credentials"]


def _result(command: list[str]) -> dict[str, float]:
    done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"the client failed: {done.stderr.strip()}")
    result: dict[str, float] = json.loads(done.stdout)
    return result


def _end(role: str, contender: str, *numbers: int) -> list[str]:
    rest = [str(number) for number in numbers]
    return [sys.executable, "-m", "bench.quic_ends", role, contender, _HOST, *rest]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object instead of lines")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    result = measure(rounds=arguments.rounds)
    if arguments.json:
        print(json.dumps(result))
        return
    for run in result.pop("runs"):
        print(*run.values())
    print(result)


if __name__ == "__main__":
    main()
