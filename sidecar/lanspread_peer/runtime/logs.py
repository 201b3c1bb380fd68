"""Logging: structlog on stderr and, if wished, in a file; one line per event, values escaped.

Names and paths from peers reach the log only as values, never as part of the text. What libraries
log through the standard library takes the same way.
"""

import atexit
import logging
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
from structlog.typing import EventDict, Processor

from lanspread_peer.core.first_times import FirstTimes, Novelty
from lanspread_peer.model.limits import MAX_LOG_KEYS_PER_MINUTE, MAX_REMEMBERED_LOG_KEYS
from lanspread_peer.runtime.clock import monotonic_s
from lanspread_peer.runtime.log_lines import LogFormat, line_maker
from lanspread_peer.runtime.log_writer import LogWriter

_STDERR = 2

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class LogSettings:
    """From which level on, in which format, and whether to a file too."""

    level: str = "info"
    format: LogFormat = LogFormat.LOGFMT
    file: Path | None = None


def default_format(*, is_managed: bool) -> LogFormat:
    """For a front end JSON, for a person at a terminal the console's."""
    if is_managed:
        return LogFormat.JSON
    return LogFormat.CONSOLE if os.isatty(_STDERR) else LogFormat.LOGFMT


def configure_logs(settings: LogSettings) -> None:
    """Send this process's log to where the settings say.

    Raises InvalidField when the file cannot be opened.
    """
    numeric = logging.getLevelNamesMapping()[settings.level.upper()]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            *_file_copies(settings),
            line_maker(settings.format, colours=_may_colour()),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(numeric),
        # A line is one write, so that none is ever left out by half.
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    root = logging.getLogger()
    root.addHandler(_forwarder)
    # aioquic and zeroconf say too much below this.
    root.setLevel(max(numeric, logging.WARNING))


def _file_copies(settings: LogSettings) -> list[Processor]:
    """What copies each event to the file, if there is one."""
    if settings.file is None:
        return []
    # What turns files over is large, and most logs go to stderr alone.
    from lanspread_peer.runtime.log_file import LogFile

    file = LogFile(settings.file)
    writer = LogWriter(file.write)

    def end() -> None:
        if writer.end():
            file.close()
        else:
            file.abandon()

    atexit.register(end)
    is_for_eyes = settings.format is LogFormat.CONSOLE
    make = line_maker(LogFormat.LOGFMT if is_for_eyes else settings.format)

    def copy(logger: Any, method: str, event: EventDict) -> EventDict:
        writer.write(f"{make(logger, method, dict(event))}\n")
        return event

    return [copy]


def _may_colour() -> bool:
    return os.isatty(_STDERR) and os.name == "posix" and not os.environ.get("NO_COLOR")


class _Forwarder(logging.Handler):
    """Takes what libraries log into our log."""

    def emit(self, record: logging.LogRecord) -> None:
        log = structlog.get_logger()
        say = log.error if record.levelno >= logging.ERROR else log.warning
        say(record.getMessage(), logger=record.name, exc_info=record.exc_info)


_forwarder = _Forwarder()


class LogOnce:
    """Remembers what was said, bounded, so that a hostile peer cannot fill a log."""

    def __init__(self) -> None:
        self._said = FirstTimes(
            max_remembered=MAX_REMEMBERED_LOG_KEYS, per_minute=MAX_LOG_KEYS_PER_MINUTE
        )

    def first_time(self, *key: object) -> bool:
        """Whether to say something of this key; that there are too many is said here."""
        novelty = self._said.judge(key, now=monotonic_s())
        if novelty is Novelty.MORE:
            _log.warning("and more like it, which are left out", like=[str(part) for part in key])
        return novelty is Novelty.NEW
