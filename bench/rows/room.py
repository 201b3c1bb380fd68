"""One seeder and eight downloaders at once, each on a link of its own shaped to 200 Mbit/s."""

import contextlib
import shutil
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench.games import make_big_game
from bench.namespaces import Link, Machine, network
from bench.options import MIB, Options
from bench.result import Result, at_most
from bench.sidecar import Sidecar, downloader
from bench.statistic import Series

DOWNLOADERS = 8
LINK_MBIT = 200.0
PORT = 26789
MAX_RATIO = 1.3
MAX_COPIES = 1.5


def measure(options: Options) -> Result:
    """One transfer alone over such a link, and the room, by turns."""
    size = options.size_bytes(128, quick_mib=32)
    alone: list[float] = []
    last: list[float] = []
    copies: list[float] = []
    with contextlib.ExitStack() as stack:
        links = [Link(LINK_MBIT, LINK_MBIT)] * (1 + DOWNLOADERS)
        machine, *others = stack.enter_context(network(*links))
        seeder = Sidecar(
            options.folder / "seeder", bind=machine.address, port=PORT, run_by=machine.run_by
        )
        make_big_game(seeder.games, size)
        stack.enter_context(seeder)
        seeder.wait_hashed()
        for _ in range(options.repeats(3, quick=1)):
            with downloader(options.folder / "alone", [seeder.address], others[0]) as taker:
                alone.append(taker.download())
            before = seeder.status().counters.sent_bytes
            last.append(_room(options.folder, seeder.address, others))
            copies.append((seeder.status().counters.sent_bytes - before) / size)
    runs = [
        Series("one transfer alone", "s", tuple(alone)),
        Series(f"the last of {DOWNLOADERS} downloaders", "s", tuple(last)),
        Series("sent by the seeder", "copies", tuple(copies)),
    ]
    ratio = runs[1].median / runs[0].median
    return Result(
        "room",
        [
            at_most("last one / one alone", ratio, MAX_RATIO, "x"),
            at_most("sent by the seeder", runs[2].median, MAX_COPIES, "copies"),
        ],
        runs,
        facts={"size_mib": size // MIB, "link_mbit": LINK_MBIT, "downloaders": DOWNLOADERS},
    )


def _room(folder: Path, seeder: str, machines: Sequence[Machine]) -> float:
    """Seconds from the commands to the end of the last download."""
    addresses = [seeder, *(f"{machine.address}:{PORT}" for machine in machines)]
    folders = [folder / f"downloader{number}" for number in range(len(machines))]
    try:
        with contextlib.ExitStack() as stack:
            sidecars = []
            for own, machine in zip(folders, machines, strict=True):
                others = [each for each in addresses if not each.startswith(f"{machine.address}:")]
                sidecar = Sidecar(
                    own, peers=others, bind=machine.address, port=PORT, run_by=machine.run_by
                )
                sidecars.append(stack.enter_context(sidecar))
            for sidecar in sidecars:
                sidecar.wait_sources(1)
                sidecar.wait_peers(len(machines))
            started = time.perf_counter()
            with ThreadPoolExecutor(len(sidecars)) as threads:
                list(threads.map(Sidecar.download, sidecars))
            return time.perf_counter() - started
    finally:
        for own in folders:
            shutil.rmtree(own, ignore_errors=True)
