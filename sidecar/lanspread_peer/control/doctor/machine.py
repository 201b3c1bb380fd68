"""What the doctor finds out about the machine: its clock, and how many files may be open."""

import ctypes
import sys
from datetime import UTC, datetime

from lanspread_peer.control.doctor.finding import Finding, Verdict
from lanspread_peer.model.limits import (
    MAX_BULK_CONNECTIONS,
    MAX_CONTROL_CONNECTIONS,
    MAX_OPEN_STAGING_FILES,
    MAX_RUNNING_DOWNLOADS,
)

# A clock before this program was written is wrong, and so are the certificates and dates of others.
OLDEST_YEAR = 2026
# Of one busy sidecar: its connections, the files of its downloads, and what libraries open.
NEEDED_DESCRIPTORS = (
    2 * MAX_BULK_CONNECTIONS
    + MAX_CONTROL_CONNECTIONS
    + MAX_RUNNING_DOWNLOADS * MAX_OPEN_STAGING_FILES
    + 64
)
# Below this a sidecar with a few peers and one download runs out.
FEWEST_DESCRIPTORS = 128

_TIME_ERROR = 5
# More than struct timex has on any Linux.
_TIMEX_BYTES = 512


def check_clock() -> Finding:
    """Whether the clock is plausible, and something keeps it right."""
    return judge_clock(datetime.now(UTC), is_synchronised())


def judge_clock(now: datetime, synchronised: bool | None) -> Finding:
    """What the time, and whether it is kept right, mean; None: nobody knows."""
    check, told = "clock", f"the clock says {now:%Y-%m-%d %H:%M} UTC"
    if now.year < OLDEST_YEAR:
        return Finding(
            check, Verdict.FAIL, told, "set the clock: certificates and versions have dates"
        )
    if synchronised is None:
        advice = "compare it with another PC"
        return Finding(check, Verdict.SKIPPED, f"{told}; nobody knows whether it is kept", advice)
    if not synchronised:
        told = f"{told}, and nothing keeps it right"
        return Finding(check, Verdict.WARN, told, "turn on network time, or compare it by hand")
    return Finding(check, Verdict.OK, f"{told}, and is kept right")


def is_synchronised() -> bool | None:
    """Whether the system's clock is kept right, by whatever program; None where nobody knows."""
    if sys.platform != "linux":
        return None
    try:
        answer = ctypes.CDLL(None, use_errno=True).adjtimex(
            ctypes.create_string_buffer(_TIMEX_BYTES)
        )
    except (OSError, AttributeError):
        return None
    return None if answer < 0 else bool(answer != _TIME_ERROR)


def check_descriptors() -> Finding:
    """Whether this user's programs may have enough files open."""
    if sys.platform == "win32":
        return Finding("open files", Verdict.SKIPPED, "Windows has no such limit")
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return judge_descriptors(None if soft == resource.RLIM_INFINITY else soft)


def judge_descriptors(limit: int | None) -> Finding:
    """What a limit of open files means; None is none."""
    check, advice = "open files", "raise the limit: `ulimit -n 4096` before the start"
    if limit is None:
        return Finding(check, Verdict.OK, "there is no limit")
    told = f"a program may have {limit} files open, a busy sidecar has {NEEDED_DESCRIPTORS}"
    if limit < FEWEST_DESCRIPTORS:
        return Finding(check, Verdict.FAIL, told, advice)
    if limit < NEEDED_DESCRIPTORS:
        return Finding(check, Verdict.WARN, told, advice)
    return Finding(check, Verdict.OK, told)
