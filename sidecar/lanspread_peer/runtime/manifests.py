"""Manifests of other peers' games: fetched once from whoever holds them, and kept, bounded.

A manifest is checked against its content id, so any peer may give it and none can alter it; who
gives another one lies, and is remembered for it. One that is the right one and makes no sense all
the same is the content's fault: nobody can give a better one.

Sources that drip, stay busy or send without end hold nobody up: each has a slice of time while
others wait, longer each round. Memory is bounded whatever they send: MAX_MANIFESTS_AT_ONCE come
at once, and those longer than MANIFEST_TURN_BYTES one after the other.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from contextlib import aclosing
from dataclasses import dataclass
from random import SystemRandom
from typing import Self
from weakref import WeakValueDictionary

import structlog

from lanspread_peer.core.liars import Liars
from lanspread_peer.core.randomness import Randomness
from lanspread_peer.model import errors
from lanspread_peer.model.ids import ContentId, PeerId
from lanspread_peer.model.limits import (
    MANIFEST_TURN_BYTES,
    MAX_MANIFEST_BYTES,
    MAX_MANIFESTS_AT_ONCE,
)
from lanspread_peer.model.manifest import Manifest
from lanspread_peer.runtime.log_context import log_about
from lanspread_peer.runtime.logs import LogOnce
from lanspread_peer.runtime.requests import pieces_of
from lanspread_peer.transport.base import Connection
from lanspread_peer.wire.manifest_codec import content_id_of, decode_manifest
from lanspread_peer.wire.messages import GetManifest

_log = structlog.get_logger(__name__)

# What a source gets while others wait, by round. The last is enough for the largest manifest at a
# megabyte a second; a lone source gets it at once, and no call is held longer by anyone.
_SLICES_S = (2.0, 15.0, 60.0)
# A source that did not answer by then may be busy or mean no good: the next one is asked as well.
_NEXT_SOURCE_AFTER_S = 0.3
_MAX_SOURCES_AT_ONCE = 6
# Enough to look through a few games' files again, at several times this size in memory; what a
# download uses, it holds itself.
_MAX_KEPT_BYTES = MAX_MANIFEST_BYTES // 2
_MAX_SENSELESS = 1024


@dataclass(frozen=True, slots=True)
class _Kept:
    manifest: Manifest
    size: int


@dataclass(frozen=True, slots=True)
class _Try:
    """One source's chance to give the manifest; `slices_s` are those left, this one's first."""

    peer: PeerId
    slices_s: tuple[float, ...]


class Manifests:
    """The manifests that were asked for lately."""

    def __init__(
        self,
        connection_of: Callable[[PeerId], Connection | None],
        liars: Liars,
        rng: Randomness | None = None,
    ) -> None:
        self._connection_of = connection_of
        self._liars = liars
        self._rng = rng or SystemRandom()
        self._kept: OrderedDict[ContentId, _Kept] = OrderedDict()
        self._senseless: OrderedDict[ContentId, None] = OrderedDict()
        self._fetching: WeakValueDictionary[ContentId, asyncio.Lock] = WeakValueDictionary()
        self._at_once = asyncio.Semaphore(MAX_MANIFESTS_AT_ONCE)
        self._turn = asyncio.Lock()
        self._said = LogOnce()

    async def get(self, content_id: ContentId, sources: Iterable[PeerId]) -> Manifest:
        """The manifest, from memory or the first source that gives it; raises ContentNotFound."""
        # One at a time, so that many calls for one manifest neither fetch nor hold it many times.
        async with self._fetching.setdefault(content_id, asyncio.Lock()):
            if kept := self._kept.get(content_id):
                self._kept.move_to_end(content_id)
                return kept.manifest
            if manifest := await self._first_of(content_id, sources):
                return manifest
        raise errors.ContentNotFound("no peer gave this content's manifest", content_id=content_id)

    async def _first_of(self, content_id: ContentId, sources: Iterable[PeerId]) -> Manifest | None:
        """The manifest from whoever gives it first; None once all have failed."""
        left = self._tries(sources)
        asked: dict[asyncio.Task[Manifest | None], _Try] = {}
        try:
            while (left or asked) and content_id not in self._senseless:
                if left and len(asked) < _MAX_SOURCES_AT_ONCE:
                    following = left.popleft()
                    asked[asyncio.ensure_future(self._fetch(content_id, following))] = following
                may_ask_more = left and len(asked) < _MAX_SOURCES_AT_ONCE
                done, _ = await asyncio.wait(
                    asked,
                    timeout=_NEXT_SOURCE_AFTER_S if may_ask_more else None,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                for task in done:
                    ended = asked.pop(task)
                    if isinstance(task.exception(), TimeoutError):
                        left.extend(_once_more(ended))
                    elif manifest := task.result():
                        return manifest
        finally:
            for task in asked:
                task.cancel()
            await asyncio.gather(*asked, return_exceptions=True)
        return None

    def _tries(self, sources: Iterable[PeerId]) -> deque[_Try]:
        """Those to ask, in no order that a peer could choose, liars and their neighbours last."""
        ranked: list[tuple[bool, float, PeerId]] = []
        for peer in sources:
            connection = self._connection_of(peer)
            if connection is not None and not self._liars.is_dropped(peer):
                waits = self._liars.waits(peer, connection.address.host)
                ranked.append((waits, self._rng.random(), peer))
        slices_s = _SLICES_S if len(ranked) > 1 else _SLICES_S[-1:]
        return deque(_Try(peer, slices_s) for _, _, peer in sorted(ranked))

    async def _fetch(self, content_id: ContentId, attempt: _Try) -> Manifest | None:
        """The manifest, or None when this source will not give it; TimeoutError: not yet."""
        log_about(peer=attempt.peer)
        connection = self._connection_of(attempt.peer)
        if connection is None:
            return None
        async with self._at_once, _Turn(self._turn) as turn:
            try:
                data = await self._read(connection, content_id, attempt.slices_s[0], turn)
                manifest = await asyncio.to_thread(_decode, data, content_id)
            except errors.LanspreadError as error:
                self._judge(error, attempt.peer, connection, content_id)
                return None
        self._keep(content_id, _Kept(manifest, len(data)))
        return manifest

    async def _read(
        self, connection: Connection, content_id: ContentId, slice_s: float, turn: "_Turn"
    ) -> bytes:
        try:
            async with asyncio.timeout(slice_s):
                return await _ask_patiently(connection, content_id, turn)
        except _TurnNeeded:
            # Asked anew, as a source whose bytes nobody takes for a while gives up.
            await turn.take()
        async with asyncio.timeout(slice_s):
            return await _ask_patiently(connection, content_id, turn)

    def _judge(
        self,
        error: errors.LanspreadError,
        peer: PeerId,
        connection: Connection,
        content_id: ContentId,
    ) -> None:
        match error:
            case errors.IntegrityError():
                self._liars.lied(peer, connection.address.host)
            case errors.InvalidManifest() | errors.UnsafePath():
                self._senseless[content_id] = None
                while len(self._senseless) > _MAX_SENSELESS:
                    self._senseless.popitem(last=False)
        if self._said.first_time(peer, content_id, type(error)):
            _log.warning("manifest not had", peer=peer, detail=str(error))

    def _keep(self, content_id: ContentId, kept: _Kept) -> None:
        self._kept[content_id] = kept
        while len(self._kept) > 1 and sum(k.size for k in self._kept.values()) > _MAX_KEPT_BYTES:
            self._kept.popitem(last=False)


class _TurnNeeded(Exception):
    """The manifest is long, and another long one is just coming."""


class _Turn:
    """The right to hold a long manifest, until it is decoded; a context manager that gives it back.

    One source has it at a time.
    """

    def __init__(self, lock: asyncio.Lock) -> None:
        self._lock = lock
        self._is_held = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._is_held:
            self._lock.release()

    async def take(self) -> None:
        """Wait for the right."""
        await self._lock.acquire()
        self._is_held = True

    async def require(self) -> None:
        """Have the right, without waiting for it; raises _TurnNeeded."""
        if self._is_held:
            return
        if self._lock.locked():
            raise _TurnNeeded
        await self.take()


async def _ask_patiently(connection: Connection, content_id: ContentId, turn: _Turn) -> bytes:
    while True:
        try:
            return await _ask(connection, content_id, turn)
        except errors.Busy as busy:
            await asyncio.sleep(busy.retry_ms / 1000)


async def _ask(connection: Connection, content_id: ContentId, turn: _Turn) -> bytes:
    collected = bytearray()
    async with aclosing(pieces_of(connection, GetManifest(content_id=content_id))) as pieces:
        async for piece in pieces:
            if len(collected) + len(piece) > MAX_MANIFEST_BYTES:
                raise errors.IntegrityError("the source sent more than any manifest")
            collected += piece
            if len(collected) > MANIFEST_TURN_BYTES:
                await turn.require()
    return bytes(collected)


def _once_more(attempt: _Try) -> list[_Try]:
    return [_Try(attempt.peer, rest)] if (rest := attempt.slices_s[1:]) else []


def _decode(data: bytes, content_id: ContentId) -> Manifest:
    # Apart from what the decoder checks, as only this tells who is to blame.
    if content_id_of(data) != content_id:
        raise errors.IntegrityError("the source sent another manifest")
    return decode_manifest(data, content_id)
