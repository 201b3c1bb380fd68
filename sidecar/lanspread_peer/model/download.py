"""Downloads: the states one goes through and what a front end is shown of it."""

from dataclasses import dataclass
from enum import Enum

from lanspread_peer.model.ids import ContentId, DownloadId, GameId, PeerId
from lanspread_peer.model.version import Version


class DownloadState(Enum):
    """See core.download for the transitions."""

    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"
    PAUSED = "paused"
    VERIFYING = "verifying"
    PUBLISHING = "publishing"
    FINISHED = "finished"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        return self in (DownloadState.FINISHED, DownloadState.FAILED, DownloadState.CANCELLED)


@dataclass(frozen=True, slots=True)
class DownloadRequest:
    """What a command asks for; `paths` is None for all files, `content_id` None for the latest."""

    game_id: GameId
    content_id: ContentId | None = None
    paths: tuple[str, ...] | None = None
    request_id: str = ""


class StagedState(Enum):
    """What the next start does with a staging: go on, wait for a command, or leave it lying."""

    ACTIVE = "active"
    PAUSED = "paused"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class StagedDownload:
    """What a staging is for, so that its download can go on after any stop.

    `folder` is the name on disk of the game's folder; `paths` is None for all files. `replaces` is
    the content that was there when it was accepted, None when there was no game: what is there in
    its place later is a person's.
    """

    id: DownloadId
    game_id: GameId
    folder: str
    content_id: ContentId
    version: Version
    paths: tuple[str, ...] | None
    replaces: ContentId | None
    request_id: str
    started_at_unix_s: float
    state: StagedState


@dataclass(frozen=True, slots=True)
class SourceShare:
    """What one source has given to a download."""

    peer_id: PeerId
    name: str
    bytes: int
    bytes_per_second: float
    active: bool


@dataclass(frozen=True, slots=True)
class DownloadStatus:
    """A download at one moment.

    `done_bytes` counts verified bytes, those found on disk included (`reused_bytes`);
    `wasted_bytes` came over the network and were thrown away; `eta_s` is None when unknown.
    """

    id: DownloadId
    game_id: GameId
    content_id: ContentId
    version: Version
    state: DownloadState
    total_bytes: int
    total_files: int
    done_bytes: int
    reused_bytes: int
    fetched_bytes: int
    wasted_bytes: int
    bytes_per_second: float
    eta_s: float | None
    sources: tuple[SourceShare, ...]
    started_at_unix_s: float
    error_code: str = ""
    error_message: str = ""
