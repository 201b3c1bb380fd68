"""Throughput: rates follow changes within seconds, and idle time is not slowness."""

import pytest

from lanspread_peer.core.throughput import Latency, Rate, SpeedMeter
from lanspread_peer.model.limits import KIB, MAX_CHUNK_BYTES, MIB, MIN_CHUNK_BYTES


def feed(rate: Rate, per_second: float, start: float, seconds: float) -> float:
    steps = int(seconds * 100)
    for step in range(1, steps + 1):
        rate.add(int(per_second / 100), now=start + step / 100)
    return start + steps / 100


def test_a_steady_source_is_measured_at_its_rate_at_once() -> None:
    rate = Rate()
    rate.resume(now=10.0)
    now = feed(rate, 1e6, 10.0, 0.5)
    assert rate.measured(now=now) == pytest.approx(1e6, rel=0.02)


def test_a_rate_follows_a_change_within_seconds() -> None:
    rate = Rate()
    rate.resume(now=0.0)
    now = feed(rate, 10e6, 0.0, 20.0)
    now = feed(rate, 1e6, now, 8.0)
    assert rate.measured(now=now) < 1.5e6


def test_time_without_requests_does_not_make_a_source_slow() -> None:
    rate = Rate()
    rate.resume(now=0.0)
    now = feed(rate, 1e6, 0.0, 5.0)
    rate.pause(now=now)
    rate.resume(now=now + 1000.0)
    assert rate.measured(now=now + 1000.0) == pytest.approx(1e6, rel=0.02)


def test_silence_while_asked_makes_a_source_slow() -> None:
    rate = Rate()
    rate.resume(now=0.0)
    now = feed(rate, 1e6, 0.0, 5.0)
    assert rate.measured(now=now + 4.0) < 0.2e6
    assert rate.expected(now=now + 4.0) < 0.2e6


def test_resuming_twice_does_not_lose_the_time_between() -> None:
    rate = Rate()
    rate.resume(now=0.0)
    rate.resume(now=1.0)
    rate.add(1000, now=1.0)
    assert rate.measured(now=1.0) == pytest.approx(1000, rel=0.3)


def test_nothing_seen_reads_as_zero_but_is_expected_to_be_fast() -> None:
    rate = Rate()
    assert rate.measured(now=5.0) == 0.0
    assert rate.expected(now=5.0) == pytest.approx(119 * MIB)


def test_the_optimism_is_gone_after_a_moment_of_silence() -> None:
    rate = Rate()
    rate.resume(now=0.0)
    assert rate.expected(now=1.0) < 0.1 * 119 * MIB
    assert rate.expected(now=1000.0) == 1.0


def test_a_clock_jump_is_no_silence() -> None:
    rate = Rate()
    rate.resume(now=0.0)
    now = feed(rate, 1e6, 0.0, 5.0)
    rate.skip_to(now + 3600.0)
    assert rate.measured(now=now + 3600.0) == pytest.approx(1e6, rel=0.02)


def test_a_paused_rate_stays_paused_over_a_clock_jump() -> None:
    rate = Rate()
    rate.skip_to(50.0)
    rate.add(1000, now=60.0)
    assert rate.measured(now=60.0) == 0.0


def test_a_source_is_slow_when_its_bytes_take_several_times_the_average() -> None:
    average, slow, normal, unknown = Latency(0.1), Latency(0.3), Latency(0.3), Latency(0.3)
    for _ in range(10):
        average.add(MAX_CHUNK_BYTES, 0.04)
    normal.add(MAX_CHUNK_BYTES, 0.1)
    slow.add(MAX_CHUNK_BYTES, 0.4)
    assert slow.exceeds(3.0, average)
    assert not normal.exceeds(3.0, average)
    assert not unknown.exceeds(3.0, average)
    assert not slow.exceeds(3.0, unknown)


def test_sizes_compare_per_byte() -> None:
    small, large = Latency(1.0), Latency(1.0)
    small.add(MIN_CHUNK_BYTES, 0.01)
    large.add(16 * MIN_CHUNK_BYTES, 0.16)
    assert not small.exceeds(1.01, large)
    assert not large.exceeds(1.01, small)


def test_a_tiny_chunk_is_not_slow_because_of_its_round_trip() -> None:
    tiny, large = Latency(1.0), Latency(1.0)
    tiny.add(1, 0.001)
    large.add(4 * MIN_CHUNK_BYTES, 0.012)
    assert not tiny.exceeds(1.0, large)


def test_a_cut_request_counts_only_as_the_least_it_would_have_taken() -> None:
    latency, reference = Latency(0.5), Latency(1.0)
    reference.add(MIB, 1.0)
    latency.add(MIB, 1.0)
    latency.at_least(MIB, 0.1)
    assert not reference.exceeds(1.01, latency)
    latency.at_least(MIB, 21.0)
    assert latency.exceeds(10.0, reference)


def test_a_first_cut_request_is_better_than_knowing_nothing() -> None:
    latency, reference = Latency(0.5), Latency(1.0)
    reference.add(MIB, 1.0)
    latency.at_least(MIB, 9.0)
    assert latency.exceeds(3.0, reference)


def test_speed_and_eta_of_a_steady_download() -> None:
    meter = SpeedMeter(now=0.0)
    for tenth in range(1, 101):
        meter.add(100 * KIB, now=tenth / 10)
    assert meter.bytes_per_second(now=10.0) == pytest.approx(1000 * KIB, rel=0.02)
    assert meter.eta_s(10_000 * KIB, now=10.0) == pytest.approx(10.0, rel=0.02)


def test_the_shown_speed_falls_while_nothing_comes() -> None:
    meter = SpeedMeter(now=0.0)
    meter.add(MIB, now=1.0)
    before = meter.bytes_per_second(now=1.0)
    assert meter.bytes_per_second(now=30.0) < 0.01 * before


def test_an_eta_is_unknown_without_speed_and_nothing_when_nothing_is_left() -> None:
    meter = SpeedMeter(now=0.0)
    assert meter.eta_s(1, now=1.0) is None
    assert meter.eta_s(0, now=1.0) == 0.0
    meter.add(10, now=1.0)
    assert meter.eta_s(1 << 50, now=1.0) is None
