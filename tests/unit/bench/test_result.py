"""A row is good when all it promises was measured and met."""

import pytest

from bench.result import Check, Result, at_least, at_most, not_measured
from bench.statistic import Series


@pytest.mark.parametrize(
    ("check", "ok"),
    [
        (at_least("speed", 0.8, 0.8, "x"), True),
        (at_least("speed", 0.79, 0.8, "x"), False),
        (at_most("delay", 20.0, 20.0, "ms"), True),
        (at_most("delay", 20.1, 20.0, "ms"), False),
    ],
)
def test_a_figure_meets_its_target_from_the_right_side(check: Check, ok: bool) -> None:
    assert check.ok is ok


def test_one_missed_target_fails_the_row() -> None:
    checks = [at_most("a", 1, 2, "s"), at_most("b", 3, 2, "s")]
    assert not Result("spawn", checks).ok
    assert Result("spawn", checks[:1]).ok


def test_what_was_not_measured_is_not_good_and_says_why() -> None:
    document = not_measured("room", "no network namespaces").as_json()
    assert (document["ok"], document["figure"]) == (False, None)
    assert document["missing"] == {"room": "no network namespaces"}


def test_the_document_holds_the_figure_and_the_runs_behind_it() -> None:
    runs = [Series("us", "MiB/s", (1.0, 2.0, 4.0), "TLS 1.3")]
    document = Result("one_to_one", [at_least("ratio", 2 / 3, 0.5, "x")], runs).as_json()
    assert (document["figure"], document["target"], document["unit"]) == (0.6667, 0.5, "x")
    [run] = document["runs"]
    assert (run["median"], run["low"], run["high"]) == (2.0, 1.0, 4.0)
    assert run["values"] == [1.0, 2.0, 4.0]
