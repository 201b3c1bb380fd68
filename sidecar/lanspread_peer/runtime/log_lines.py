"""How a log line looks: one line per event in every format, whatever the values hold.

Names and paths come from strangers. What does not print is escaped, so that no value begins a line
of its own or commands a terminal; the traceback of an error is no exception to that.
"""

from collections.abc import Callable
from enum import Enum
from typing import Any

import structlog
from structlog.typing import EventDict, Processor

from lanspread_peer.model.plain_text import plain

_TRACEBACK = "exception"


class LogFormat(Enum):
    """For programs, for eyes, and for both."""

    JSON = "json"
    CONSOLE = "console"
    LOGFMT = "logfmt"


LineMaker = Callable[[Any, str, EventDict], str]


def line_maker(log_format: LogFormat, *, colours: bool = False) -> LineMaker:
    """What makes a line of an event; colours are for the console only."""
    first = ["timestamp", "level", "event"]
    match log_format:
        case LogFormat.JSON:
            return _as_text(structlog.processors.JSONRenderer(default=str))
        case LogFormat.LOGFMT:
            return _escaped(structlog.processors.LogfmtRenderer(key_order=first))
        case LogFormat.CONSOLE:
            # It would give a traceback lines of its own under its usual name.
            return _escaped(structlog.dev.ConsoleRenderer(colors=colours), traceback="traceback")


def _as_text(render: Processor) -> LineMaker:
    return lambda logger, method, event: str(render(logger, method, event))


def _escaped(render: Processor, traceback: str = _TRACEBACK) -> LineMaker:
    def make(logger: Any, method: str, event: EventDict) -> str:
        shown = {
            traceback if key == _TRACEBACK else plain(key): _shown(value)
            for key, value in event.items()
        }
        return str(render(logger, method, shown))

    return make


def _shown(value: object) -> object:
    if value is None or isinstance(value, bool | int | float):
        return value
    return plain(str(value))
