"""Whole downloads on a virtual clock; a failure names the seed that repeats it."""

from collections.abc import Sequence

import pytest

from bench.simulation.virtual_clock import VirtualClock
from lanspread_peer.model.ids import PeerId
from lanspread_peer.model.limits import KIB, MAX_REQUESTS_PER_DOWNLOAD, MIB
from support.simulated_sources import (
    MB,
    Answer,
    AnswerOf,
    SimulatedDownload,
    SimulatedSource,
    always,
    large_chunks,
)

SEEDS = range(3)
CHUNKS = large_chunks(200)
TOTAL = sum(length for _, length in CHUNKS)


def make_download(
    speeds: Sequence[float],
    *,
    seed: int,
    answers: dict[int, AnswerOf] | None = None,
    chunks: list[tuple[int, int]] = CHUNKS,
    latency_s: float = 0.00015,
) -> SimulatedDownload:
    clock = VirtualClock()
    sources = [
        SimulatedSource(
            clock,
            PeerId(f"peer-{index}"),
            bytes_per_second=speed,
            latency_s=latency_s,
            answer=(answers or {}).get(index, always(Answer.HONEST)),
        )
        for index, speed in enumerate(speeds)
    ]
    return SimulatedDownload(clock, chunks, sources, seed=seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_source_at_a_tenth_of_the_speed_neither_holds_up_nor_idles(seed: int) -> None:
    download = make_download([100 * MB, 100 * MB, 10 * MB], seed=seed)
    elapsed = download.run()
    assert elapsed <= TOTAL / (210 * MB) / 0.9, f"seed {seed}: {elapsed}"
    shares = [download.bytes_from(peer) / TOTAL for peer in download.sources]
    assert shares[2] == pytest.approx(10 / 210, rel=0.35), f"seed {seed}: {shares}"
    assert shares[0] == pytest.approx(100 / 210, rel=0.1), f"seed {seed}: {shares}"


@pytest.mark.parametrize("seed", SEEDS)
def test_equal_sources_give_equal_shares_and_their_speeds_add_up(seed: int) -> None:
    download = make_download([50 * MB] * 4, seed=seed)
    elapsed = download.run()
    assert elapsed <= TOTAL / (200 * MB) / 0.95, f"seed {seed}: {elapsed}"
    for peer in download.sources:
        assert download.bytes_from(peer) / TOTAL == pytest.approx(0.25, rel=0.1), f"seed {seed}"


@pytest.mark.parametrize("count", [5, 8, 12, 24])
@pytest.mark.parametrize("seed", SEEDS)
def test_equal_sources_do_not_take_runs_from_each_other(seed: int, count: int) -> None:
    chunks = large_chunks(1024, 256 * KIB)
    download = make_download([20 * MB] * count, seed=seed, chunks=chunks)
    elapsed = download.run()
    total = sum(length for _, length in chunks)
    asked_at_once = min(count, MAX_REQUESTS_PER_DOWNLOAD)
    assert elapsed <= total / (asked_at_once * 20 * MB) / 0.75, f"seed {seed}: {elapsed}"
    assert download.requests_sent <= 2 * len(chunks) // 16, f"seed {seed}"


@pytest.mark.parametrize("seed", SEEDS)
def test_a_download_completes_when_one_of_two_sources_is_killed_in_the_middle(seed: int) -> None:
    download = make_download([100 * MB, 100 * MB], seed=seed)
    killed = PeerId("peer-1")
    download.clock.after(2.0, lambda: download.lose(killed))
    elapsed = download.run()
    assert not [asked for asked in download.log if asked[0] > 2.0 and asked[1] == killed]
    left = TOTAL - download.bytes_from(killed)
    assert elapsed <= left / (100 * MB) / 0.95, f"seed {seed}: {elapsed}"


@pytest.mark.parametrize("seed", SEEDS)
def test_a_download_completes_when_three_of_four_sources_lie(seed: int) -> None:
    lies = dict.fromkeys(range(3), always(Answer.WRONG))
    download = make_download([100 * MB] * 4, seed=seed, answers=lies)
    elapsed = download.run()
    assert elapsed <= TOTAL / (100 * MB) / 0.9, f"seed {seed}: {elapsed}"
    assert download.bytes_from(PeerId("peer-3")) == TOTAL
    assert len(download.planner.dropped_liars) == 3
    assert not download.planner.all_lied


@pytest.mark.parametrize("seed", SEEDS)
def test_silent_refusing_and_busy_sources_do_not_hold_up_an_honest_one(seed: int) -> None:
    answers = {
        0: always(Answer.SILENT),
        1: always(Answer.REFUSE),
        2: always(Answer.BUSY),
    }
    download = make_download([100 * MB] * 4, seed=seed, answers=answers)
    elapsed = download.run()
    assert elapsed <= TOTAL / (100 * MB) / 0.85, f"seed {seed}: {elapsed}"
    assert not download.planner.exhausted


@pytest.mark.parametrize("seed", SEEDS)
def test_any_number_of_dripping_sources_does_not_keep_an_honest_one_out(seed: int) -> None:
    download = make_download([10 * KIB] * 15 + [100 * MB], seed=seed)
    elapsed = download.run()
    assert elapsed <= TOTAL / (100 * MB) / 0.7, f"seed {seed}: {elapsed}"


@pytest.mark.parametrize("seed", SEEDS)
def test_a_source_that_freezes_in_the_middle_loses_its_chunks_to_the_other(seed: int) -> None:
    download = make_download([100 * MB, 100 * MB], seed=seed)
    frozen = download.sources[PeerId("peer-0")]

    def freeze() -> None:
        frozen.bytes_per_second = 1e-6

    download.clock.after(1.0, freeze)
    elapsed = download.run()
    left = TOTAL - 100 * MB
    assert elapsed <= left / (100 * MB) / 0.9, f"seed {seed}: {elapsed}"


def test_many_small_files_are_not_bound_by_round_trips() -> None:
    small = [(number, 4 * KIB) for number in range(5000)]
    download = make_download([100 * MB], seed=1, chunks=small, latency_s=0.001)
    one_at_a_time = len(small) * 0.002
    assert download.run() <= one_at_a_time / 30
    assert download.requests_sent <= 10


def test_a_single_source_is_read_in_order_at_its_full_speed() -> None:
    download = make_download([100 * MB], seed=1)
    elapsed = download.run()
    assert elapsed <= TOTAL / (100 * MB) / 0.99
    assert [chunk for _, _, chunk in download.log] == [number for number, _ in CHUNKS]
    assert download.download.figures(now=elapsed).wasted_bytes == 0


def test_what_the_endgame_throws_away_is_little() -> None:
    download = make_download([100 * MB, 100 * MB, 10 * MB], seed=1)
    elapsed = download.run()
    assert download.download.figures(now=elapsed).wasted_bytes <= 6 * 4 * MIB


def test_the_same_seed_repeats_every_request_and_another_does_not() -> None:
    def requests(seed: int) -> list[tuple[float, PeerId, int]]:
        download = make_download([50 * MB, 40 * MB, 30 * MB, 20 * MB], seed=seed)
        download.run()
        return download.log

    assert requests(1) == requests(1)
    assert requests(1) != requests(2)
