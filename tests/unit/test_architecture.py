"""ARCHITECTURE.md names only what exists: every part of the seed has a place and a test."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
PACKAGE = ROOT / "sidecar" / "lanspread_peer"
FRONT_ENDS_OWN = "the front end's own"


def seed_rows() -> list[list[str]]:
    """The cells of each row of the table from the seed."""
    _, _, table = TEXT.partition("| seed | here | proved by |\n|---|---|---|\n")
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table.splitlines()]


def test_no_row_of_the_seed_is_without_a_place_and_a_test() -> None:
    rows = seed_rows()
    assert len(rows) > 40
    for seed, here, proof in rows:
        assert seed
        assert here
        assert (proof != "—") != (here == FRONT_ENDS_OWN), seed


def test_every_test_that_is_named_exists() -> None:
    named = re.findall(r"`(tests/\S+?)::(test_\w+)`", TEXT)
    assert len(named) > 40
    for path, name in named:
        assert re.search(rf"def {name}\(", (ROOT / path).read_text("utf-8")), name


def test_every_module_that_is_named_exists() -> None:
    modules = set(
        re.findall(
            r"`((?:control|runtime|transport|discovery|storage|core|wire|model)/\w+\.py)`", TEXT
        )
    )
    assert len(modules) > 25
    assert [module for module in sorted(modules) if not (PACKAGE / module).is_file()] == []
