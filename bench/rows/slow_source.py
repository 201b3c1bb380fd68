"""Three sources, one at a tenth of the speed of the others, on shaped links."""

import contextlib
from collections.abc import Sequence
from pathlib import Path

from bench.games import link_game, make_big_game
from bench.namespaces import Link, Machine, network
from bench.options import MIB, Options
from bench.result import Result, at_least
from bench.sidecar import Sidecar, downloader
from bench.statistic import Series

TARGET_RATIO = 0.9
FAST_MBIT = 100.0
SLOW_SHARE = 0.1
TAKER_MBIT = 1000.0


def measure(options: Options) -> Result:
    """From one fast source alone, and from all three, by turns.

    What the three can give is what the fast one gives alone, and as much again, and a tenth.
    """
    size = options.size_bytes(160, quick_mib=32)
    origin = make_big_game(options.folder / "origin", size)
    shares = (1.0, 1.0, SLOW_SHARE)
    links = [Link(FAST_MBIT * share, FAST_MBIT) for share in shares]
    alone: list[float] = []
    together: list[float] = []
    with contextlib.ExitStack() as stack:
        *machines, taker = stack.enter_context(network(*links, Link(TAKER_MBIT, TAKER_MBIT)))
        # A sidecar of its own, as the others get to know of each other from whom they give to.
        hermit = _address_of(options.folder / "hermit", origin, machines[0], stack)
        sources = [
            _address_of(options.folder / f"source{number}", origin, machine, stack)
            for number, machine in enumerate(machines)
        ]
        for _ in range(options.repeats(3, quick=1)):
            alone.append(size / MIB / _download(options.folder / "alone", taker, [hermit]))
            together.append(size / MIB / _download(options.folder / "together", taker, sources))
    runs = [
        Series("one fast source alone", "MiB/s", tuple(alone)),
        Series("two fast sources and one at a tenth", "MiB/s", tuple(together)),
    ]
    ratio = runs[1].median / (runs[0].median * sum(shares))
    return Result(
        "slow_source",
        [at_least("throughput / what the sources can give", ratio, TARGET_RATIO, "x")],
        runs,
        facts={"size_mib": size // MIB, "links_mbit": [link.up for link in links]},
    )


def _address_of(folder: Path, game: Path, machine: Machine, stack: contextlib.ExitStack) -> str:
    """Where a new source of the game listens."""
    source = Sidecar(folder, bind=machine.address, run_by=machine.run_by)
    link_game(game, source.games)
    stack.enter_context(source)
    source.wait_hashed()
    return source.address


def _download(folder: Path, machine: Machine, sources: Sequence[str]) -> float:
    with downloader(folder, sources, machine) as taker:
        return taker.download()
