"""A sidecar in memory: enough of the `Sidecar` protocol to drive the control API without peers."""

import math
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

from lanspread_peer.model.download import (
    DownloadRequest,
    DownloadState,
    DownloadStatus,
    StagedDownload,
    StagedState,
)
from lanspread_peer.model.errors import (
    DownloadActive,
    DownloadEnded,
    DownloadNotFound,
    GameDirUnusable,
    GameNotFound,
    PeerNotFound,
    PeerUnreachable,
    StagingNotFound,
    VerificationNotFound,
)
from lanspread_peer.model.events import (
    DownloadBegan,
    DownloadCancelled,
    DownloadEvent,
    DownloadFailedEvent,
    DownloadFinished,
    DownloadPaused,
    DownloadProgressed,
    DownloadResumed,
    GameRemoved,
    PeerRemoved,
    SettingsChanged,
    VerifyBegan,
    VerifyEnded,
    VerifyProgressed,
)
from lanspread_peer.model.game import Description, Title, Variant
from lanspread_peer.model.ids import (
    ContentId,
    DownloadId,
    GameId,
    InstanceId,
    PeerId,
    VerificationId,
)
from lanspread_peer.model.live_settings import ChosenSettings, LiveSettings
from lanspread_peer.model.manifest import FileEntry, Manifest, Totals
from lanspread_peer.model.paths import SafeRelPath
from lanspread_peer.model.peer import Address, PeerState, PeerStatus, split_host_port
from lanspread_peer.model.status import Counters, DelayBucket, GameAnswer, SidecarStatus
from lanspread_peer.model.verification import (
    Finding,
    VerificationRequest,
    VerificationState,
    VerificationStatus,
)
from lanspread_peer.model.version import Version
from lanspread_peer.runtime.event_hub import EventHub
from lanspread_peer.storage.removal import Removed
from lanspread_peer.storage.stagings import FoundStaging

INSTANCE = InstanceId("0123456789abcdef" * 2)
CONTENT_ID = ContentId("ab" * 32)
# From 7 on, each another one.
COUNTERS = Counters(*range(7, 7 + len(fields(Counters))))

_STOPPED: dict[DownloadState, Callable[[DownloadStatus], DownloadEvent]] = {
    DownloadState.PAUSED: DownloadPaused,
    DownloadState.FINISHED: DownloadFinished,
    DownloadState.FAILED: DownloadFailedEvent,
    DownloadState.CANCELLED: DownloadCancelled,
}


