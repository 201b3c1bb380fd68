"""From exec to the first answer, of a new install and of one that was there before."""

import shutil

from bench.options import Options
from bench.result import Result, at_most
from bench.sidecar import Sidecar
from bench.statistic import Series

TARGET_S = 1.0


def measure(options: Options) -> Result:
    """Launches with an empty state folder and with that of the launch before, by turns."""
    first: list[float] = []
    again: list[float] = []
    for _ in range(options.repeats(10, quick=3)):
        folder = options.folder / "spawned"
        for seconds in (first, again):
            sidecar = Sidecar(folder)
            seconds.append(sidecar.start())
            sidecar.stop()
        shutil.rmtree(folder)
    runs = [
        Series("installed before", "s", tuple(again)),
        Series("new install, which makes its key", "s", tuple(first)),
    ]
    return Result("spawn", [at_most(each.name, each.median, TARGET_S, "s") for each in runs], runs)
