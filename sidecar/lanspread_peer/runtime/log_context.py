"""What log lines are about: the peer, the download, the chunk that a task works on.

Whatever is named here stands in each later line of the same task and of those that it begins, its
threads included. A task that outlives who began it must say what it is about anew.
"""

from structlog.contextvars import bind_contextvars, clear_contextvars


def log_about(**subject: str | int | None) -> None:
    """Name these too from now on, as far as they are known."""
    bind_contextvars(**{name: value for name, value in subject.items() if value is not None})


def log_only_about(**subject: str | int | None) -> None:
    """Name these from now on, as far as they are known, and nothing else."""
    clear_contextvars()
    log_about(**subject)
