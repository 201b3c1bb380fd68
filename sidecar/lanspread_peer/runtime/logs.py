"""Logging: structlog on stderr, one line per event, values escaped.

Names and paths from peers reach the log only as values, never as part of the text.
"""

import logging
import sys

import structlog


def configure_logs(level: str = "info") -> None:
    """Send this process's log to stderr, from `level` on."""
    numeric = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"]),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(numeric),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    # aioquic and zeroconf log through the standard library, and say too much below this.
    logging.basicConfig(level=max(numeric, logging.WARNING), stream=sys.stderr)


class LogOnce:
    """Remembers what was said, bounded, so that a hostile peer cannot fill a log."""

    _MAX_REMEMBERED = 1024

    def __init__(self) -> None:
        self._said: dict[object, None] = {}

    def first_time(self, *key: object) -> bool:
        """Whether this key is new."""
        if key in self._said:
            return False
        while len(self._said) >= self._MAX_REMEMBERED:
            del self._said[next(iter(self._said))]
        self._said[key] = None
        return True
