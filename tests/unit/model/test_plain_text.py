"""What a terminal is shown is one line of what prints, and says what else was there."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanspread_peer.model.plain_text import plain


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Anna's PC é 中", "Anna's PC é 中"),
        ("a\nb\r\n", r"a\nb\r\n"),
        ("\x1b[2J", r"\x1b[2J"),
        ("\x9b\u202e\u2028\ud800", r"\x9b\u202e\u2028\ud800"),
        ("", ""),
    ],
)
def test_what_does_not_print_is_escaped(text: str, shown: str) -> None:
    assert plain(text) == shown


@given(st.text())
def test_any_text_prints(text: str) -> None:
    assert plain(text).isprintable()
