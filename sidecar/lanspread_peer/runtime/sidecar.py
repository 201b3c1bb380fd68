"""One sidecar: everything it is made of, put together, and the commands a front end has.

This is the composition root: nothing below knows more than what it is handed here. Parts start
from the inside out and end in the reverse order, downloads first.
"""

import asyncio
from collections.abc import Iterable
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from random import SystemRandom
from secrets import token_hex

import structlog

from lanspread_peer import __version__
from lanspread_peer.core.any_choice import AnyChoice
from lanspread_peer.core.liars import Liars
from lanspread_peer.core.offences import Offences
from lanspread_peer.core.peer_db import PeerDb
from lanspread_peer.model.config import Settings
from lanspread_peer.model.download import DownloadRequest, DownloadStatus
from lanspread_peer.model.errors import NotAMember
from lanspread_peer.model.events import GameDirChanged, Warned
from lanspread_peer.model.game import GameSummary, Title
from lanspread_peer.model.ids import ContentId, DownloadId, GameId, GameKey, InstanceId, PeerId
from lanspread_peer.model.live_settings import ChosenSettings, LiveSettings
from lanspread_peer.model.manifest import Manifest
from lanspread_peer.model.peer import PeerStatus
from lanspread_peer.model.status import Counters, GameAnswer, SidecarStatus
from lanspread_peer.runtime.availability_answers import AvailabilityAnswers
from lanspread_peer.runtime.block_list import BlockList
from lanspread_peer.runtime.bulk import Bulk
from lanspread_peer.runtime.bulk_carrier import BulkCarrier
from lanspread_peer.runtime.chunk_fetch import ChunkFetcher
from lanspread_peer.runtime.clock import monotonic_s
from lanspread_peer.runtime.counters import RunningCounters
from lanspread_peer.runtime.current_settings import CurrentSettings
from lanspread_peer.runtime.data_answers import DataAnswers
from lanspread_peer.runtime.data_requests import DataRequests
from lanspread_peer.runtime.download_run import Surroundings
from lanspread_peer.runtime.downloads import Downloads
from lanspread_peer.runtime.event_hub import EventHub
from lanspread_peer.runtime.fetch_requests import Network
from lanspread_peer.runtime.game_questions import GameQuestions
from lanspread_peer.runtime.game_removal import GameRemoval
from lanspread_peer.runtime.held_folders import HeldFolders, lock_game_dir
from lanspread_peer.runtime.identity import Identity
from lanspread_peer.runtime.library import Library
from lanspread_peer.runtime.lock_keeping import keep_locks
from lanspread_peer.runtime.loop_delay import LoopDelay
from lanspread_peer.runtime.neighbourhood import Neighbourhood, Reach
from lanspread_peer.runtime.offers import Offers
from lanspread_peer.runtime.partial_offers import PartialOffers
from lanspread_peer.runtime.party_watch import Papers, PartyWatch, load_party
from lanspread_peer.runtime.peer_server import PeerServer
from lanspread_peer.runtime.rate_limits import RateLimits
from lanspread_peer.runtime.recovering import recover_games
from lanspread_peer.runtime.tasks import TaskSet, run_to_end
from lanspread_peer.runtime.title_board import TitleBoard
from lanspread_peer.runtime.uploads import UploadSlots
from lanspread_peer.runtime.verifications import Verifications
from lanspread_peer.storage.game_dir import GameDir
from lanspread_peer.storage.index import Index
from lanspread_peer.storage.locks import FolderLock
from lanspread_peer.storage.node_key import load_or_create_key
from lanspread_peer.storage.removal import Removed
from lanspread_peer.storage.stagings import FoundStaging
from lanspread_peer.storage.state_dir import open_state_dir
from lanspread_peer.transport.credentials import Credentials

_log = structlog.get_logger(__name__)


