"""A look at 50 000 files that did not change, against the least that any look must do."""

import os
import subprocess
import sys
import time
from pathlib import Path

from bench.games import make_small_files
from bench.options import Options
from bench.result import Result, at_most
from bench.sidecar import Sidecar, wait_until
from bench.statistic import Series
from lanspread_client import SyncClient

TARGET_RATIO = 2.0
STEP_S = 0.005


def measure(options: Options) -> Result:
    """Rescans of a running sidecar and bare walks, by turns."""
    count = 5_000 if options.quick else 50_000
    ours: list[float] = []
    bare: list[float] = []
    sidecar = Sidecar(options.folder / "rescanned")
    make_small_files(sidecar.games, count, size_bytes=16)
    with sidecar, sidecar.client() as client:
        sidecar.wait_hashed()
        rescan(client)
        for _ in range(options.repeats(7)):
            ours.append(rescan(client))
            bare.append(walk_apart(sidecar.games))
    runs = [
        Series("lanspread", "s", tuple(ours)),
        Series("os.scandir and stat", "s", tuple(bare)),
    ]
    ratio = runs[0].median / runs[1].median
    return Result(
        "rescan",
        [at_most("rescan / bare walk", ratio, TARGET_RATIO, "x")],
        runs,
        facts={"files": count},
    )


def rescan(client: SyncClient) -> float:
    """Seconds that the sidecar takes to look at its game folder again."""
    game_dir = client.get_status().game_dir
    started = time.perf_counter()
    client.set_game_dir(game_dir)
    wait_until(lambda: not client.get_status().indexing, "the rescan", STEP_S)
    return time.perf_counter() - started


def walk_apart(folder: Path) -> float:
    """Seconds of a bare walk, in a process of its own like the sidecar's."""
    answer = subprocess.run(
        [sys.executable, "-m", "bench.rows.rescan", folder],
        check=True,
        capture_output=True,
        text=True,
    )
    return float(answer.stdout)


def walk(folder: str) -> None:
    """Stat everything below a folder."""
    with os.scandir(folder) as entries:
        for entry in entries:
            entry.stat(follow_symlinks=False)
            if entry.is_dir(follow_symlinks=False):
                walk(entry.path)


if __name__ == "__main__":
    begun = time.perf_counter()
    walk(sys.argv[1])
    print(time.perf_counter() - begun)