def peer_id(number: int) -> PeerId:
    letters = "abcdefghijklmnopqrstuvwxyz234567"
    digits = letters[number // 32 % 32] + letters[number % 32]
    return PeerId("a" * 50 + digits)


def title(game_id: str, name: str = "") -> Title:
    variant = Variant(CONTENT_ID, Version("20240229"), 1000, 3, (peer_id(1), peer_id(2)))
    return Title(GameId(game_id), name or game_id, None, (variant,))


def peer(number: int, name: str = "") -> PeerStatus:
    address = Address("127.0.0.1", 26789)
    return PeerStatus(peer_id(number), name, PeerState.CONNECTED, address, "quic", 0.01, 2, 5000, 0)


def manifest_of(paths: list[str]) -> Manifest:
    names = sorted({*paths, "version.ini"}, key=lambda path: path.encode())
    return Manifest((), tuple(FileEntry(SafeRelPath(name), 0, b"") for name in names))


def download_status(number: int, game_id: str = "aoe2") -> DownloadStatus:
    return DownloadStatus(
        DownloadId(f"d{number}"),
        GameId(game_id),
        CONTENT_ID,
        Version("20240229"),
        DownloadState.RUNNING,
        total_bytes=1000,
        total_files=3,
        done_bytes=0,
        reused_bytes=0,
        fetched_bytes=0,
        wasted_bytes=0,
        bytes_per_second=100.0,
        eta_s=10.0,
        sources=(),
        started_at_unix_s=1_700_000_000.0 + number,
    )


def staging(name: str, fault: str = "") -> FoundStaging:
    """What a failed download has left; with a fault, nobody can tell any more what that was."""
    if fault:
        return FoundStaging(name, None, disk_bytes=10, recorded_bytes=0, fault=fault)
    staged = StagedDownload(
        DownloadId(name),
        GameId("aoe2"),
        "aoe2",
        CONTENT_ID,
        Version("20240229"),
        None,
        None,
        "",
        1_700_000_000.0,
        StagedState.ENDED,
    )
    return FoundStaging(name, staged, disk_bytes=2000, recorded_bytes=1000, fault="")


def verification_status(number: int, game_id: str = "aoe2") -> VerificationStatus:
    return VerificationStatus(
        VerificationId(f"v{number}"),
        GameId(game_id),
        CONTENT_ID,
        VerificationState.RUNNING,
        1_700_000_000.0 + number,
        total_bytes=1000,
    )


class MemoryVerifications:
    """They move by hand, and find what a test says."""

    def __init__(self, events: EventHub) -> None:
        self._events = events
        self._all: dict[VerificationId, VerificationStatus] = {}
        self.requests: list[VerificationRequest] = []
        self.found: list[Finding] = []

    def start(self, request: VerificationRequest) -> VerificationStatus:
        self.requests.append(request)
        status = verification_status(len(self._all) + 1, request.game_id)
        self._all[status.id] = status
        self._events.emit(VerifyBegan(status))
        return status

    async def cancel(self, verification_id: VerificationId) -> VerificationStatus:
        self._require(verification_id)
        return self.end(VerificationState.CANCELLED)

    def statuses(self) -> list[VerificationStatus]:
        return list(reversed(self._all.values()))

    def findings(self, verification_id: VerificationId) -> list[Finding]:
        self._require(verification_id)
        return self.found

    def progress(self, done_bytes: int) -> VerificationStatus:
        """Move the newest one on."""
        status = self._change(done_bytes=done_bytes, eta_s=1.0)
        self._events.emit(VerifyProgressed(status))
        return status

    def end(self, state: VerificationState, **values: Any) -> VerificationStatus:
        """End the newest one."""
        status = self._change(state=state, eta_s=None, **values)
        self._events.emit(VerifyEnded(status))
        return status

    def _change(self, **changes: Any) -> VerificationStatus:
        status = replace(self.statuses()[0], **changes)
        self._all[status.id] = status
        return status

    def _require(self, verification_id: VerificationId) -> None:
        if verification_id not in self._all:
            raise VerificationNotFound("no such verification", verification_id=verification_id)


class MemorySidecar:
    """Titles, peers and downloads are plain lists for a test to set; downloads move by hand."""

    def __init__(self) -> None:
        self.events = EventHub(INSTANCE)
        self.instance_id = INSTANCE
        self.library: list[Title] = []
        self.known_peers: list[PeerStatus] = []
        self.manifest = manifest_of(["a.dat", "b.dat"])
        self.requests: list[DownloadRequest] = []
        self.asked_for_shutdown = False
        self.game_dir = ""
        self.left_behind: list[FoundStaging] = []
        self.chosen = ChosenSettings()
        self.removed_installed = False
        self.verifications = MemoryVerifications(self.events)
        self._downloads: dict[DownloadId, DownloadStatus] = {}

    async def remove_game(self, game_id: GameId, *, remove_installed: bool) -> Removed:
        found = self._title(game_id)
        self.library.remove(found)
        self.removed_installed = remove_installed
        self.events.emit(GameRemoved(game_id, 1000, 0))
        return Removed(1000, 0)

    async def remove_peer(self, peer_id: PeerId) -> None:
        left = [each for each in self.known_peers if each.id != peer_id]
        if left == self.known_peers:
            raise PeerNotFound("no such peer", peer_id=peer_id)
        self.known_peers = left
        self.events.emit(PeerRemoved(peer_id))

    async def set_game_dir(self, path: str) -> None:
        if path == "/missing":
            raise GameDirUnusable("the folder is missing", path=path)
        self.game_dir = path

    def titles(self) -> list[Title]:
        return sorted(self.library, key=lambda each: each.key)

    async def get_game(self, game_id: GameId) -> GameAnswer:
        return GameAnswer(self._title(game_id), Totals(1000, 3, 3), Description("Age"))

    async def game_manifest(
        self, game_id: GameId, content_id: ContentId | None
    ) -> tuple[ContentId, Manifest]:
        self._title(game_id)
        return content_id or CONTENT_ID, self.manifest

    async def start_download(self, request: DownloadRequest) -> DownloadStatus:
        self._title(request.game_id)
        running = [each for each in self._downloads.values() if not each.state.is_final]
        if running:
            raise DownloadActive("a download of the game runs", download_id=running[0].id)
        self.requests.append(request)
        status = download_status(len(self._downloads) + 1, request.game_id)
        self._downloads[status.id] = status
        self.events.emit(DownloadBegan(status))
        return status

    async def cancel_download(self, download_id: DownloadId) -> DownloadStatus:
        status = self.download(download_id)
        return status if status.state.is_final else self.end(DownloadState.CANCELLED)

    async def pause_download(self, download_id: DownloadId) -> DownloadStatus:
        self._require_not_over(download_id)
        return self.end(DownloadState.PAUSED)

    async def resume_download(self, download_id: DownloadId) -> DownloadStatus:
        self._require_not_over(download_id)
        status = self._change(state=DownloadState.RUNNING, error_code="", error_message="")
        self.events.emit(DownloadResumed(status))
        return status

    async def stagings(self) -> list[FoundStaging]:
        return sorted(self.left_behind, key=lambda each: each.name)

    async def delete_staging(self, name: str) -> None:
        left = [each for each in self.left_behind if each.name != name]
        if left == self.left_behind:
            raise StagingNotFound(f"nothing was left under {name!a}", name=name)
        self.left_behind = left

    def download(self, download_id: DownloadId) -> DownloadStatus:
        if download_id not in self._downloads:
            raise DownloadNotFound("no such download", download_id=download_id)
        return self._downloads[download_id]

    def downloads(self) -> list[DownloadStatus]:
        return list(reversed(self._downloads.values()))

    def peers(self) -> list[PeerStatus]:
        return sorted(self.known_peers, key=lambda each: each.id)

    async def add_peer(self, address: str) -> PeerStatus:
        host, port = split_host_port(address, "address")
        if port == 9:
            raise PeerUnreachable("nobody answered", address=address)
        added = replace(peer(3, "added"), address=Address(host, port))
        self.known_peers.append(added)
        return added

    async def block_peer(self, peer_id: PeerId) -> PeerStatus:
        return self._set_blocked(peer_id, blocked=True)

    async def unblock_peer(self, peer_id: PeerId) -> PeerStatus:
        return self._set_blocked(peer_id, blocked=False)

    def settings(self) -> LiveSettings:
        return self.chosen.in_effect("me")

    async def update_settings(self, to: ChosenSettings, names: frozenset[str]) -> LiveSettings:
        self.chosen = self.chosen.changed(to, names)
        self.events.emit(SettingsChanged(self.settings()))
        return self.settings()

    def status(self) -> SidecarStatus:
        addresses = (Address("127.0.0.1", 26789),)
        return SidecarStatus(
            "0.1.0", peer_id(0), INSTANCE, "me", "/games", "/state", addresses, 1.5,
            len(self.known_peers), len(self.library), False, COUNTERS,
            (DelayBucket(0.001, 5), DelayBucket(math.inf, 1)),
        )  # fmt: skip

    def request_shutdown(self) -> None:
        self.asked_for_shutdown = True

    def progress(self, done_bytes: int) -> DownloadStatus:
        """Move the newest download on."""
        status = self._change(done_bytes=done_bytes)
        self.events.emit(DownloadProgressed(status))
        return status

    def end(self, state: DownloadState, error_code: str = "") -> DownloadStatus:
        """End the newest download, or pause it."""
        message = "it failed" if error_code else ""
        status = self._change(state=state, error_code=error_code, error_message=message)
        self.events.emit(_STOPPED[state](status))
        return status

    def _change(self, **changes: Any) -> DownloadStatus:
        status = replace(self.downloads()[0], **changes)
        self._downloads[status.id] = status
        return status

    def _require_not_over(self, download_id: DownloadId) -> None:
        if self.download(download_id).state.is_final:
            raise DownloadEnded("the download is over", download_id=download_id)

    def _set_blocked(self, peer_id: PeerId, *, blocked: bool) -> PeerStatus:
        [known] = [each for each in self.known_peers if each.id == peer_id]
        changed = replace(known, blocked=blocked)
        self.known_peers[self.known_peers.index(known)] = changed
        return changed

    def _title(self, game_id: GameId) -> Title:
        found = next((each for each in self.library if each.id == game_id), None)
        if found is None:
            raise GameNotFound(f"nobody has {game_id}", game_id=game_id)
        return found
