"""Resident memory: idle with many connections, and with many sources at full speed."""

import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench.games import link_game, make_big_game
from bench.options import MIB, Options
from bench.result import Result, at_most
from bench.sidecar import Sidecar, downloader
from bench.statistic import Series

CONNECTIONS = 64
SOURCES = 8
MAX_IDLE_MIB = 80.0
MAX_BUSY_MIB = 160.0
# Two runs differ by as much without any cause; what grew with a file would grow by hundreds.
MAX_GROWTH_MIB = 24.0
SETTLE_S = 3.0


def measure(options: Options) -> Result:
    """The idle sidecar, then downloads of a game and of one four times as large, by turns."""
    rounds = options.repeats(3, quick=1)
    idle = [_idle(options.folder / f"idle{number}") for number in range(rounds)]
    size = options.size_bytes(1024, quick_mib=256)
    peaks: dict[int, list[float]] = {size // 4: [], size: []}
    for _ in range(rounds):
        for each, values in peaks.items():
            values.append(_busy(options.folder, each))
    small, large = (
        Series(f"{SOURCES} sources, {each // MIB} MiB", "MiB", tuple(values))
        for each, values in peaks.items()
    )
    alone = Series(f"idle with {CONNECTIONS} connections", "MiB", tuple(idle))
    return Result(
        "memory",
        [
            at_most(f"peak with {SOURCES} sources", large.median, MAX_BUSY_MIB, "MiB"),
            at_most(alone.name, alone.median, MAX_IDLE_MIB, "MiB"),
            at_most("growth with a file of four times the size", large.median - small.median,
                    MAX_GROWTH_MIB, "MiB"),
        ],
        [alone, small, large],
    )  # fmt: skip


def _idle(folder: Path) -> float:
    with _idle_peers(CONNECTIONS) as addresses, Sidecar(folder, peers=addresses) as sidecar:
        sidecar.wait_peers(CONNECTIONS)
        # What the handshakes took is given back by then.
        time.sleep(SETTLE_S)
        connected = sidecar.status().peer_count
        if connected < CONNECTIONS:
            raise RuntimeError(f"only {connected} of {CONNECTIONS} stayed connected")
        return sidecar.memory() / MIB


@contextlib.contextmanager
def _idle_peers(count: int) -> Iterator[list[str]]:
    with subprocess.Popen(
        [sys.executable, "-m", "bench.idle_peers", str(count)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())
        finally:
            process.communicate()


def _busy(folder: Path, size: int) -> float:
    with tempfile.TemporaryDirectory(dir=folder) as own, contextlib.ExitStack() as stack:
        origin = make_big_game(Path(own) / "origin", size)
        addresses = []
        for number in range(SOURCES):
            source = Sidecar(Path(own) / f"source{number}")
            link_game(origin, source.games)
            stack.enter_context(source)
            source.wait_hashed()
            addresses.append(source.address)
        taker = stack.enter_context(downloader(Path(own) / "taker", addresses))
        taker.download()
        return taker.memory("VmHWM") / MIB
