"""Events: what a front end is told, as values. Every one is a fact in the past tense.

The event log numbers them; control turns them into messages. A `LevelEvent` is
level-triggered: only the latest value counts, so it may be skipped.
"""

from dataclasses import dataclass

from lanspread_peer.model.download import DownloadStatus
from lanspread_peer.model.game import Title, Variant
from lanspread_peer.model.ids import GameId, PeerId
from lanspread_peer.model.live_settings import LiveSettings
from lanspread_peer.model.manifest import Totals
from lanspread_peer.model.peer import PeerStatus
from lanspread_peer.model.verification import VerificationStatus


@dataclass(frozen=True, slots=True)
class GamesUpdated:
    """Titles that appeared or changed, and ids of those that nobody holds any more."""

    titles: tuple[Title, ...]
    removed: tuple[GameId, ...]


@dataclass(frozen=True, slots=True)
class GotGameFiles:
    """A `GetGame` was answered by the peers: the variants, and the totals of the chosen one."""

    game_id: GameId
    variants: tuple[Variant, ...]
    totals: Totals | None


@dataclass(frozen=True, slots=True)
class NoPeersHaveGame:
    """A `GetGame` or a download found nobody who has the game."""

    game_id: GameId


@dataclass(frozen=True, slots=True)
class DownloadBegan:
    """Staging is prepared and the first chunks are asked for."""

    download: DownloadStatus


@dataclass(frozen=True, slots=True)
class DownloadProgressed:
    """The latest figures of a running download; level-triggered."""

    download: DownloadStatus


@dataclass(frozen=True, slots=True)
class DownloadWaiting:
    """No source is left; it goes on when one comes back, and fails when patience ends."""

    download: DownloadStatus


@dataclass(frozen=True, slots=True)
class DownloadResumed:
    """A waiting download has a source again, or a paused one has its turn."""

    download: DownloadStatus


@dataclass(frozen=True, slots=True)
class DownloadPaused:
    """A download stopped until it is resumed: by a command, or for the error it shows."""

    download: DownloadStatus


@dataclass(frozen=True, slots=True)
class DownloadFinished:
    """The game is published."""

    download: DownloadStatus


@dataclass(frozen=True, slots=True)
class DownloadFailedEvent:
    """The download ended without its game; what was there before is as it was."""

    download: DownloadStatus


@dataclass(frozen=True, slots=True)
class DownloadCancelled:
    """A command ended the download; what was there before is as it was."""

    download: DownloadStatus


@dataclass(frozen=True, slots=True)
class VerifyBegan:
    """A verification was accepted; it runs when its turn comes."""

    verification: VerificationStatus


@dataclass(frozen=True, slots=True)
class VerifyProgressed:
    """The latest figures of a verification; level-triggered."""

    verification: VerificationStatus


@dataclass(frozen=True, slots=True)
class VerifyEnded:
    """A verification is over; its state says how."""

    verification: VerificationStatus


@dataclass(frozen=True, slots=True)
class GameRemoved:
    """The files of a game were removed, but for `left_files` that the disk did not let go."""

    game_id: GameId
    removed_bytes: int
    left_files: int


@dataclass(frozen=True, slots=True)
class PeerDiscovered:
    """A sidecar was seen that was not known; it is not connected yet."""

    peer: PeerStatus


@dataclass(frozen=True, slots=True)
class PeerConnected:
    """A peer proved its id and answered."""

    peer: PeerStatus


@dataclass(frozen=True, slots=True)
class PeerLost:
    """A connected peer left or stopped answering."""

    peer_id: PeerId
    name: str
    detail: str


@dataclass(frozen=True, slots=True)
class PeerUpdated:
    """A peer was blocked, or is blocked no more."""

    peer: PeerStatus


@dataclass(frozen=True, slots=True)
class PeerRemoved:
    """A peer is not known any more."""

    peer_id: PeerId


@dataclass(frozen=True, slots=True)
class PeerCountUpdated:
    """How many peers are connected now; level-triggered."""

    count: int


@dataclass(frozen=True, slots=True)
class ScanProgressed:
    """Hashing goes on; level-triggered. `eta_s` is None when unknown."""

    game_id: GameId
    hashed_bytes: int
    total_bytes: int
    eta_s: float | None


@dataclass(frozen=True, slots=True)
class ScanFinished:
    """The library on disk is known and hashed."""

    games: int
    hashed_bytes: int


@dataclass(frozen=True, slots=True)
class GameDirChanged:
    """The game folder was switched."""

    game_dir: str


@dataclass(frozen=True, slots=True)
class SettingsChanged:
    """Other live settings are in effect."""

    settings: LiveSettings


@dataclass(frozen=True, slots=True)
class Warned:
    """Something a person should know; `code` is UPPER_SNAKE."""

    code: str
    message: str


DownloadEvent = (
    DownloadBegan
    | DownloadProgressed
    | DownloadWaiting
    | DownloadResumed
    | DownloadPaused
    | DownloadFinished
    | DownloadFailedEvent
    | DownloadCancelled
)
VerifyEvent = VerifyBegan | VerifyProgressed | VerifyEnded
PeerEvent = PeerDiscovered | PeerConnected | PeerLost | PeerUpdated | PeerRemoved | PeerCountUpdated
LevelEvent = DownloadProgressed | VerifyProgressed | PeerCountUpdated | ScanProgressed
StateEvent = (
    GamesUpdated
    | GotGameFiles
    | NoPeersHaveGame
    | DownloadBegan
    | DownloadWaiting
    | DownloadResumed
    | DownloadPaused
    | DownloadFinished
    | DownloadFailedEvent
    | DownloadCancelled
    | VerifyBegan
    | VerifyEnded
    | GameRemoved
    | PeerDiscovered
    | PeerConnected
    | PeerLost
    | PeerUpdated
    | PeerRemoved
    | ScanFinished
    | GameDirChanged
    | SettingsChanged
    | Warned
)
Event = StateEvent | LevelEvent
