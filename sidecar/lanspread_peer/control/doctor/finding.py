"""What the doctor says: one finding per check."""

from dataclasses import dataclass
from enum import Enum


class Verdict(Enum):
    """How bad it is; a check that does not apply here is skipped."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: what was found, in a sentence, and what to do about it, if anything."""

    check: str
    verdict: Verdict
    told: str
    advice: str = ""
