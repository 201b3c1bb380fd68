"""What the peers hold of one game, asked of each of them anew.

The peer database knows what the peers told last; before somebody downloads, they are asked
again, and the manifest of the variant to choose is fetched and checked.
"""

import asyncio
from collections.abc import Callable

from lanspread_peer.core.liars import Liars
from lanspread_peer.core.peer_db import PeerDb
from lanspread_peer.core.version_choice import choose
from lanspread_peer.model import errors
from lanspread_peer.model.events import Event, GotGameFiles, NoPeersHaveGame
from lanspread_peer.model.game import Description, Title, Variant
from lanspread_peer.model.ids import ContentId, GameId, PeerId, game_key
from lanspread_peer.model.manifest import Manifest, Totals
from lanspread_peer.model.status import GameAnswer
from lanspread_peer.runtime.conversions import description_of, summary_of
from lanspread_peer.runtime.library import Library
from lanspread_peer.runtime.manifests import Manifests
from lanspread_peer.runtime.requests import ask
from lanspread_peer.runtime.title_board import TitleBoard
from lanspread_peer.runtime.variant_choice import VariantChoice
from lanspread_peer.transport.base import Connection
from lanspread_peer.wire import messages

_NOTHING_TOLD = Description()


class GameQuestions:
    """Asks the connected peers about games."""

    def __init__(
        self,
        *,
        library: Library,
        peers: PeerDb,
        titles: TitleBoard,
        connection_of: Callable[[PeerId], Connection | None],
        emit: Callable[[Event], None],
        liars: Liars,
    ) -> None:
        self._library = library
        self._peers = peers
        self._titles = titles
        self._connection_of = connection_of
        self._emit = emit
        self._manifests = Manifests(connection_of, liars)
        self._choice = VariantChoice(self._manifests, peers, connection_of)

    async def ask_all(self, game_id: GameId) -> GameAnswer:
        """What everybody holds of the game; raises GameNotFound when nobody has it."""
        key = game_key(game_id)
        answers = await asyncio.gather(
            *(self._ask_one(peer, game_id) for peer in self._peers.holders(key))
        )
        title = self._titles.title(key)
        if title is None or not title.variants:
            self._emit(NoPeersHaveGame(game_id))
        if title is None:
            raise errors.GameNotFound(f"nobody has {game_id!r}", game_id=game_id)
        totals = await self._totals(title)
        if title.variants:
            self._emit(GotGameFiles(title.id, title.variants, totals))
        local = title.local.description if title.local else _NOTHING_TOLD
        told = next((d for d in (local, *answers) if d != _NOTHING_TOLD), _NOTHING_TOLD)
        return GameAnswer(title, totals, told)

    async def manifest(
        self, game_id: GameId, content_id: ContentId | None
    ) -> tuple[ContentId, Manifest]:
        """The manifest of this content of the game, or of the one to choose by itself.

        Raises GameNotFound, NoPeersHaveGame, NoVersionChosen or ContentNotFound.
        """
        key = game_key(game_id)
        local = self._library.indexed(key)
        title = self._titles.title(key)
        if title is None:
            raise errors.GameNotFound(f"nobody has {game_id!r}", game_id=game_id)
        if content_id is None and local is not None and not title.variants:
            return local.content_id, local.manifest
        wanted = content_id or choose(title.variants).content_id
        if local is not None and local.content_id == wanted:
            return wanted, local.manifest
        if content_id is None:
            chosen, manifest = await self.choice(title)
            return chosen.content_id, manifest
        variant = next((v for v in title.variants if v.content_id == content_id), None)
        if variant is None:
            raise errors.ContentNotFound("no peer offers this content", content_id=content_id)
        return content_id, await self._manifests.get(content_id, variant.sources)

    async def choice(self, title: Title) -> tuple[Variant, Manifest]:
        """The variant to download when the command names none, with its manifest.

        Raises NoPeersHaveGame, NoVersionChosen or ContentNotFound.
        """
        return await self._choice.choose(title)

    async def _ask_one(self, peer_id: PeerId, game_id: GameId) -> Description:
        """One peer's answer goes into the database; its description is returned."""
        key = game_key(game_id)
        connection = self._connection_of(peer_id)
        if connection is None:
            return _NOTHING_TOLD
        try:
            answer = await ask(connection, messages.GetGame(id=game_id), messages.Game)
            summary = summary_of(answer.game)
        except (errors.NotFoundByPeer, errors.NotIndexed):
            self._titles.changed(self._peers.game_answered(peer_id, key, None))
            return _NOTHING_TOLD
        except errors.LanspreadError:
            # Whether it lives is for the ping to find out; until then its last word counts.
            return _NOTHING_TOLD
        if summary.key == key:
            self._titles.changed(self._peers.game_answered(peer_id, key, summary))
        return description_of(answer.description)

    async def _totals(self, title: Title) -> Totals | None:
        if title.latest is None:
            return None
        try:
            _, manifest = await self.choice(title)
        except errors.ContentNotFound:
            return None
        return manifest.totals
