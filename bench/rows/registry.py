"""All rows, in the order of the design's table of speed."""

from collections.abc import Callable
from typing import TypeAlias

from bench.options import Options
from bench.result import Result
from bench.rows import rescan, spawn

Row: TypeAlias = Callable[[Options], Result]

ROWS: dict[str, Row] = {
    "rescan": rescan.measure,
    "spawn": spawn.measure,
}
