"""The row `room_simulated`: a room of a hundred on a virtual clock, and the same with faults.

`python -m bench.room_simulated` prints the figures, each a ratio to the least time there could be.
"""

import json
from dataclasses import dataclass, replace

from bench.simulation.room import RoomPlan, run_room

ROOM = RoomPlan(downloaders=100, chunks=1024)
SEEDS = (1,)


@dataclass(frozen=True, slots=True)
class Figure:
    """One kind of room: what came of each seed, and the most that it may be."""

    name: str
    ratios: tuple[float, ...]
    seeder_copies: tuple[float, ...]
    most_ratio: float
    most_copies: float | None

    @property
    def is_ok(self) -> bool:
        """Whether the worst seed is within its target."""
        copies_ok = self.most_copies is None or max(self.seeder_copies) <= self.most_copies
        return max(self.ratios) <= self.most_ratio and copies_ok


def measure(room: RoomPlan = ROOM, seeds: tuple[int, ...] = SEEDS) -> list[Figure]:
    """The figures of design section 12; a hundred downloaders take some minutes for each."""
    tenth, fifth = room.downloaders // 10, room.downloaders // 5
    return [
        _figure("all stay", room, seeds, 1.15, 1.15),
        _figure("a tenth leave", replace(room, leavers=tenth), seeds, 1.3, None),
        _figure("a fifth are ten times slower", replace(room, slow=fifth), seeds, 1.3, None),
    ]


def _figure(
    name: str, room: RoomPlan, seeds: tuple[int, ...], most_ratio: float, most_copies: float | None
) -> Figure:
    results = [run_room(replace(room, seed=seed)) for seed in seeds]
    return Figure(
        name,
        tuple(round(result.ratio, 4) for result in results),
        tuple(round(result.seeder_copies, 4) for result in results),
        most_ratio,
        most_copies,
    )


def main() -> None:
    """Print one JSON object for each kind of room."""
    for figure in measure():
        print(
            json.dumps(
                {
                    "room": figure.name,
                    "ratios": figure.ratios,
                    "seeder_copies": figure.seeder_copies,
                    "target": figure.most_ratio,
                    "ok": figure.is_ok,
                }
            )
        )


if __name__ == "__main__":
    main()
