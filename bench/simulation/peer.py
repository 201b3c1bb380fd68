"""One peer of a room: it downloads and serves, by the product's own decisions.

Messages take the latency of one way, and no room on the links.
"""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from bench.simulation.network import Flow, Link, Network
from bench.simulation.virtual_clock import VirtualClock
from lanspread_peer.core.any_choice import AnyChoice
from lanspread_peer.core.assignment import Assignment
from lanspread_peer.core.chunk_news import ChunkNews, set_of_ranges
from lanspread_peer.core.chunk_set import NO_CHUNKS, ChunkSet
from lanspread_peer.core.failure import Failure
from lanspread_peer.core.peer_db import PeerDb
from lanspread_peer.core.planner import Planner
from lanspread_peer.core.upload_queue import Upload, UploadQueue
from lanspread_peer.model.game import GameSummary
from lanspread_peer.model.ids import ContentId, GameId, InstanceId, PeerId
from lanspread_peer.model.version import Version

_CONTENT = ContentId("ab" * 32)
_GAME = GameSummary(GameId("room"), Version("20240229"), _CONTENT, bytes=1, files=1)
_PROGRESS_S = 0.2


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all peers of a room share."""

    clock: VirtualClock
    network: Network
    chunks: list[tuple[int, int]]
    latency_s: float
    max_queued: int
    on_done: Callable[["RoomPeer"], None]


@dataclass(eq=False, slots=True)
class _Serving:
    """A request at the peer that serves it."""

    asker: "RoomPeer"
    asked: Assignment
    upload: Upload
    flow: Flow | None = None
    sent: int = 0
    told: int = 0
    chosen: int | None = None


class RoomPeer:
    """A seeder has every chunk from the beginning."""

    def __init__(
        self,
        name: str,
        around: Surroundings,
        up: Link,
        down: Link,
        rng: Random,
        *,
        is_seeder: bool,
    ) -> None:
        self.id = PeerId(name)
        self.is_seeder = is_seeder
        self.is_gone = False
        self.is_done = is_seeder
        self.sent_bytes = 0
        self.duplicates = 0
        self._around = around
        self._clock = around.clock
        self._up = up
        self._down = down
        self._lengths = dict(around.chunks)
        self._planner = Planner(around.chunks, rng)
        self._news = ChunkNews(NO_CHUNKS)
        self._any = AnyChoice(rng)
        self._queue = UploadQueue(around.max_queued)
        self._serving: dict[Upload, _Serving] = {}
        self._served: dict[tuple[PeerId, int], _Serving] = {}
        self._neighbours: dict[PeerId, RoomPeer] = {}
        self._peers = PeerDb()
        self._sources: frozenset[PeerId] = frozenset()
        self._timer_at: float | None = None
        self._news_at: float | None = None

    def meet(self, other: "RoomPeer") -> None:
        """Both know each other from now on, unless one is gone."""
        if not self.is_gone and not other.is_gone:
            self._come_to_know(other)
            other._come_to_know(self)

    def leave(self, noticed_after_s: float) -> None:
        """It is gone; the others notice so much later."""
        self.is_gone = True
        for serving in list(self._serving.values()):
            self._end(serving)
        for other in self._neighbours.values():
            self._clock.after(noticed_after_s, lambda other=other: other._lost(self))  # type: ignore[misc]

    # What it asks for.

    def _come_to_know(self, other: "RoomPeer") -> None:
        now = self._clock.now
        self._neighbours[other.id] = other
        self._peers.connected(other.id, InstanceId("ab" * 16), other.id, None, now=now)
        self._peers.library_replaced(other.id, "", [_GAME])
        self._take_sources()

    def _lost(self, other: "RoomPeer") -> None:
        self._peers.lost(other.id, now=self._clock.now)
        self._take_sources()
        del self._neighbours[other.id]
        self._news.leave(other.id)
        for (peer, _), serving in list(self._served.items()):
            if peer == other.id:
                self._end(serving)

    def _take_sources(self) -> None:
        if self.is_done:
            return
        now = self._clock.now
        offered = self._peers.sources(_GAME.key, _CONTENT)
        for peer in sorted(self._sources - offered):
            self._planner.remove_source(peer, now=now)
        for peer in sorted(offered - self._sources):
            other = self._neighbours[peer]
            holds = None if other.is_seeder else other._news.join(self.id, now=now)
            self._planner.add_source(peer, now=now, holds=holds, chooses=other.is_seeder)
        self._sources = offered
        self._fill()

    def _fill(self) -> None:
        if self.is_done or self.is_gone:
            return
        for asked in self._planner.assign(now=self._clock.now):
            if asked.replaces is not None:
                self._cut_everywhere(asked.replaces)
            source = self._neighbours[asked.peer]
            self._later(lambda source=source, asked=asked: source._asked(self, asked))  # type: ignore[misc]
        self._set_timer()

    def _cut(self, requests: tuple[Assignment, ...] | list[Assignment]) -> None:
        for asked in requests:
            self._cut_everywhere(asked.id)

    def _cut_everywhere(self, request: int) -> None:
        for source in self._neighbours.values():
            serving = source._served.get((self.id, request))
            if serving is not None:
                self._later(lambda s=source, it=serving: s._end(it))  # type: ignore[misc]

    def _set_timer(self) -> None:
        deadline = self._planner.next_deadline()
        if deadline is None or (self._timer_at is not None and self._timer_at <= deadline):
            return
        self._timer_at = deadline
        self._clock.after(max(0.0, deadline - self._clock.now), lambda: self._on_timer(deadline))

    def _on_timer(self, deadline: float) -> None:
        if self._timer_at == deadline and not self.is_done:
            self._timer_at = None
            self._cut(self._planner.handle_timeout(now=self._clock.now))
            self._fill()

    def _progressed(self, asked: Assignment, count: int) -> None:
        self._planner.progressed(asked, count, now=self._clock.now)

    def _chosen(self, asked: Assignment, chunk: int) -> None:
        if not self._planner.chosen(asked, chunk, now=self._clock.now):
            self._cut_everywhere(asked.id)
            self._fill()

    def _busy(self, asked: Assignment) -> None:
        if not self.is_done:
            self._cut(self._planner.failed(asked, Failure.BUSY, now=self._clock.now))
            self._fill()

    def _came(self, asked: Assignment, chunk: int) -> None:
        received = self._planner.received(asked, chunk, now=self._clock.now)
        self._cut(received.cancel)
        if not received.is_new:
            self.duplicates += 1
        else:
            self._news.add(chunk)
            self._plan_news()
        if self._planner.is_complete and not self.is_done:
            self.is_done = True
            for other in self._neighbours.values():
                other._news.leave(self.id)
            self._around.on_done(self)
        self._fill()

    def _told(self, peer: PeerId, chunks: ChunkSet) -> None:
        self._planner.holds_added(peer, chunks)
        self._fill()

    # What it tells.

    def _plan_news(self) -> None:
        due = [self._news.due_at(peer) for peer in self._neighbours]
        first = min((at for at in due if at is not None), default=None)
        if first is not None and self._news_at is None:
            self._news_at = max(first, self._clock.now)
            self._clock.after(self._news_at - self._clock.now, self._tell)

    def _tell(self) -> None:
        self._news_at = None
        if self.is_gone:
            return
        now = self._clock.now
        for peer, other in self._neighbours.items():
            due = self._news.due_at(peer)
            if due is not None and due <= now + 1e-9:
                chunks = set_of_ranges(self._news.take(peer, now=now))
                self._later(lambda other=other, chunks=chunks: other._told(self.id, chunks))  # type: ignore[misc]
        self._plan_news()

    # What it gives.

    def _asked(self, asker: "RoomPeer", asked: Assignment) -> None:
        if self.is_gone or asker.is_gone:
            return
        upload = Upload(asker.id, asker.id, self._clock.now)
        serving = _Serving(asker, asked, upload)
        if not self._queue.add(upload):
            self._later(lambda: asker._busy(asked))
            return
        self._serving[upload] = serving
        self._served[asker.id, asked.id] = serving
        self._grant()

    def _grant(self) -> None:
        while (upload := self._queue.next()) is not None:
            self._begin(self._serving[upload])

    def _begin(self, serving: _Serving) -> None:
        asker, asked = serving.asker, serving.asked
        chunk: int | None
        if asked.wanted is None:
            chunk = asked.chunks[serving.sent]
        else:
            chunk = self._any.choose(_CONTENT, asked.wanted, now=self._clock.now)
            assert chunk is not None
            serving.chosen = chunk
            self._later(lambda: asker._chosen(asked, chunk))
        self._send(serving, chunk)

    def _send(self, serving: _Serving, chunk: int) -> None:
        length = self._lengths[chunk]
        before = serving.told

        def sent() -> None:
            self.sent_bytes += length
            serving.told = before + length
            self._later(lambda: serving.asker._came(serving.asked, chunk))
            serving.sent += 1
            serving.chosen = None
            if serving.sent < len(serving.asked.chunks):
                self._send(serving, serving.asked.chunks[serving.sent])
            else:
                self._end(serving)

        self._queue.slice_began(serving.upload, length, now=self._clock.now)
        serving.flow = self._around.network.send(self._up, serving.asker._down, length, sent)
        self._watch(serving, serving.flow, length, before)

    def _watch(self, serving: _Serving, flow: Flow, length: int, before: int) -> None:
        """The asker sees the bytes of a long chunk come."""

        def look() -> None:
            if serving.flow is flow and flow.left_bytes:
                flow.advance(self._clock.now)
                came = before + length - int(flow.left_bytes) - serving.told
                serving.told += came
                serving.asker._progressed(serving.asked, came)
                self._watch(serving, flow, length, before)

        self._clock.after(_PROGRESS_S, look)

    def _end(self, serving: _Serving) -> None:
        if self._serving.pop(serving.upload, None) is None:
            return
        del self._served[serving.asker.id, serving.asked.id]
        if serving.flow is not None:
            self._around.network.cut(serving.flow)
            serving.flow = None
        if serving.chosen is not None:
            self._any.not_given(_CONTENT, serving.chosen)
        self._queue.remove(serving.upload)
        if not self.is_gone:
            self._grant()

    def _later(self, action: Callable[[], None]) -> None:
        self._clock.after(self._around.latency_s, action)
