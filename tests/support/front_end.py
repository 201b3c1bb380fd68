"""A front end that builds its state from events, and things of all kinds for it to hear of."""

from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any

from lanspread.peer.v1 import events_pb2, types_pb2
from lanspread_peer.control.convert import to_download, to_game, to_peer
from lanspread_peer.control.convert_verifications import to_verification
from lanspread_peer.model.download import DownloadRequest, DownloadState
from lanspread_peer.model.events import (
    DownloadWaiting,
    Event,
    GameDirChanged,
    GameRemoved,
    GamesUpdated,
    GotGameFiles,
    NoPeersHaveGame,
    PeerConnected,
    PeerCountUpdated,
    PeerDiscovered,
    PeerLost,
    PeerUpdated,
    ScanFinished,
    ScanProgressed,
    Warned,
)
from lanspread_peer.model.ids import GameId
from lanspread_peer.model.live_settings import ChosenSettings
from lanspread_peer.model.peer import PeerState
from lanspread_peer.model.verification import VerificationRequest, VerificationState
from support.memory_sidecar import MemorySidecar, peer, title


class State:
    """What a front end knows, from a snapshot and the events since."""

    def __init__(self) -> None:
        self.games: dict[str, types_pb2.Game] = {}
        self.peers: dict[str, types_pb2.Peer] = {}
        self.downloads: dict[str, types_pb2.Download] = {}
        self.verifications: dict[str, types_pb2.Verification] = {}
        self.settings = types_pb2.Settings()
        self.numbers: list[int] = []
        self.tokens: list[str] = []

    def take(self, message: events_pb2.WatchEventsResponse) -> None:
        if message.sequence:
            self.numbers.append(message.sequence)
        if message.resume_token:
            self.tokens.append(message.resume_token)
        kind = message.WhichOneof("event")
        assert kind is not None
        content = getattr(message, kind)
        if kind == "snapshot_item":
            self._put(content)
        elif kind == "games_updated":
            self.games.update((game.id, game) for game in content.games)
            for game_id in content.removed_game_ids:
                del self.games[game_id]
        elif kind == "peer_lost":
            self.peers[content.peer_id].state = types_pb2.PEER_STATE_LOST
        elif kind == "peer_removed":
            del self.peers[content.peer_id]
        elif kind == "settings_changed":
            self.settings = content.settings
        else:
            self._put(content)

    def _put(self, content: Any) -> None:
        for name, known in (
            ("game", self.games),
            ("peer", self.peers),
            ("download", self.downloads),
            ("verification", self.verifications),
        ):
            field = content.DESCRIPTOR.fields_by_name.get(name)
            if field is not None and field.message_type and content.HasField(name):
                value = getattr(content, name)
                known[value.id] = value


class Happenings:
    """A sidecar to which one thing after another happens, of every kind, at random."""

    def __init__(self, sidecar: MemorySidecar, rng: Random) -> None:
        self._sidecar = sidecar
        self._rng = rng
        self._next_peer = 1

    async def happen(self) -> None:
        """One more thing."""
        kinds: list[Callable[[], Any]] = [
            self._game,
            self._game_goes,
            self._peer,
            self._peer_changes,
            self._peer_goes,
            self._download,
            self._verification,
            self._settings,
            self._word,
        ]
        await self._rng.choice(kinds)()

    def _emit(self, event: Event) -> None:
        self._sidecar.events.emit(event)

    async def _game(self) -> None:
        game = title(f"game{self._rng.randrange(20)}", f"name {self._rng.randrange(1000)}")
        others = [each for each in self._sidecar.library if each.id != game.id]
        self._sidecar.library = [*others, game]
        self._emit(GamesUpdated((game,), ()))

    async def _game_goes(self) -> None:
        if self._sidecar.library:
            game = self._sidecar.library.pop(self._rng.randrange(len(self._sidecar.library)))
            self._emit(GameRemoved(game.id, 10, 0))
            self._emit(GamesUpdated((), (game.id,)))

    async def _peer(self) -> None:
        self._next_peer += 1
        found = peer(self._next_peer % 900, f"peer {self._next_peer}")
        self._sidecar.known_peers.append(found)
        self._emit(PeerDiscovered(replace(found, state=PeerState.DISCOVERED)))
        self._emit(PeerConnected(found))
        self._emit(PeerCountUpdated(len(self._sidecar.known_peers)))

    async def _peer_changes(self) -> None:
        if not self._sidecar.known_peers:
            return
        place = self._rng.randrange(len(self._sidecar.known_peers))
        known = self._sidecar.known_peers[place]
        if self._rng.random() < 0.5:
            changed = replace(known, state=PeerState.LOST)
            event: Event = PeerLost(known.id, known.name, "gone")
        else:
            changed = replace(known, blocked=not known.blocked)
            event = PeerUpdated(changed)
        self._sidecar.known_peers[place] = changed
        self._emit(event)

    async def _peer_goes(self) -> None:
        if self._sidecar.known_peers:
            gone = self._rng.choice(self._sidecar.known_peers)
            await self._sidecar.remove_peer(gone.id)

    async def _download(self) -> None:
        sidecar = self._sidecar
        newest = next(iter(sidecar.downloads()), None)
        if newest is None or newest.state.is_final:
            if sidecar.library:
                await sidecar.start_download(DownloadRequest(sidecar.library[0].id))
        elif newest.state is DownloadState.PAUSED:
            await sidecar.resume_download(newest.id)
        elif self._rng.random() < 0.5:
            # A state event says it too in time: levels of a stream that is cut come only later.
            self._emit(DownloadWaiting(sidecar.progress(self._rng.randrange(1000))))
        else:
            final = (DownloadState.FINISHED, DownloadState.FAILED, DownloadState.PAUSED)
            sidecar.end(self._rng.choice(final), "NO_SOURCE")

    async def _verification(self) -> None:
        verifications = self._sidecar.verifications
        newest = next(iter(verifications.statuses()), None)
        if newest is None or newest.state.is_final:
            verifications.start(VerificationRequest(GameId("aoe2")))
        else:
            verifications.progress(self._rng.randrange(1000))
            verifications.end(VerificationState.FINISHED, changed_files=1)

    async def _settings(self) -> None:
        chosen = ChosenSettings(upload_slots=self._rng.randrange(1, 33))
        await self._sidecar.update_settings(chosen, frozenset(["upload_slots"]))

    async def _word(self) -> None:
        game = GameId("aoe2")
        words: list[Event] = [
            Warned("W", str(self._rng.random())),
            NoPeersHaveGame(game),
            GotGameFiles(game, title("aoe2").variants, None),
            ScanProgressed(game, 1, 2, None),
            ScanFinished(1, 2),
            GameDirChanged("/games"),
        ]
        self._emit(self._rng.choice(words))


def assert_is_known(state: State, sidecar: MemorySidecar) -> None:
    """What the front end knows is what the lists of the sidecar say."""
    assert state.games == {each.id: to_game(each) for each in sidecar.titles()}
    assert state.peers == {each.id: to_peer(each) for each in sidecar.peers()}
    assert state.downloads == {each.id: to_download(each) for each in sidecar.downloads()}
    assert state.verifications == {
        each.id: to_verification(each) for each in sidecar.verifications.statuses()
    }
    assert state.settings.upload_slots in (0, sidecar.settings().upload_slots)
