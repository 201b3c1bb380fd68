"""Only what lies between the marks of the page is written anew."""

import pytest

from bench.document import PAGE, replaced

TEXT = "before\n<!-- figures -->\nold\n<!-- end of figures -->\nafter\n"


def test_the_words_around_the_marks_stay() -> None:
    assert replaced(TEXT, "figures", r"new \1 text") == (
        "before\n<!-- figures -->\n\nnew \\1 text\n<!-- end of figures -->\nafter\n"
    )


def test_to_write_it_twice_changes_nothing() -> None:
    once = replaced(TEXT, "figures", "new")
    assert replaced(once, "figures", "new") == once


def test_a_page_without_the_marks_is_told() -> None:
    with pytest.raises(ValueError, match="0 places for runs"):
        replaced(TEXT, "runs", "new")


@pytest.mark.parametrize("mark", ["figures", "machines", "runs"])
def test_the_page_has_every_mark(mark: str) -> None:
    assert "new" in replaced(PAGE.read_text("utf-8"), mark, "new")
