"""Log lines: one per event in every format, and nothing in a value can pretend to be another."""

import json
import re
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.processors import format_exc_info

from lanspread_peer.runtime.log_lines import LogFormat, line_maker

# Colours are escapes of our own: one of SGR, and nothing that moves or deletes.
COLOURS = re.compile(r"\x1b\[[0-9;]*m")
HOSTILE = [
    'x"\nlevel=error event=forged',
    "a\r\n2026-01-01T00:00:00Z [error    ] forged",
    "\x1b[2J\x1b]0;title\x07",
    "\x9b2J",
    "right\u202eleft",
    "a\u2028b\u2029c\x85d\x0be\x0cf\x1cg",
    "\ud800",
    "zero\u200bwidth",
    "back\\slash \\n",
]


def line(log_format: LogFormat, *, colours: bool = False, **values: Any) -> str:
    event = {"timestamp": "2026-11-23T16:00:00Z", "level": "info", "event": "a peer", **values}
    return line_maker(log_format, colours=colours)(None, "info", event)


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize("colours", [False, True])
@pytest.mark.parametrize("log_format", list(LogFormat))
def test_no_value_leaves_its_line_or_commands_a_terminal(
    log_format: LogFormat, colours: bool, value: str
) -> None:
    shown = line(log_format, colours=colours, name=value, files=[value], error=OSError(value))
    assert COLOURS.sub("", shown).isprintable()
    assert line(log_format, event=value).isprintable()


@given(st.text(), st.sampled_from(LogFormat))
def test_no_text_at_all_leaves_its_line(value: str, log_format: LogFormat) -> None:
    assert line(log_format, name=value).isprintable()


@pytest.mark.parametrize("log_format", list(LogFormat))
def test_an_error_stays_on_its_line_traceback_and_all(log_format: LogFormat) -> None:
    try:
        int("first\nsecond\x1b[2J")
    except ValueError:
        event = format_exc_info(None, "error", {"event": "broken", "exc_info": sys.exc_info()})
    shown = line(log_format, **event)
    assert shown.isprintable()
    assert "Traceback" in shown
    assert "second" in shown


def test_json_gives_each_value_back() -> None:
    for value in HOSTILE:
        parsed = json.loads(line(LogFormat.JSON, name=value, count=3, share=0.5))
        assert parsed["name"] == value
        assert (parsed["event"], parsed["count"], parsed["share"]) == ("a peer", 3, 0.5)


def test_formats_look_as_they_are_called() -> None:
    assert line(LogFormat.LOGFMT, name="Anna") == (
        'timestamp=2026-11-23T16:00:00Z level=info event="a peer" name=Anna'
    )
    assert "a peer" in line(LogFormat.CONSOLE, name="Anna")
    assert "name=Anna" in line(LogFormat.CONSOLE, name="Anna")
    assert not COLOURS.search(line(LogFormat.CONSOLE, name="Anna"))
    assert COLOURS.search(line(LogFormat.CONSOLE, colours=True, name="Anna"))
