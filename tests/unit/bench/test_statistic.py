"""Medians and percentiles are those of the values."""

import pytest

from bench.statistic import Series, percentile, percentile_of_counts


def test_a_series_tells_its_middle_and_its_ends() -> None:
    series = Series("one", "s", (3.0, 1.0, 2.0, 10.0))
    assert (series.median, series.low, series.high) == (2.5, 1.0, 10.0)


@pytest.mark.parametrize(("share", "expected"), [(0.0, 1), (0.5, 50), (0.99, 99), (1.0, 100)])
def test_so_many_values_do_not_exceed_the_percentile(share: float, expected: float) -> None:
    assert percentile(list(range(100, 0, -1)), share) == expected


def test_the_percentile_of_few_values_is_the_worst_of_them() -> None:
    assert percentile([5.0, 1.0], 0.99) == 5.0


def test_nothing_has_no_percentile() -> None:
    with pytest.raises(ValueError, match="no values"):
        percentile([], 0.5)
    with pytest.raises(ValueError, match="nothing"):
        percentile_of_counts([(1.0, 0)], 0.5)


@pytest.mark.parametrize(("share", "expected"), [(0.5, 1.0), (0.9, 1.0), (0.91, 2.0), (1.0, 4.0)])
def test_the_percentile_of_counts_is_the_bound_that_covers_it(
    share: float, expected: float
) -> None:
    assert percentile_of_counts([(1.0, 90), (2.0, 9), (4.0, 1)], share) == expected
