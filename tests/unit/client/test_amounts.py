"""Amounts as people type them."""

import pytest

from lanspread_client.cli.amounts import parse_rate, parse_seconds


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("20MB/s", 20_000_000),
        ("20 mb/s", 20_000_000),
        ("20M", 20_000_000),
        ("1.5MiB/s", 1_572_864),
        ("100Mbit/s", 12_500_000),
        ("1Gbit", 125_000_000),
        ("600KiB", 614_400),
        ("1000000", 1_000_000),
        ("0", 0),
        ("unlimited", None),
        ("Off", None),
    ],
)
def test_a_rate_is_in_bytes_per_second(text: str, rate: int | None) -> None:
    assert parse_rate(text) == rate


@pytest.mark.parametrize("text", ["", "-5MB/s", "fast", "20 apples", "1e9", "nan", "20MB/h", "/s"])
def test_what_is_no_rate_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected an amount"):
        parse_rate(text)


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90.0), ("1.5s", 1.5), ("2m", 120.0), ("1h", 3600.0)]
)
def test_a_time_is_in_seconds(text: str, seconds: float) -> None:
    assert parse_seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "-1", "soon", "5/s", "5MB"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected a"):
        parse_seconds(text)
