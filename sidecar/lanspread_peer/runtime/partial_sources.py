"""The peers that download the same content as one download of ours, and what they tell they hold.

Each is followed on its connection by one request, whose answer goes on as long as it has news. One
that tells nonsense is no source of this download any more. One that refuses too often what it tells
it holds rests, each time longer, until it downloads the content no more: an honest one refuses what
was asked just before it paused. One whose answer just ends is asked again after a while.

Whom to follow of more than MAX_FOLLOWED_PEERS is chance, so that nobody gets in by a choice of ids,
and who gives nothing for long makes room for others.
"""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass
from random import Random

import structlog

from lanspread_peer.core.chunk_set import ChunkSet
from lanspread_peer.core.peer_db import PeerDb
from lanspread_peer.core.token_buckets import TokenBuckets
from lanspread_peer.model import errors
from lanspread_peer.model.ids import ContentId, PeerId
from lanspread_peer.model.limits import (
    AVAILABILITY_BURST_BYTES,
    AVAILABILITY_BYTES_PER_SECOND,
    AVAILABILITY_LINE_BYTES,
    AVAILABILITY_PART_BYTES,
    MAX_FOLLOWED_PEERS,
    MAX_KNOWN_PEERS,
    MAX_RETRY_COUNT,
)
from lanspread_peer.runtime.clock import monotonic_s
from lanspread_peer.runtime.log_context import log_about
from lanspread_peer.runtime.peer_links import PeerLinks
from lanspread_peer.runtime.requests import pieces_of
from lanspread_peer.runtime.tasks import TaskSet
from lanspread_peer.transport.base import Connection
from lanspread_peer.wire.availability import AvailabilityReader
from lanspread_peer.wire.messages import Feature, GetAvailability

_log = structlog.get_logger(__name__)

# What is over may go on on another connection, or be offered as a whole, soon after.
_ASK_AGAIN_S = 2.0
# Who keeps telling of what it refuses costs a few requests so often, in the end.
_LONGEST_REST_S = 128.0
# A chunk from any source that is worth its place takes less.
_USELESS_AFTER_S = 30.0


class Followed:
    """One peer on one connection; `held` is None until it told, and when that counts no more."""

    def __init__(self, peer: PeerId, connection: Connection, *, now: float) -> None:
        self.peer = peer
        self.connection = connection
        self.refusals = 0
        # When it gave a chunk, or began.
        self.useful_at = now
        self.task: asyncio.Task[None] | None = None
        self.held: ChunkSet | None = None
        self.ended_at: float | None = None

    def is_due(self, now: float) -> bool:
        """Whether it is to be asked again."""
        return self.ended_at is not None and now >= self.ended_at + _ASK_AGAIN_S

    def end(self) -> None:
        """Hear no more of it."""
        if self.task is not None and self.task is not asyncio.current_task():
            self.task.cancel()


@dataclass(frozen=True, slots=True)
class _Rest:
    """One that refused what it told of; so long, and until then."""

    seconds: float
    until: float


