"""Which sources are left behind, because they crawl while others run.

A source that sends a byte now and then is never silent, so nothing else ends its requests before
the last chunks are stolen, and a crowd of such sources would fill the limit of requests. One is
left behind when it gives less than MIN_SOURCE_BYTES_PER_SECOND, and less than a tenth of what
another admitted source gives that has proved itself with right chunks. The only source is never
left behind, nor are several that are all slow: a poor link must finish too. So a chunk takes at
most MAX_CHUNK_BYTES / MIN_SOURCE_BYTES_PER_SECOND seconds, a minute, wherever it can be had faster.
"""

from collections.abc import Sequence

from lanspread_peer.core.source import Source
from lanspread_peer.model.limits import MIN_SOURCE_BYTES_PER_SECOND

# Long enough for a measure; a source whose disk had to spin up is soon asked again.
CRAWL_AFTER_S = 2.0
_FASTER_FACTOR = 10.0


def is_left_behind(source: Source, *, now: float) -> bool:
    """Whether it is asked only for what nobody else can be asked for."""
    return now < source.left_behind_until


def crawlers(admitted: Sequence[Source], *, now: float) -> list[Source]:
    """The sources to leave behind now."""
    proved = [source for source in admitted if source.verified_bytes]
    best = max((source.rate.measured(now=now) for source in proved), default=0.0)
    return [source for source in admitted if _crawls(source, best, now=now)]


def _crawls(source: Source, best: float, *, now: float) -> bool:
    oldest_at = source.oldest_request_at
    if oldest_at is None or now - oldest_at < CRAWL_AFTER_S or is_left_behind(source, now=now):
        return False
    speed = source.rate.measured(now=now)
    return speed < MIN_SOURCE_BYTES_PER_SECOND and speed * _FASTER_FACTOR < best
