"""Manifests of other peers' games: fetched once from whoever holds them, and kept, bounded.

A manifest is checked against its content id, so any peer may give it and none can alter it.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from weakref import WeakValueDictionary

import structlog

from lanspread_peer.model import errors
from lanspread_peer.model.ids import ContentId, PeerId
from lanspread_peer.model.limits import MAX_MANIFEST_BYTES
from lanspread_peer.model.manifest import Manifest
from lanspread_peer.runtime.logs import LogOnce
from lanspread_peer.runtime.requests import ask_raw
from lanspread_peer.transport.base import Connection
from lanspread_peer.wire.manifest_codec import decode_manifest
from lanspread_peer.wire.messages import GetManifest

_log = structlog.get_logger(__name__)

# The largest manifest at a megabyte a second; a peer that drips does not hold a call longer.
_FETCH_TIMEOUT_S = 60.0
# A source that did not answer by then may be busy or mean no good: the next one is asked as well.
_NEXT_SOURCE_AFTER_S = 3.0
_MAX_SOURCES_AT_ONCE = 3
# Enough to look through a few games' files again, at several times this size in memory; what a
# download uses, it holds itself.
_MAX_KEPT_BYTES = MAX_MANIFEST_BYTES // 2


@dataclass(frozen=True, slots=True)
class _Kept:
    manifest: Manifest
    size: int


class Manifests:
    """The manifests that were asked for lately."""

    def __init__(self, connection_of: Callable[[PeerId], Connection | None]) -> None:
        self._connection_of = connection_of
        self._kept: OrderedDict[ContentId, _Kept] = OrderedDict()
        self._fetching: WeakValueDictionary[ContentId, asyncio.Lock] = WeakValueDictionary()
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
        left = deque(sources)
        asked: set[asyncio.Future[Manifest | None]] = set()
        try:
            while left or asked:
                if left and len(asked) < _MAX_SOURCES_AT_ONCE:
                    asked.add(asyncio.ensure_future(self._fetch(content_id, left.popleft())))
                may_ask_more = left and len(asked) < _MAX_SOURCES_AT_ONCE
                done, asked = await asyncio.wait(
                    asked,
                    timeout=_NEXT_SOURCE_AFTER_S if may_ask_more else None,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                if manifest := next(filter(None, (task.result() for task in done)), None):
                    return manifest
        finally:
            for task in asked:
                task.cancel()
            await asyncio.gather(*asked, return_exceptions=True)
        return None

    async def _fetch(self, content_id: ContentId, peer_id: PeerId) -> Manifest | None:
        connection = self._connection_of(peer_id)
        if connection is None:
            return None
        try:
            async with asyncio.timeout(_FETCH_TIMEOUT_S):
                data = await _ask_patiently(connection, content_id)
            manifest = await asyncio.to_thread(decode_manifest, data, content_id)
        except (errors.LanspreadError, TimeoutError) as error:
            if self._said.first_time(peer_id, content_id, type(error)):
                _log.warning("manifest not had", peer=peer_id, detail=str(error))
            return None
        self._keep(content_id, _Kept(manifest, len(data)))
        return manifest

    def _keep(self, content_id: ContentId, kept: _Kept) -> None:
        self._kept[content_id] = kept
        while len(self._kept) > 1 and sum(k.size for k in self._kept.values()) > _MAX_KEPT_BYTES:
            self._kept.popitem(last=False)


async def _ask_patiently(connection: Connection, content_id: ContentId) -> bytes:
    while True:
        try:
            return await ask_raw(connection, GetManifest(content_id=content_id), MAX_MANIFEST_BYTES)
        except errors.Busy as busy:
            await asyncio.sleep(busy.retry_ms / 1000)
