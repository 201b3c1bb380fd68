"""Each sabotage of scripts/sabotages.py still fits the code, and names tests that exist."""

import re
import runpy
from pathlib import Path

ROOT = Path(__file__).parents[2]
SABOTAGES = runpy.run_path(str(ROOT / "scripts/sabotages.py"))["SABOTAGES"]


def test_there_are_at_least_ten_and_no_two_of_a_name() -> None:
    assert len({sabotage.name for sabotage in SABOTAGES}) == len(SABOTAGES) >= 10


def test_what_a_sabotage_replaces_stands_there_exactly_once() -> None:
    for sabotage in SABOTAGES:
        text = (ROOT / sabotage.file).read_text("utf-8")
        assert text.count(sabotage.old) == 1, sabotage.name
        assert sabotage.new != sabotage.old


def test_the_tests_that_a_sabotage_names_exist() -> None:
    for sabotage in SABOTAGES:
        assert sabotage.tests, sabotage.name
        for named in sabotage.tests:
            path, _, test = named.partition("::")
            text = (ROOT / path).read_text("utf-8")
            assert re.search(rf"def {test}\b" if test else "def test_", text), named
