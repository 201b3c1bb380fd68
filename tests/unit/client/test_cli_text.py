import io

import pytest
from rich.console import Console

from lanspread_client.cli.text import cell, duration, plain, size


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Age of Empires II", "Age of Empires II"),
        ("Größe ゲーム 🎮", "Größe ゲーム 🎮"),
        ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ("\x9b2J", "\\x9b2J"),
        ("a\nb\rc\x08\x00", "a\\nb\\rc\\x08\\x00"),
        ("\u202eexe.oga", "\\u202eexe.oga"),
        ("a\u200bb\u2028c", "a\\u200bb\\u2028c"),
        ("\udcff", "\\udcff"),
    ],
)
def test_a_name_cannot_command_the_terminal(text: str, shown: str) -> None:
    assert plain(text) == shown


def test_a_name_is_never_read_as_markup() -> None:
    written = io.StringIO()
    Console(file=written, width=200).print(cell("[bold red]x[/] [link=http://x]y[/link] :boom:"))
    assert written.getvalue() == "[bold red]x[/] [link=http://x]y[/link] :boom:\n"


@pytest.mark.parametrize(
    ("count", "shown"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 KiB"), (1536, "1.5 KiB"), (2**31, "2.0 GiB")],
)
def test_sizes_have_one_to_three_digits_before_the_point(count: int, shown: str) -> None:
    assert size(count) == shown
    assert size(2**60) == "1048576.0 TiB"


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0.4, "0:00"), (59.6, "1:00"), (61, "1:01"), (3725, "1:02:05")]
)
def test_durations_have_hours_only_when_there_are_some(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown
