"""Whole sidecars in one process, over real QUIC on loopback and real disks, and their events."""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from typing import TypeVar

from cryptography.hazmat.primitives.asymmetric import ec

from lanspread_peer.model.config import Settings
from lanspread_peer.model.download import DownloadRequest, DownloadStatus
from lanspread_peer.model.events import DownloadEvent, DownloadProgressed, Event
from lanspread_peer.model.game import Title
from lanspread_peer.model.ids import ContentId, DownloadId, GameId, game_key
from lanspread_peer.model.live_settings import ChosenSettings
from lanspread_peer.runtime.sidecar import Sidecar
from lanspread_peer.transport.credentials import Credentials
from support.hostile_peer import HostilePeer
from support.quic_party import LOOPBACK
from support.storage_folders import make_files

KIB = 1024
MIB = 1024 * KIB
AOE2 = GameId("aoe2")

Files = Mapping[str, bytes]
_Result = TypeVar("_Result")
_EventType = TypeVar("_EventType", bound=Event)


def make_game(mib: int = 6, *, version: str = "20240229", seed: int = 1) -> dict[str, bytes]:
    """A game of about that size: one large file, a small one, and an empty one."""
    return {
        "version.ini": f"{version}\n".encode(),
        "aoe2.eti": Random(seed).randbytes(mib * MIB),
        "data/maps/arena.rms": b"arena %d" % seed,
        "data/empty": b"",
    }


async def until(condition: Callable[[], _Result], within: float = 30.0) -> _Result:
    """The condition's value once that is true; fails the test when it takes longer."""
    deadline = asyncio.get_running_loop().time() + within
    while not (value := condition()):
        assert asyncio.get_running_loop().time() < deadline, f"not so within {within:g} s"
        await asyncio.sleep(0.005)
    return value


class EventRecord:
    """All events of one sidecar since its start, level-triggered ones as a front end sees them."""

    def __init__(self, sidecar: Sidecar) -> None:
        self.all: list[Event] = []
        self._subscription = sidecar.events.subscribe(f"{sidecar.instance_id}:0")
        self._task = asyncio.get_running_loop().create_task(self._follow(), name="event record")

    def of(self, kind: type[_EventType]) -> list[_EventType]:
        """Those of one kind, oldest first."""
        return [event for event in self.all if isinstance(event, kind)]

    def of_download(self, download_id: DownloadId) -> list[str]:
        """The names of one download's state events, in order."""
        return [
            type(event).__name__
            for event in self.all
            if isinstance(event, DownloadEvent)
            and not isinstance(event, DownloadProgressed)
            and event.download.id == download_id
        ]

    async def final(self, download_id: DownloadId) -> list[str]:
        """The names of one download's state events, once its final one is among them."""
        ends = {"DownloadFinished", "DownloadFailedEvent", "DownloadCancelled"}
        await until(lambda: ends & set(self.of_download(download_id)))
        return self.of_download(download_id)

    async def wait_for(
        self,
        kind: type[_EventType],
        matches: Callable[[_EventType], bool] = lambda _: True,
        within: float = 30.0,
    ) -> _EventType:
        """The first matching event, past or to come."""

        def found() -> list[_EventType]:
            return [event for event in self.of(kind) if matches(event)]

        return (await until(found, within))[0]

    async def close(self) -> None:
        """Stop following."""
        self._task.cancel()
        await asyncio.wait({self._task})

    async def _follow(self) -> None:
        while (delivery := await self._subscription.next()) is not None:
            if delivery.event is not None:
                self.all.append(delivery.event)


