"""Verifications: the files of a game read again, and what a front end is shown of it."""

from dataclasses import dataclass
from enum import Enum

from lanspread_peer.model.ids import ContentId, GameId, VerificationId


class VerificationState(Enum):
    """One runs at a time, the others wait for their turn."""

    QUEUED = "queued"
    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        return self not in (VerificationState.QUEUED, VerificationState.RUNNING)


class FindingKind(Enum):
    """What is wrong with a file: gone, not what the content says, or not in the content."""

    MISSING = "missing"
    CHANGED = "changed"
    EXTRA = "extra"


@dataclass(frozen=True, slots=True)
class Finding:
    """One file that is not as the content says; `path` is below the game's folder."""

    path: str
    kind: FindingKind


@dataclass(frozen=True, slots=True)
class VerificationRequest:
    """What a command asks for; with `reseal`, what is found becomes the content of the game."""

    game_id: GameId
    reseal: bool = False
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class VerificationStatus:
    """A verification at one moment; `eta_s` is None when unknown.

    The counts are 0 until it has finished.
    """

    id: VerificationId
    game_id: GameId
    content_id: ContentId
    state: VerificationState
    started_at_unix_s: float
    total_bytes: int = 0
    done_bytes: int = 0
    eta_s: float | None = None
    missing_files: int = 0
    changed_files: int = 0
    extra_files: int = 0
    error_code: str = ""
    error_message: str = ""
