"""The clocks, in one place, so that everything below takes `now` and tests can turn them."""

import time
from datetime import UTC, date, datetime


def monotonic_s() -> float:
    """Seconds that only ever grow; for every duration and deadline."""
    return time.monotonic()


def unix_s() -> float:
    """Seconds since 1970; for showing to people only."""
    return datetime.now(UTC).timestamp()


def today() -> date:
    """The date here; only to doubt versions from the future."""
    return datetime.now().astimezone().date()
