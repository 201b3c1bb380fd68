"""What the control layer asks of the sidecar.

The servicer knows nothing else of it, so the whole API can be driven without a network. Every
method runs on the event loop, and raises errors of the tree only.
"""

from collections.abc import Sequence
from typing import Protocol

from lanspread_peer.model.download import DownloadRequest, DownloadStatus
from lanspread_peer.model.game import Title
from lanspread_peer.model.ids import (
    ContentId,
    DownloadId,
    GameId,
    InstanceId,
    PeerId,
    VerificationId,
)
from lanspread_peer.model.live_settings import ChosenSettings, LiveSettings
from lanspread_peer.model.manifest import Manifest
from lanspread_peer.model.peer import PeerStatus
from lanspread_peer.model.status import GameAnswer, SidecarStatus
from lanspread_peer.model.verification import Finding, VerificationRequest, VerificationStatus
from lanspread_peer.runtime.event_hub import EventHub
from lanspread_peer.storage.removal import Removed
from lanspread_peer.storage.stagings import FoundStaging


class Verifications(Protocol):
    """The commands and questions about verifications."""

    def start(self, request: VerificationRequest) -> VerificationStatus:
        """Accept one; a repeated `request_id`, or game while one runs, gives that one again.

        Raises GameNotFound, GameIndexing, UnsafeGame or TooManyVerifications.
        """
        ...

    async def cancel(self, verification_id: VerificationId) -> VerificationStatus:
        """End one, and answer once it has ended; raises VerificationNotFound."""
        ...

    def statuses(self) -> list[VerificationStatus]:
        """Those of this launch, newest first."""
        ...

    def findings(self, verification_id: VerificationId) -> Sequence[Finding]:
        """What one found, in order of the paths; raises VerificationNotFound."""
        ...


class Sidecar(Protocol):
    """The commands and questions of the API, in the model's words."""

    @property
    def events(self) -> EventHub: ...

    @property
    def verifications(self) -> Verifications: ...

    @property
    def instance_id(self) -> InstanceId: ...

    async def set_game_dir(self, path: str) -> None:
        """Switch the game folder; raises GameDirUnusable or DownloadActive."""
        ...

    def titles(self) -> list[Title]:
        """Local and remote games merged, sorted by key."""
        ...

    async def get_game(self, game_id: GameId) -> GameAnswer:
        """Ask the peers; raises GameNotFound when neither they nor the library have it."""
        ...

    async def game_manifest(
        self, game_id: GameId, content_id: ContentId | None
    ) -> tuple[ContentId, Manifest]:
        """The manifest of a variant, or of the one that a download takes by itself."""
        ...

    async def remove_game(self, game_id: GameId, *, remove_installed: bool) -> Removed:
        """Delete its files; raises GameNotFound, DownloadActive or StorageError."""
        ...

    async def start_download(self, request: DownloadRequest) -> DownloadStatus:
        """Accept a download; a repeated `request_id` gives the first one again."""
        ...

    async def cancel_download(self, download_id: DownloadId) -> DownloadStatus:
        """End a download, and answer once it has ended; raises DownloadNotFound."""
        ...

    async def pause_download(self, download_id: DownloadId) -> DownloadStatus:
        """Stop a download until it is resumed; raises DownloadNotFound or DownloadEnded."""
        ...

    async def resume_download(self, download_id: DownloadId) -> DownloadStatus:
        """Queue a paused download; raises DownloadNotFound, DownloadEnded or StorageError."""
        ...

    async def stagings(self) -> list[FoundStaging]:
        """What downloads that are over have left on disk, by name; raises StorageError."""
        ...

    async def delete_staging(self, name: str) -> None:
        """Delete one of those; raises StagingNotFound or StorageError."""
        ...

    def download(self, download_id: DownloadId) -> DownloadStatus:
        """Raises DownloadNotFound."""
        ...

    def downloads(self) -> list[DownloadStatus]:
        """Those of this launch and those it goes on with, newest first."""
        ...

    def peers(self) -> list[PeerStatus]:
        """Peers that were seen or are blocked, sorted by id."""
        ...

    async def add_peer(self, address: str) -> PeerStatus:
        """Connect to `host:port`; raises InvalidField or PeerUnreachable."""
        ...

    async def remove_peer(self, peer_id: PeerId) -> None:
        """Forget a peer until it is seen again; raises PeerNotFound."""
        ...

    async def block_peer(self, peer_id: PeerId) -> PeerStatus:
        """Have nothing to do with a peer; raises InvalidField, TooManyBlocked or StorageError."""
        ...

    async def unblock_peer(self, peer_id: PeerId) -> PeerStatus:
        """Undo `block_peer`; raises StorageError."""
        ...

    def settings(self) -> LiveSettings:
        """Those that are in effect."""
        ...

    async def update_settings(self, to: ChosenSettings, names: frozenset[str]) -> LiveSettings:
        """Take the fields with these names from `to`; raises StorageError."""
        ...

    def status(self) -> SidecarStatus: ...

    def request_shutdown(self) -> None:
        """Begin to end the sidecar; returns at once."""
        ...
