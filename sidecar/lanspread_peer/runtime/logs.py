"""Logging: structlog on stderr, one line per event, values escaped.

Names and paths from peers reach the log only as values, never as part of the text.
"""

import logging
import sys

import structlog

from lanspread_peer.core.first_times import FirstTimes, Novelty
from lanspread_peer.model.limits import MAX_LOG_KEYS_PER_MINUTE, MAX_REMEMBERED_LOG_KEYS
from lanspread_peer.runtime.clock import monotonic_s

_log = structlog.get_logger(__name__)


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
        # A line is one write, so that none is ever left out by half.
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    # aioquic and zeroconf log through the standard library, and say too much below this.
    logging.basicConfig(stream=sys.stderr)
    logging.getLogger().setLevel(max(numeric, logging.WARNING))


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
