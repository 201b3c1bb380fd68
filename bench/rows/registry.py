"""All rows, in the order of the design's table of speed."""

from collections.abc import Callable
from typing import TypeAlias

from bench.options import Options
from bench.result import Result
from bench.rows import (
    loop_delay,
    memory,
    one_to_one,
    quic,
    rescan,
    room,
    room_simulated,
    slow_source,
    small_files,
    spawn,
    spawn_bundle,
)

Row: TypeAlias = Callable[[Options], Result]

ROWS: dict[str, Row] = {
    "one_to_one": one_to_one.measure,
    "quic": quic.measure,
    "slow_source": slow_source.measure,
    "small_files": small_files.measure,
    "room": room.measure,
    "room_simulated": room_simulated.measure,
    "rescan": rescan.measure,
    "loop_delay": loop_delay.measure,
    "memory": memory.measure,
    "spawn": spawn.measure,
    "spawn_bundle": spawn_bundle.measure,
}