class PartialSources:
    """`on_news` hears of chunks that a source told since it became one, `on_change` of all else."""

    def __init__(
        self,
        content_id: ContentId,
        chunk_count: int,
        peers: PeerDb,
        links: PeerLinks,
        on_news: Callable[[PeerId, ChunkSet], None],
        on_change: Callable[[], None],
        rng: Random,
    ) -> None:
        self._content_id = content_id
        self._chunk_count = chunk_count
        self._peers = peers
        self._links = links
        self._on_news = on_news
        self._on_change = on_change
        self._rng = rng
        self._tasks = TaskSet()
        self._followed: dict[PeerId, Followed] = {}
        self._dropped: set[PeerId] = set()
        self._rests: dict[PeerId, _Rest] = {}
        self._told = TokenBuckets[PeerId](
            per_second=AVAILABILITY_BYTES_PER_SECOND,
            burst=AVAILABILITY_BURST_BYTES,
            max_keys=MAX_KNOWN_PEERS,
        )

    def update(self, others: frozenset[PeerId], *, now: float) -> dict[PeerId, ChunkSet]:
        """Follow those that are there now, but for these others; what each told it holds."""
        wanted = self._wanted(others, now)
        for peer, followed in list(self._followed.items()):
            if wanted.get(peer) is not followed.connection or followed.is_due(now):
                self._followed.pop(peer).end()
        waiting = sorted(wanted.keys() - self._followed.keys())
        self._rng.shuffle(waiting)
        self._make_room(len(waiting), now)
        for peer in waiting[: MAX_FOLLOWED_PEERS - len(self._followed)]:
            self._follow(peer, wanted[peer], now)
        return {
            peer: followed.held
            for peer, followed in self._followed.items()
            if followed.held is not None
        }

    def followed(self, peer: PeerId) -> Followed | None:
        """As it is followed now, for `refused`; None for one that is not."""
        return self._followed.get(peer)

    def gave(self, peer: PeerId, *, now: float) -> None:
        """A chunk came from it that was missing and is right."""
        if followed := self._followed.get(peer):
            followed.useful_at = now

    def refused(self, followed: Followed, *, now: float) -> None:
        """It does not have what it told it holds, and was asked for while it was followed so."""
        if self._followed.get(followed.peer) is not followed:
            return
        if followed.ended_at is not None:
            # It stopped meanwhile, which is no lie.
            followed.held = None
            self._on_change()
            return
        followed.refusals += 1
        if followed.refusals >= MAX_RETRY_COUNT:
            self._let_rest(followed.peer, now)

    def begin_anew(self) -> None:
        """What anybody refused so far is forgotten."""
        self._rests.clear()
        for followed in self._followed.values():
            followed.refusals = 0

    async def close(self) -> None:
        """Follow nobody any more."""
        await self._tasks.close()

    def _wanted(self, others: frozenset[PeerId], now: float) -> dict[PeerId, Connection]:
        there = self._peers.partial_sources(self._content_id)
        self._rests = {peer: rest for peer, rest in self._rests.items() if peer in there}
        wanted = {}
        for peer in there - others - self._dropped:
            rest = self._rests.get(peer)
            said = self._links.current(peer)
            if said is None or Feature.AVAILABILITY not in said.features:
                continue
            if rest is None or now >= rest.until:
                wanted[peer] = said.connection
        return wanted

    def _make_room(self, waiting: int, now: float) -> None:
        useless = [
            followed
            for followed in self._followed.values()
            if now >= followed.useful_at + _USELESS_AFTER_S
        ]
        useless.sort(key=lambda followed: followed.useful_at)
        too_many = len(self._followed) + waiting - MAX_FOLLOWED_PEERS
        for followed in useless[: max(0, too_many)]:
            self._followed.pop(followed.peer).end()

    def _follow(self, peer: PeerId, connection: Connection, now: float) -> None:
        followed = self._followed[peer] = Followed(peer, connection, now=now)
        followed.task = self._tasks.spawn(f"follow {peer}", self._read(followed))

    async def _read(self, followed: Followed) -> None:
        log_about(peer=followed.peer)
        reader = AvailabilityReader(self._chunk_count)
        request = GetAvailability(self._content_id)
        try:
            async with aclosing(pieces_of(followed.connection, request)) as pieces:
                async for piece in pieces:
                    for start in range(0, len(piece), AVAILABILITY_PART_BYTES):
                        if start:
                            # Many parts of many peers would hold the loop.
                            await asyncio.sleep(0)
                        part = piece[start : start + AVAILABILITY_PART_BYTES]
                        self._take(followed, reader, part)
        except errors.PeerProtocolError as error:
            followed.connection.offended(error.message)
            self._drop(followed.peer, error.message)
        except errors.LanspreadError:
            followed.held = None
        followed.ended_at = monotonic_s()
        self._on_change()

    def _take(self, followed: Followed, reader: AvailabilityReader, part: bytes) -> None:
        if reader.held is not None:
            self._require_slow(followed.peer, part)
        new = reader.add(part)
        if followed.held is None and reader.held is not None:
            followed.held = reader.held
            self._on_change()
        elif followed.held is not None and new:
            followed.held |= new
            self._on_news(followed.peer, new)

    def _require_slow(self, peer: PeerId, part: bytes) -> None:
        cost = len(part) + part.count(b"\n") * AVAILABILITY_LINE_BYTES
        if not self._told.take(peer, now=monotonic_s(), count=cost):
            raise errors.MalformedMessage("more lines than anybody has news")

    def _drop(self, peer: PeerId, detail: str) -> None:
        _log.warning("partial source dropped", peer=peer, detail=detail)
        self._dropped.add(peer)
        self._leave(peer)

    def _let_rest(self, peer: PeerId, now: float) -> None:
        before = self._rests.get(peer)
        seconds = min(before.seconds * 2, _LONGEST_REST_S) if before else _ASK_AGAIN_S
        self._rests[peer] = _Rest(seconds, now + seconds)
        _log.info("partial source rests", peer=peer, seconds=seconds)
        self._leave(peer)

    def _leave(self, peer: PeerId) -> None:
        if followed := self._followed.pop(peer, None):
            followed.end()
        self._on_change()
