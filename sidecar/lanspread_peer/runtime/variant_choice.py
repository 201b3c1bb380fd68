"""The variant to download when the command names none: the best that is what peers say it is.

Any peer may offer a later version than everybody else. What it cannot do is be chosen for it
without a manifest that somebody gives, that adds up to the bytes and files told, and that holds a
`version.ini` with that version. A variant whose `version.ini` nobody gives comes after all that
pass, and one that fails comes last. A person who names a content id is asked for none of this.
"""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from enum import Enum
from random import Random, SystemRandom

from lanspread_peer.core.peer_db import PeerDb
from lanspread_peer.core.version_choice import choose
from lanspread_peer.model import errors
from lanspread_peer.model.game import Title, Variant
from lanspread_peer.model.ids import PeerId
from lanspread_peer.model.limits import MAX_VERSION_INI_BYTES
from lanspread_peer.model.manifest import VERSION_INI, Manifest, chunk_hash
from lanspread_peer.model.version import Version, parse_version_ini
from lanspread_peer.runtime.manifests import Manifests
from lanspread_peer.runtime.requests import pieces_of
from lanspread_peer.transport.base import Connection
from lanspread_peer.wire.messages import GetGameFileChunk

# A variant whose sources let us wait is passed over for the next. Ten of them are no accident.
_PATIENCE_S = 5.0
_MAX_TRIED = 10
_VERSION_INI_TIMEOUT_S = 2.0
_MAX_ASKED_FOR_VERSION = 3


class _Standing(Enum):
    """How far what peers say of a variant is true."""

    PROVEN = "proven"
    UNTOLD = "untold"
    WRONG = "wrong"


class VariantChoice:
    """Chooses among the variants of a title; raises what `choose` does."""

    def __init__(
        self,
        manifests: Manifests,
        peers: PeerDb,
        connection_of: Callable[[PeerId], Connection | None],
        rng: Random | None = None,
    ) -> None:
        self._manifests = manifests
        self._peers = peers
        self._connection_of = connection_of
        self._rng = rng or SystemRandom()

    async def choose(self, title: Title) -> tuple[Variant, Manifest]:
        """The best variant and its manifest; raises ContentNotFound when nobody gives any."""
        best = choose(title.variants)
        sound = [variant for variant in title.variants if not variant.doubt]
        if len(sound) == 1:
            return best, await self._manifests.get(best.content_id, best.sources)
        others: dict[_Standing, tuple[Variant, Manifest]] = {}
        for variant in sound[:_MAX_TRIED]:
            manifest = await self._manifest(variant)
            if manifest is None:
                continue
            standing = await self._standing(title, variant, manifest)
            if standing is _Standing.PROVEN:
                return variant, manifest
            others.setdefault(standing, (variant, manifest))
        found = others.get(_Standing.UNTOLD) or others.get(_Standing.WRONG)
        if found is None:
            raise errors.ContentNotFound(
                "no peer gave the manifest of any variant", content_id=best.content_id
            )
        return found

    async def _manifest(self, variant: Variant) -> Manifest | None:
        try:
            async with asyncio.timeout(_PATIENCE_S):
                return await self._manifests.get(variant.content_id, variant.sources)
        except (errors.ContentNotFound, TimeoutError):
            return None

    async def _standing(self, title: Title, variant: Variant, manifest: Manifest) -> "_Standing":
        totals = manifest.totals
        told = self._peers.holders(title.key).values()
        # One who tells the truth is enough, or a crowd could talk a sound variant down.
        is_right_size = any(
            (game.bytes, game.files) == (totals.bytes, totals.files)
            for game in told
            if game.content_id == variant.content_id
        )
        if not is_right_size:
            return _Standing.WRONG
        version = await self._version(variant, manifest)
        if version is None:
            return _Standing.UNTOLD
        return _Standing.PROVEN if version == variant.version else _Standing.WRONG

    async def _version(self, variant: Variant, manifest: Manifest) -> Version | None:
        """What its `version.ini` says; None when nobody tells."""
        # At random, as a stranger can make ids until it has those that would come first.
        count = min(_MAX_ASKED_FOR_VERSION, len(variant.sources))
        for peer in self._rng.sample(variant.sources, count):
            connection = self._connection_of(peer)
            if connection is None:
                continue
            try:
                async with asyncio.timeout(_VERSION_INI_TIMEOUT_S):
                    return parse_version_ini(await _version_ini(connection, variant, manifest))
            except (errors.LanspreadError, TimeoutError):
                continue
        return None


async def _version_ini(connection: Connection, variant: Variant, manifest: Manifest) -> bytes:
    chunk = next(manifest.chunks_of(VERSION_INI), None)
    if chunk is None:
        return b""
    if chunk.length > MAX_VERSION_INI_BYTES:
        raise errors.IntegrityError("a version.ini this long says nothing")
    request = GetGameFileChunk(
        content_id=variant.content_id,
        relative_path=VERSION_INI,
        offset=0,
        length=chunk.length,
    )
    content = b""
    async with aclosing(pieces_of(connection, request)) as pieces:
        async for piece in pieces:
            content += piece
            if len(content) > chunk.length:
                break
    if chunk_hash(content) != chunk.hash:
        raise errors.IntegrityError("the source sent another version.ini")
    return content
