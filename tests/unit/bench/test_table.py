"""The table shows every row, those that fail and those without a figure too."""

from typing import Any

from bench.result import Result, at_least, at_most, not_measured
from bench.statistic import Series
from bench.table import machines, runs, table

MACHINE = {"cpu": "EPYC", "cores": 2, "kernel": "Linux 6", "python": "3.11.7"}


def document(result: Result) -> dict[str, Any]:
    return {
        **result.as_json(),
        "date": "2026-11-23",
        "machine": MACHINE,
        "command": f"python -m bench {result.row} --json",
    }


def lines_of(result: Result) -> list[str]:
    return table({result.row: document(result)}, [result.row]).splitlines()[2:]


def test_a_line_tells_figure_target_and_how_to_measure_it_again() -> None:
    [line] = lines_of(Result("spawn", [at_most("ready", 0.52, 1.0, "s")]))
    assert line == (
        "| `spawn` | ready | at most 1 s | 0.52 s | yes | 2026-11-23 |"
        " `python -m bench spawn --json` |"
    )


def test_every_figure_of_a_row_has_its_line_and_a_missed_one_is_marked() -> None:
    checks = [at_most("last", 1.2, 1.3, "x"), at_least("speed", 0.5, 0.8, "x")]
    first, second = lines_of(Result("room", checks))
    assert "| yes |" in first
    assert "| at least 0.8 x | 0.5 x | **no** |" in second


def test_a_row_that_was_not_measured_says_why_on_one_line() -> None:
    [line] = lines_of(not_measured("room", "no ip |\n tc"))
    assert "not measured: no ip / tc" in line
    assert "**no**" in line
    [unknown] = table({}, ["quic"]).splitlines()[2:]
    assert "not measured yet" in unknown


def test_each_machine_is_named_once() -> None:
    spawn = document(Result("spawn", [at_most("ready", 0.5, 1.0, "s")]))
    elsewhere = {**spawn, "machine": {**MACHINE, "cores": 16}}
    assert machines({"spawn": spawn, "rescan": spawn}).count("\n") == 1
    assert machines({"spawn": spawn, "rescan": elsewhere}).count("\n") == 2


def test_the_runs_are_shown_with_their_spread_and_terms() -> None:
    series = Series("curl", "MiB/s", (1.0, 2.0, 4.0), "TLS 1.3")
    result = Result("one_to_one", [at_least("ratio", 1.0, 0.8, "x")], [series])
    [line] = runs({"one_to_one": document(result)}, ["one_to_one", "spawn"]).splitlines()[2:]
    assert line == "| `one_to_one` | curl | 2 MiB/s | 1 MiB/s | 4 MiB/s | 3 | TLS 1.3 |"
