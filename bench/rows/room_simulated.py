"""A room of a hundred on a virtual clock, as bench/room_simulated.py measures it."""

from bench import room_simulated
from bench.options import Options
from bench.result import Check, Result, at_most
from bench.room_simulated import Figure
from bench.simulation.room import RoomPlan
from bench.statistic import Series

SMALL_ROOM = RoomPlan(downloaders=20, chunks=128)


def measure(options: Options) -> Result:
    """Every kind of room; the ratio is to the least time there could be."""
    room = SMALL_ROOM if options.quick else room_simulated.ROOM
    figures = room_simulated.measure(room)
    return Result(
        "room_simulated",
        [check for figure in figures for check in _checks(figure)],
        [Series(figure.name, "x", figure.ratios) for figure in figures],
        facts={"downloaders": room.downloaders, "chunks": room.chunks},
    )


def _checks(figure: Figure) -> list[Check]:
    checks = [at_most(figure.name, max(figure.ratios), figure.most_ratio, "x")]
    if figure.most_copies is not None:
        most = max(figure.seeder_copies)
        checks.append(at_most(f"seeder, {figure.name}", most, figure.most_copies, "copies"))
    return checks
