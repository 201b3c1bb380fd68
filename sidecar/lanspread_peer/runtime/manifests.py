"""Manifests of other peers' games: fetched once from whoever holds them, and kept, bounded.

A manifest is checked against its content id, so any peer may give it and none can alter it.
"""

import asyncio
from collections import OrderedDict
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
# Enough to look through a few games' files again; what a download uses, it holds itself.
_MAX_KEPT_BYTES = 2 * MAX_MANIFEST_BYTES


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
            for peer_id in sources:
                if manifest := await self._fetch(content_id, peer_id):
                    return manifest
        raise errors.ContentNotFound("no peer gave this content's manifest", content_id=content_id)

    async def _fetch(self, content_id: ContentId, peer_id: PeerId) -> Manifest | None:
        connection = self._connection_of(peer_id)
        if connection is None:
            return None
        try:
            async with asyncio.timeout(_FETCH_TIMEOUT_S):
                request = GetManifest(content_id=content_id)
                data = await ask_raw(connection, request, MAX_MANIFEST_BYTES)
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
