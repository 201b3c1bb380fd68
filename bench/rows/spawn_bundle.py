"""From exec to the first answer, of the forms in which the sidecar is shipped.

All of them are what `make bundle` made last: its environment holds the wheel too.
"""

from pathlib import Path

from bench.options import Options
from bench.result import Result, at_most
from bench.rows.spawn import TARGET_S
from bench.sidecar import Sidecar
from bench.statistic import Series

ROOT = Path(__file__).resolve().parents[2]
FORMS = {
    "wheel in an environment": "build/bundle-venv/bin/lanspread-peer",
    "bundle, a folder": "dist/lanspread-peer/lanspread-peer",
    "bundle, one file": "dist/lanspread-peer-*-*",
}


def measure(options: Options) -> Result:
    """Launches of each form by turns, installed before."""
    programs = {name: _built(pattern) for name, pattern in FORMS.items()}
    seconds: dict[str, list[float]] = {name: [] for name in programs}
    # The first launch of each makes its key, and fills the system's cache of files.
    for launch in range(1 + options.repeats(9, quick=3)):
        for number, (name, program) in enumerate(programs.items()):
            sidecar = Sidecar(options.folder / str(number), program=[str(program)])
            took = sidecar.start()
            sidecar.stop()
            if launch > 0:
                seconds[name].append(took)
    runs = [Series(name, "s", tuple(values)) for name, values in seconds.items()]
    checks = [at_most(each.name, each.median, TARGET_S, "s") for each in runs]
    return Result("spawn_bundle", checks, runs)


def _built(pattern: str) -> Path:
    found = list(ROOT.glob(pattern))
    if len(found) != 1:
        raise RuntimeError("`make bundle` comes first")
    return found[0]
