"""How responsive a downloading sidecar is while the machine is busy with its transfer.

The loop's delay is what the sidecar itself counts; how long a call takes is seen from outside.
"""

import threading
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import psutil

from bench.games import make_big_game
from bench.options import MIB, Options
from bench.result import Result, at_most
from bench.sidecar import Sidecar, downloader
from bench.statistic import Series, percentile, percentile_of_counts
from lanspread.peer.v1.types_pb2 import Status
from lanspread_client import SyncClient

MAX_LOOP_DELAY_MS = 20.0
MAX_ANSWER_MS = 100.0
SHARE = 0.99
ASK_PERIOD_S = 0.05
# So few delays that a percentile of them means nothing are not enough.
MIN_BUSY_S = 15.0
MIN_BUSY_QUICK_S = 3.0


def measure(options: Options) -> Result:
    """Downloads, one after the other, until there is enough to count."""
    enough_s = MIN_BUSY_QUICK_S if options.quick else MIN_BUSY_S
    delays: Counter[float] = Counter()
    answers_ms: list[float] = []
    speeds: list[float] = []
    busy: list[float] = []
    size = options.size_bytes(1024, quick_mib=256)
    seeder = Sidecar(options.folder / "seeder")
    make_big_game(seeder.games, size)
    with seeder:
        seeder.wait_hashed()
        address = seeder.address
        while sum(size / MIB / speed for speed in speeds) < enough_s:
            watched = _watched_download(options.folder / "taker", address)
            speeds.append(size / MIB / watched.seconds)
            answers_ms += watched.answers_ms
            busy.append(watched.busy_percent)
            delays += watched.delays
    delay_ms = 1000 * percentile_of_counts(sorted(delays.items()), SHARE)
    return Result(
        "loop_delay",
        [
            at_most("event loop delay, p99", delay_ms, MAX_LOOP_DELAY_MS, "ms"),
            at_most("GetStatus, p99", percentile(answers_ms, SHARE), MAX_ANSWER_MS, "ms"),
        ],
        [
            Series("transfer", "MiB/s", tuple(speeds)),
            Series("processors busy", "%", tuple(busy)),
            Series("GetStatus", "ms", tuple(answers_ms)),
        ],
        facts={"loop_delays": sum(delays.values()), "calls": len(answers_ms)},
    )


@dataclass(frozen=True, slots=True)
class _Watched:
    """What was seen of one download; delays are counts by bounds in seconds."""

    seconds: float
    delays: Counter[float]
    answers_ms: list[float]
    busy_percent: float


def _watched_download(folder: Path, address: str) -> _Watched:
    with downloader(folder, [address]) as taker, taker.client() as client:
        over = threading.Event()
        answers_ms: list[float] = []
        asking = threading.Thread(target=_ask_often, args=(client, over, answers_ms))
        psutil.cpu_percent()
        before = _counts(client.get_status())
        asking.start()
        try:
            seconds = taker.download()
        finally:
            over.set()
            asking.join()
        busy_percent = psutil.cpu_percent()
        delays = _counts(client.get_status()) - before
    return _Watched(seconds, delays, answers_ms, busy_percent)


def _counts(status: Status) -> Counter[float]:
    return Counter({each.up_to_seconds: each.count for each in status.loop_delays})


def _ask_often(client: SyncClient, over: threading.Event, answers_ms: list[float]) -> None:
    while not over.wait(ASK_PERIOD_S):
        started = time.perf_counter()
        client.get_status()
        answers_ms.append(1000 * (time.perf_counter() - started))