class Sidecar:
    """A running sidecar, as the control layer drives it. Make it with `start`."""

    def __init__(self, settings: Settings, state_dir: Path) -> None:
        self._settings = settings
        self._state_dir = state_dir
        self._started_at = monotonic_s()
        self._counters = RunningCounters()
        self._loop_delay = LoopDelay()
        self._peers = PeerDb()
        self._liars = Liars()
        self._slots = UploadSlots()
        self._limits = RateLimits()
        self.offences = Offences()
        self._shutdown = asyncio.Event()
        self._cleanup = AsyncExitStack()
        self._switching = asyncio.Lock()
        self._instance = InstanceId(token_hex(16))
        self.events = EventHub(self._instance)

    @classmethod
    async def start(cls, settings: Settings) -> "Sidecar":
        """Start everything but the control server.

        Raises GameDirUnusable, AlreadyRunning, CannotBind, InvalidField, InvalidCertificate or
        StorageError; then nothing is left running or locked.
        """
        state_dir = await asyncio.to_thread(open_state_dir, settings.state_dir)
        sidecar = cls(settings, state_dir)
        try:
            await sidecar._open()
        except BaseException:
            await sidecar.close()
            raise
        return sidecar

    async def close(self) -> None:
        """End everything, transfers first; the next launch goes on with the downloads."""
        await self._cleanup.aclose()

    @property
    def instance_id(self) -> InstanceId:
        return self._instance

    @property
    def state_dir(self) -> Path:
        return self._state_dir

    def request_shutdown(self) -> None:
        """Let `wait_shutdown` return."""
        self._shutdown.set()

    async def wait_shutdown(self) -> None:
        """Waits until somebody asked to end."""
        await self._shutdown.wait()

    # Games.

    async def set_game_dir(self, path: str) -> None:
        """Switch the game folder; raises GameDirUnusable, AlreadyRunning or DownloadActive."""
        async with self._switching:
            game_dir = await asyncio.to_thread(GameDir.open, path)
            if game_dir.root == self._library.game_dir.root:
                self._library.request_rescan()
                return
            async with self._downloads.none_active():
                lock = await lock_game_dir(game_dir)
                # A caller who gives up in the middle must not leave half a library.
                await run_to_end(self._switch(game_dir, lock))

    async def _switch(self, game_dir: GameDir, lock: FolderLock) -> None:
        try:
            published = await recover_games(game_dir, self._index, self.events.emit)
        except BaseException:
            lock.release()
            raise
        await self.verifications.cancel_all()
        self._folders.hold_game_dir(lock)
        await self._library.open(game_dir)
        self.events.emit(GameDirChanged(str(game_dir.root)))
        await self._downloads.restore(published)

    def titles(self) -> list[Title]:
        return self._titles.titles()

    async def get_game(self, game_id: GameId) -> GameAnswer:
        return await self._questions.ask_all(game_id)

    async def game_manifest(
        self, game_id: GameId, content_id: ContentId | None
    ) -> tuple[ContentId, Manifest]:
        return await self._questions.manifest(game_id, content_id)

    async def remove_game(self, game_id: GameId, *, remove_installed: bool) -> Removed:
        async with self._switching:
            # A caller who gives up in the middle must not leave half a game.
            return await run_to_end(
                self._removal.remove(game_id, remove_installed=remove_installed)
            )

    # Downloads.

    async def start_download(self, request: DownloadRequest) -> DownloadStatus:
        return await self._downloads.start(request)

    async def cancel_download(self, download_id: DownloadId) -> DownloadStatus:
        return await self._downloads.cancel(download_id)

    async def pause_download(self, download_id: DownloadId) -> DownloadStatus:
        return await self._downloads.pause(download_id)

    async def resume_download(self, download_id: DownloadId) -> DownloadStatus:
        return await self._downloads.resume(download_id)

    async def stagings(self) -> list[FoundStaging]:
        return await self._downloads.stagings()

    async def delete_staging(self, name: str) -> None:
        await self._downloads.delete_staging(name)

    def download(self, download_id: DownloadId) -> DownloadStatus:
        return self._downloads.status(download_id)

    def downloads(self) -> list[DownloadStatus]:
        return self._downloads.statuses()

    # Peers and the sidecar itself.

    def peers(self) -> list[PeerStatus]:
        return list(map(self._bulk.shown, self._neighbourhood.statuses()))

    async def add_peer(self, address: str) -> PeerStatus:
        return await self._neighbourhood.add_peer(address)

    async def block_peer(self, peer_id: PeerId) -> PeerStatus:
        status = await self._neighbourhood.block(peer_id)
        self._bulk.send_away(peer_id)
        return status

    async def unblock_peer(self, peer_id: PeerId) -> PeerStatus:
        return await self._neighbourhood.unblock(peer_id)

    async def remove_peer(self, peer_id: PeerId) -> None:
        await self._neighbourhood.remove(peer_id)
        self._bulk.send_away(peer_id)

    def settings(self) -> LiveSettings:
        return self._current.value

    async def update_settings(self, to: ChosenSettings, names: frozenset[str]) -> LiveSettings:
        return await self._current.change(to, names)

    def status(self) -> SidecarStatus:
        return SidecarStatus(
            version=__version__,
            peer_id=self._identity.peer_id,
            instance_id=self._instance,
            name=self._identity.name,
            game_dir=str(self._library.game_dir.root),
            state_dir=str(self._state_dir),
            addresses=self._neighbourhood.addresses,
            uptime_seconds=monotonic_s() - self._started_at,
            peer_count=self._peers.connected_count,
            game_count=self._library.offered_count,
            indexing=self._library.is_indexing,
            counters=self.counters(),
            loop_delays=self._loop_delay.snapshot(),
            loop_delay_sum_s=self._loop_delay.sum_s,
        )

    def counters(self) -> Counters:
        return replace(
            self._counters.snapshot(),
            refused_callers=self._neighbourhood.refused_callers + self._bulk.refused_callers,
            events=self.events.latest,
            quic_connections=self._neighbourhood.connection_count,
            tls_connections=self._bulk.connection_count,
            event_streams=self.events.stream_count,
            active_uploads=self._slots.active_count,
        )

    async def _open(self) -> None:
        game_dir = await self._hold_folders()
        node_key = await asyncio.to_thread(load_or_create_key, self._state_dir)
        if node_key.was_replaced:
            self.events.emit(Warned("PEER_ID_REPLACED", "the node key was not usable here"))
        settings, emit = self._settings, self.events.emit
        self._current = await CurrentSettings.load(self._state_dir, settings, emit)
        key, name = node_key.private_key, self._current.value.name
        papers = await load_party(settings.party, self._state_dir, key)
        credentials = Credentials(key, papers.party if papers else None)
        self._identity = Identity(node_key.peer_id, self._instance, name, credentials)
        index = await asyncio.to_thread(Index, self._state_dir)
        self._cleanup.callback(index.close)
        self._index = index
        published = await recover_games(game_dir, self._index, self.events.emit)
        self._library = Library(index, self.events.emit, self._library_changed)
        self._titles = TitleBoard(self._library, self._peers, self.events.emit)
        self._neighbourhood = Neighbourhood(
            identity=self._identity,
            reach=Reach(settings.bind, settings.port, settings.peers, settings.mdns),
            peers=self._peers,
            blocked=await BlockList.load(self._state_dir),
            library_digest=lambda: self._library.revisions.digest,
            emit=self.events.emit,
            on_titles=self._titles_changed,
        )
        self._partial = PartialOffers(self._library, self._downloading_changed)
        self._cleanup.callback(self._partial.close)
        offers = Offers(self._library, self._partial)
        self._requests = DataRequests(offers, AnyChoice(SystemRandom()))
        data = DataAnswers(self._requests, self._slots, self._limits.uploads, self._counters)
        availability = AvailabilityAnswers(self._partial)
        server = PeerServer(
            self._library,
            self._neighbourhood,
            data,
            offers,
            availability,
            self._counters,
            lambda peer_id: self._bulk.dial_back(peer_id),
        )
        # After the neighbourhood, as peers that are left on the way out change titles.
        self._cleanup.callback(self._titles.close)
        self._neighbourhood.listen(server.serve, self.offences)
        self._cleanup.push_async_callback(self._neighbourhood.close)
        self._bulk = Bulk.open(
            identity=self._identity,
            neighbourhood=self._neighbourhood,
            bind=self._settings.bind,
            requests=self._requests,
            slots=self._slots,
            limit=self._limits.uploads,
            counters=self._counters,
            offences=self.offences,
            emit=self.events.emit,
        )
        self._cleanup.push_async_callback(self._bulk.close)
        if papers is not None:
            self._keep_party(papers)
        self._open_downloads(index)
        self._current.apply_with(self._apply_settings)
        self._cleanup.push_async_callback(self._library.close)
        self._cleanup.push_async_callback(self.verifications.close)
        self._cleanup.push_async_callback(self._downloads.close)
        await self._library.open(game_dir)
        await self._downloads.restore(published)
        # Last, so that the first word to others is about a library that is known.
        await self._neighbourhood.look_for_others()

    async def _hold_folders(self) -> GameDir:
        self._folders = await HeldFolders.hold(self._state_dir)
        self._cleanup.callback(self._folders.release)
        game_dir = await asyncio.to_thread(GameDir.open, self._settings.game_dir)
        self._folders.hold_game_dir(await lock_game_dir(game_dir))
        tasks = TaskSet()
        self._cleanup.push_async_callback(tasks.close)
        tasks.spawn("loop delay", self._loop_delay.watch())
        tasks.spawn("locks", keep_locks(self._folders.by_warning, self.events.emit))
        return game_dir

    def _keep_party(self, papers: Papers) -> None:
        async def send_away(member: PeerId, error: NotAMember) -> None:
            self._bulk.send_away(member)
            await self._neighbourhood.send_away(member, error)

        self._party = PartyWatch(
            papers,
            self._identity.credentials,
            members=lambda: self._bulk.served | self._neighbourhood.links.reached,
            send_away=send_away,
            renew=self._neighbourhood.renew,
            dial_again=self._neighbourhood.links.dial_again,
            emit=self.events.emit,
        )
        tasks = TaskSet()
        self._cleanup.push_async_callback(tasks.close)
        tasks.spawn("party", self._party.run())
        tasks.spawn("renewals", self._party.keep_renewed())

    def _open_downloads(self, index: Index) -> None:
        self._questions = GameQuestions(
            library=self._library,
            peers=self._peers,
            titles=self._titles,
            connection_of=self._neighbourhood.links.connection,
            emit=self.events.emit,
            liars=self._liars,
        )
        links, limit = self._neighbourhood.links, self._limits.downloads
        carrier = BulkCarrier(self._bulk.routes, ChunkFetcher(limit), limit, self._counters)
        network = Network(self._peers, links, carrier, self._counters, self._liars)
        surroundings = Surroundings(
            library=self._library,
            index=index,
            network=network,
            partial=self._partial,
            emit=self.events.emit,
            patience_s=lambda: self._current.value.patience_seconds,
        )
        self._downloads = Downloads(self._questions, self._titles, surroundings)
        emit = self.events.emit
        self.verifications = Verifications(self._library, index, emit)
        self._removal = GameRemoval(self._library, index, self._downloads, self.verifications, emit)

    def _apply_settings(self, settings: LiveSettings) -> None:
        self._limits.uploads.set_rate(settings.upload_bytes_per_second)
        self._limits.downloads.set_rate(settings.download_bytes_per_second)
        self._slots.set_slots(settings.upload_slots)
        self._downloads.set_patience(settings.patience_seconds)
        self._identity.name = settings.name

    def _downloading_changed(self, games: Iterable[GameSummary]) -> None:
        if self._library.revisions.publish_downloading(games):
            self._neighbourhood.downloading_changed()

    def _library_changed(self, keys: frozenset[GameKey]) -> None:
        self._partial.library_changed()
        self._titles.changed(keys)
        self._neighbourhood.library_changed()
        self._downloads.library_changed()

    def _titles_changed(self, keys: frozenset[GameKey]) -> None:
        self._titles.changed(keys)
        self._downloads.sources_changed(keys)
