"""Event streams for good: readers that stall for long, and readers that come and go.

The promise (issue 5): a subscriber that stops reading under ten thousand events costs bounded
memory and no delay to another, and gets every event or RESUME_TOKEN_EXPIRED; one that reconnects
at random misses nothing and is told nothing twice.
"""

import asyncio
import gc
import tracemalloc
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING, Any

import grpc
import psutil
import pytest

from lanspread.peer.v1 import events_pb2, types_pb2
from lanspread.peer.v1 import peer_service_pb2 as pb
from lanspread.peer.v1.peer_service_pb2_grpc import PeerServiceStub
from lanspread_client import Client, SyncClient
from lanspread_peer.control.convert import to_download, to_game, to_peer
from lanspread_peer.control.convert_verifications import to_verification
from lanspread_peer.control.server import ControlServer
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
from lanspread_peer.model.limits import MAX_EVENT_RING_BYTES, MIB
from lanspread_peer.model.live_settings import ChosenSettings
from lanspread_peer.model.peer import PeerState
from lanspread_peer.model.verification import VerificationRequest, VerificationState
from support.control import AUTH, TOKEN, Events, info_of, open_channel, read, read_snapshot
from support.cut_proxy import CutProxy, cut_proxy
from support.long_form import long_form
from support.memory_sidecar import INSTANCE, MemorySidecar, peer, title

if TYPE_CHECKING:
    # Its stub file alone knows it.
    from lanspread.peer.v1.peer_service_pb2_grpc import PeerServiceAsyncStub

EVENTS = 10_000
# As large as the update of a title that many peers hold, so that they do not all fit the ring.
REALISTIC_BYTES = 4000
SEEDS = long_form(short=3, long=100)
ROUNDS = 300

pytestmark = pytest.mark.parametrize("server", ["127.0.0.1:0"], indirect=True, ids=["tcp"])


def watch(stub: "PeerServiceAsyncStub", resume_token: str = "") -> Events:
    return stub.WatchEvents(pb.WatchEventsRequest(resume_token=resume_token), metadata=AUTH)


async def read_numbers(events: Events) -> tuple[list[int], grpc.aio.AioRpcError | None]:
    """The numbers that a stream still brings once it is read on, and how it ended."""
    numbers: list[int] = []
    try:
        while (message := await asyncio.wait_for(events.read(), 30)) is not grpc.aio.EOF:
            assert isinstance(message, events_pb2.WatchEventsResponse)
            if message.sequence:
                numbers.append(message.sequence)
    except grpc.aio.AioRpcError as error:
        return numbers, error
    return numbers, None


async def test_readers_that_stall_cost_nothing_and_delay_nobody(
    server: ControlServer, stub: "PeerServiceAsyncStub", sidecar: MemorySidecar
) -> None:
    stalled: list[Events] = []
    channels = [open_channel(server.address) for _ in range(4)]
    for channel in channels:
        # On connections of their own, so that none has the other's flow control.
        stalled.append(watch(PeerServiceStub(channel)))
        await read_snapshot(stalled[-1])
    lively = watch(stub)
    await read_snapshot(lively)
    gc.collect()
    resident = psutil.Process().memory_info().rss
    tracemalloc.start()
    try:
        for number in range(1, EVENTS + 1):
            sidecar.events.emit(Warned("W", f"{number:05}" + "x" * REALISTIC_BYTES))
            # In lockstep: the next one is not told before this one was read. A reader that had to
            # wait for a stalled one would wait for ever.
            message = await read(lively)
            assert (message.sequence, message.warning.message[:5]) == (number, f"{number:05}")
        gc.collect()
        grown, _ = tracemalloc.get_traced_memory()
        resident = psutil.Process().memory_info().rss - resident
    finally:
        tracemalloc.stop()
    assert sidecar.events.size_bytes <= MAX_EVENT_RING_BYTES
    # 41 MB of events, kept up to the ring once and not per reader.
    assert grown < MAX_EVENT_RING_BYTES + 4 * MIB
    # What gRPC holds by itself, too, for both ends.
    assert resident < MAX_EVENT_RING_BYTES + 64 * MIB
    print(f"{grown / MIB:.1f} MiB of Python's, {resident / MIB:.1f} MiB in all")
    for events in stalled:
        numbers, error = await read_numbers(events)
        # What was under way comes whole and in order; then it is told that the rest is lost.
        assert numbers == list(range(1, len(numbers) + 1))
        assert error is not None
        assert (error.code(), info_of(error).reason) == (
            grpc.StatusCode.OUT_OF_RANGE,
            "RESUME_TOKEN_EXPIRED",
        )
    lively.cancel()
    for channel in channels:
        await channel.close()