class Party:
    """Starts sidecars and hostile peers, each with folders of its own below one root."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.sidecars: list[Sidecar] = []
        self._hostile: list[HostilePeer] = []
        self._records: dict[Sidecar, EventRecord] = {}

    def games(self, name: str) -> Path:
        """The game folder of the sidecar with this name."""
        return self.root / name / "games"

    def game(self, name: str, game_id: str = AOE2) -> Path:
        """One game in that folder."""
        return self.games(name) / game_id

    def settings(
        self,
        name: str,
        *,
        peers: tuple[str, ...] = (),
        port: int = 0,
        patience_s: float = 30.0,
    ) -> Settings:
        """Those of the sidecar with this name, whose game folder is made."""
        games = self.games(name)
        games.mkdir(parents=True, exist_ok=True)
        return Settings(
            str(games),
            str(self.root / name / "state"),
            bind=LOOPBACK,
            port=port,
            peers=peers,
            mdns=False,
            given=ChosenSettings(name=name, patience_seconds=patience_s),
        )

    async def start(
        self,
        name: str,
        games: Mapping[str, Files] | None = None,
        *,
        peers: tuple["Sidecar | HostilePeer | str", ...] = (),
        port: int = 0,
        patience_s: float = 30.0,
    ) -> Sidecar:
        """A running sidecar whose games, which are made first, are all hashed."""
        for game_id, files in (games or {}).items():
            make_files(self.game(name, game_id), files)
        addresses = tuple(map(address_of, peers))
        sidecar = await self.start_with(
            self.settings(name, peers=addresses, port=port, patience_s=patience_s)
        )
        await until(lambda: not sidecar.status().indexing)
        return sidecar

    async def start_with(self, settings: Settings) -> Sidecar:
        """A running sidecar that may still be hashing."""
        sidecar = await Sidecar.start(settings)
        self.sidecars.append(sidecar)
        self._records[sidecar] = EventRecord(sidecar)
        return sidecar

    async def downloader(
        self,
        *peers: "Sidecar | HostilePeer",
        game_id: GameId = AOE2,
        sources: int = 0,
        patience_s: float = 30.0,
    ) -> Sidecar:
        """A sidecar without games that knows all sources of the game, by default every peer."""
        sidecar = await self.start("downloader", peers=peers, patience_s=patience_s)
        await wait_sources(sidecar, sources or len(peers), game_id)
        return sidecar

    async def hostile(
        self,
        games: Mapping[str, Files] | None = None,
        key: ec.EllipticCurvePrivateKey | None = None,
        credentials: Credentials | None = None,
    ) -> HostilePeer:
        """A peer that offers these games, honest until a test changes its answers."""
        peer = HostilePeer.open(key, credentials=credentials)
        self._hostile.append(peer)
        for game_id, files in (games or {}).items():
            peer.offer(game_id, files)
        return peer

    def events(self, sidecar: Sidecar) -> EventRecord:
        """What this sidecar told."""
        return self._records[sidecar]

    async def end(self, peer: "Sidecar | HostilePeer") -> None:
        """Close one peer before the others."""
        if isinstance(peer, HostilePeer):
            self._hostile.remove(peer)
        else:
            self.sidecars.remove(peer)
            await self._records.pop(peer).close()
        await peer.close()

    async def close(self) -> None:
        """Close everybody who is left, downloaders first."""
        for sidecar in list(reversed(self.sidecars)):
            await self.end(sidecar)
        for peer in list(self._hostile):
            await self.end(peer)


def address_of(peer: Sidecar | HostilePeer | str) -> str:
    """Where to dial a peer, as a person types it."""
    if isinstance(peer, str):
        return peer
    return str(peer.address if isinstance(peer, HostilePeer) else peer.status().addresses[0])


def connection_count(sidecar: Sidecar) -> int:
    """How many connections the sidecar holds, of whatever kind."""
    return sidecar._neighbourhood._transport.connection_count


def title(sidecar: Sidecar, game_id: str = AOE2) -> Title | None:
    """The title as the sidecar shows it now."""
    return next((t for t in sidecar.titles() if t.key == game_key(game_id)), None)


def content_of(sidecar: Sidecar) -> str:
    """The content id of the one game that a sidecar offers."""
    shown = title(sidecar)
    assert shown is not None
    assert shown.local is not None
    assert shown.local.content_id is not None
    return shown.local.content_id


def peer_count(sidecar: Sidecar, game_id: str = AOE2) -> int:
    """How many peers the sidecar knows to hold the game."""
    shown = title(sidecar, game_id)
    return shown.peer_count if shown else 0


async def wait_sources(sidecar: Sidecar, count: int, game_id: str = AOE2) -> Title:
    """The title once exactly so many peers hold the game."""
    await until(lambda: peer_count(sidecar, game_id) == count)
    found = title(sidecar, game_id)
    assert found is not None
    return found


async def start_download(
    sidecar: Sidecar, game_id: GameId = AOE2, content_id: ContentId | None = None
) -> DownloadId:
    """Begin to download a whole game."""
    return (await sidecar.start_download(DownloadRequest(game_id, content_id))).id


async def wait_done(
    sidecar: Sidecar, download_id: DownloadId, within: float = 45.0
) -> DownloadStatus:
    """The download once it is over, however it ended."""
    await until(lambda: sidecar.download(download_id).state.is_final, within)
    return sidecar.download(download_id)


async def wait_bytes(sidecar: Sidecar, download_id: DownloadId, count: int = 1) -> None:
    """Waits until so many bytes are verified, while the download goes on."""
    await until(lambda: sidecar.download(download_id).done_bytes >= count)
    assert not sidecar.download(download_id).state.is_final, "it was over too soon to be disturbed"


async def change_settings(sidecar: Sidecar, **values: float | str | None) -> None:
    """Change these settings, which are named as their fields are."""
    chosen = ChosenSettings(**values)  # type: ignore[arg-type]
    await sidecar.update_settings(chosen, frozenset(values))


async def download(
    sidecar: Sidecar, game_id: GameId = AOE2, content_id: ContentId | None = None
) -> DownloadStatus:
    """Download a whole game, and its status when that is over."""
    return await wait_done(sidecar, await start_download(sidecar, game_id, content_id))
