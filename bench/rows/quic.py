"""Our QUIC transport alone, against aioquic's stock protocol, as bench/quic.py measures it."""

from bench import quic
from bench.options import MIB, Options
from bench.result import Result, at_least
from bench.statistic import Series

UNIT = "x"


def measure(options: Options) -> Result:
    """On each kind of path, both by turns."""
    size = options.size_bytes(64, quick_mib=8)
    measured = quic.measure(rounds=options.repeats(5), size=size)
    speeds: dict[tuple[str, str], list[float]] = {}
    for run in measured["runs"]:
        speeds.setdefault((run["path"], run["contender"]), []).append(run["mb_per_s"])
    return Result(
        "quic",
        [
            at_least(f"ours / stock, {path}", figure, quic.TARGET, UNIT)
            for path, figure in measured["figures"].items()
        ],
        [
            Series(f"{contender}, {path}", "MB/s", tuple(values))
            for (path, contender), values in speeds.items()
        ],
        facts={"size_mib": size // MIB},
    )
