"""A room that fetches from one seeder: how near it comes to the least time there could be.

Bounds are generous, but each breaks when a rule of the swarm does; a failure repeats by its seed.
"""

import pytest

from bench.simulation.network import Flow, Link, fair_rates
from bench.simulation.room import Result, RoomPlan, run_room


def run(**plan: float) -> Result:
    """A room of 8 that want 256 chunks, but for what `plan` says."""
    return run_room(RoomPlan(**{"downloaders": 8, "chunks": 256, **plan}))  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", [1, 2])
def test_a_room_of_eight_is_done_in_little_more_than_the_time_of_one(seed: int) -> None:
    result = run(seed=seed)
    assert result.ratio < 1.15
    assert result.seeder_copies < 1.15
    assert result.duplicates < 0.01


def test_a_larger_room_takes_hardly_longer() -> None:
    result = run(downloaders=24, chunks=128)
    assert result.ratio < 1.45
    assert result.seeder_copies < 1.45


def test_those_that_leave_hold_up_nobody() -> None:
    assert run(leavers=2).ratio < 1.25
    assert run(leavers=1, noticed_after_s=2.0).ratio < 1.35


def test_slow_ones_hold_up_nobody_and_are_as_fast_as_their_line() -> None:
    result = run(slow=2)
    assert result.ratio < 1.25
    assert max(result.took_slow_s) < 10 * result.plan.alone_s * 1.05


def test_who_joins_late_needs_no_longer() -> None:
    result = run(joined_within_s=5.0)
    assert result.ratio < 1.2
    assert result.seeder_copies < 3.5


def test_when_the_seeder_is_gone_after_little_more_than_a_copy_the_room_ends_by_itself() -> None:
    result = run(downloaders=12, seeder_leaves_after_copies=1.05)
    assert result.seeder_copies < 1.1
    assert result.ratio < 1.3


def test_the_seed_repeats_every_figure() -> None:
    assert run(chunks=64, seed=3) == run(chunks=64, seed=3)
    assert run(chunks=64, seed=3) != run(chunks=64, seed=4)


def test_flows_share_links_fairly_and_leave_nothing_that_another_could_use() -> None:
    up, other_up, down, other_down = (Link(rate) for rate in (90.0, 100.0, 30.0, 200.0))
    narrow = Flow(up, down, 1.0, lambda: None)
    wide = Flow(up, other_down, 1.0, lambda: None)
    alone = Flow(other_up, other_down, 1.0, lambda: None)
    rates = fair_rates(dict.fromkeys((narrow, wide, alone)))
    assert rates == {narrow: 30.0, wide: 60.0, alone: 100.0}