async def test_a_reader_that_stalls_within_the_ring_gets_every_event(
    stub: "PeerServiceAsyncStub", sidecar: MemorySidecar, server: ControlServer
) -> None:
    stalled = watch(stub)
    await read_snapshot(stalled)
    for number in range(EVENTS):
        sidecar.events.emit(Warned("W", str(number)))
    # Ending takes the streams first, and a reader that reads on gets all that was told.
    reading = asyncio.ensure_future(read_numbers(stalled))
    await server.stop(30)
    numbers, error = await reading
    assert (numbers, error) == (list(range(1, EVENTS + 1)), None)


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


class Party:
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
    assert state.games == {each.id: to_game(each) for each in sidecar.titles()}
    assert state.peers == {each.id: to_peer(each) for each in sidecar.peers()}
    assert state.downloads == {each.id: to_download(each) for each in sidecar.downloads()}
    assert state.verifications == {
        each.id: to_verification(each) for each in sidecar.verifications.statuses()
    }
    assert state.settings.upload_slots in (0, sidecar.settings().upload_slots)


@pytest.mark.scales
@pytest.mark.parametrize("seed", range(SEEDS))
async def test_a_reader_that_reconnects_at_random_misses_nothing(
    stub: "PeerServiceAsyncStub", sidecar: MemorySidecar, seed: int
) -> None:
    print(f"seed {seed}")
    rng = Random(seed)
    party, state = Party(sidecar, rng), State()
    for _ in range(20):
        await party.happen()
    before = sidecar.events.latest
    events = watch(stub)
    reconnections = 0
    for _ in range(ROUNDS):
        for _ in range(rng.randrange(4)):
            await party.happen()
        for _ in range(rng.randrange(6)):
            if state.tokens and state.tokens[-1] == f"{INSTANCE}:{sidecar.events.latest}":
                # There is nothing more to read but what may be skipped.
                break
            state.take(await read(events))
        if state.tokens and rng.random() < 0.2:
            events.cancel()
            events = watch(stub, state.tokens[-1])
            reconnections += 1
    while not state.tokens or state.tokens[-1] != f"{INSTANCE}:{sidecar.events.latest}":
        state.take(await read(events))
    events.cancel()
    assert reconnections > 20
    # The numbers since the snapshot have no gap and no repeat.
    first = sidecar.events.latest - len(state.numbers) + 1
    assert state.numbers == list(range(first, sidecar.events.latest + 1))
    assert first >= before + 1
    assert_is_known(state, sidecar)


@pytest.fixture
async def proxy(server: ControlServer) -> AsyncIterator[CutProxy]:
    async with cut_proxy(server.address) as proxy:
        yield proxy


@pytest.mark.scales
@pytest.mark.parametrize("seed", range(SEEDS))
async def test_the_clients_resume_by_themselves_over_a_line_that_is_cut(
    proxy: CutProxy, sidecar: MemorySidecar, seed: int
) -> None:
    print(f"seed {seed}")
    rng = Random(seed)
    party, state = Party(sidecar, rng), State()
    async with Client(proxy.address, TOKEN) as client:
        events = client.events()
        while not state.tokens:
            state.take(await asyncio.wait_for(anext(events), 30))
        for _ in range(30):
            for _ in range(rng.randrange(1, 5)):
                await party.happen()
            if rng.random() < 0.3:
                proxy.cut()
            while state.tokens[-1] != f"{INSTANCE}:{sidecar.events.latest}":
                state.take(await asyncio.wait_for(anext(events), 30))
        await events.aclose()
    assert state.numbers == list(range(1, sidecar.events.latest + 1))
    assert_is_known(state, sidecar)


async def test_the_blocking_client_resumes_by_itself_over_a_line_that_is_cut(
    proxy: CutProxy, sidecar: MemorySidecar
) -> None:
    rng = Random(1)
    party, state = Party(sidecar, rng), State()
    loop = asyncio.get_running_loop()

    async def go_on() -> int:
        if rng.random() < 0.3:
            proxy.cut()
        await party.happen()
        sidecar.events.emit(Warned("GO", "on"))
        return sidecar.events.latest

    def follow() -> int:
        last = 0
        with SyncClient(proxy.address, TOKEN) as client:
            rounds, stream = 0, client.events()
            for message in stream:
                state.take(message)
                if message.HasField("snapshot_complete") or message.sequence == last:
                    if rounds == 30:
                        stream.close()
                        break
                    rounds += 1
                    last = asyncio.run_coroutine_threadsafe(go_on(), loop).result(30)
        return last

    last = await asyncio.wait_for(asyncio.to_thread(follow), 60)
    assert state.numbers == list(range(1, last + 1))
    assert_is_known(state, sidecar)
