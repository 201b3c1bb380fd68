"""The ping service: follows one linked peer, asking only when the line was idle.

It keeps the peer's liveness and its library up to date, and ends when the peer is lost. A
library is asked for again only when its digest differs from the one that is known.
"""

import asyncio
from collections.abc import Callable

from lanspread_peer.core.liveness import PING_TIMEOUT_S, Liveness, Pulse
from lanspread_peer.core.peer_db import PeerDb
from lanspread_peer.model import errors
from lanspread_peer.model.ids import GameKey, PeerId, game_key
from lanspread_peer.runtime.clock import monotonic_s
from lanspread_peer.runtime.conversions import summaries_of
from lanspread_peer.runtime.link import Link
from lanspread_peer.runtime.log_context import log_only_about
from lanspread_peer.runtime.requests import ask
from lanspread_peer.transport.base import Connection
from lanspread_peer.wire import messages

# Asking for a library again waits so many times as long as the last time took, so that a peer
# that claims to change without end costs a tenth of our time at most; a busy one is asked again.
_REFRESH_REST_FACTOR = 10.0
_LONGEST_REFRESH_REST_S = 10.0

_OnTitles = Callable[[frozenset[GameKey]], None]


async def follow(
    link: Link,
    connection: Connection,
    peers: PeerDb,
    on_titles: _OnTitles,
    on_hints: Callable[[messages.Peers], None],
) -> str:
    """Follow the peer until it stops answering, or its connection ends or another one is used.

    Says what it was.
    """
    log_only_about(peer=link.peer_id)
    follower = _Follower(link, connection, peers, on_titles)
    closed = asyncio.ensure_future(connection.wait_closed())
    closed.add_done_callback(lambda _: link.woken.set())
    try:
        await follower.ask_for_peers(on_hints)
        while link.connection is connection and not closed.done() and not follower.is_lost:
            await follower.look()
        return closed.result() if closed.done() else "it stopped answering"
    finally:
        closed.cancel()
        await asyncio.gather(closed, return_exceptions=True)


class _Follower:
    def __init__(
        self, link: Link, connection: Connection, peers: PeerDb, on_titles: _OnTitles
    ) -> None:
        self._link = link
        self._connection = connection
        self._peers = peers
        self._on_titles = on_titles
        self._liveness = Liveness(now=monotonic_s())
        self._refresh_at = 0.0

    @property
    def is_lost(self) -> bool:
        return self._liveness.pulse is Pulse.LOST

    @property
    def _peer_id(self) -> PeerId:
        return self._link.peer_id

    async def look(self) -> None:
        """Do what is due, then wait until something may be due again."""
        self._link.woken.clear()
        await self._refresh_library()
        self._liveness.heard(now=self._link.heard_at)
        if self._liveness.wants_ping(now=monotonic_s()):
            await self._ping()
        await self._wait()

    async def ask_for_peers(self, on_hints: Callable[[messages.Peers], None]) -> None:
        """Let the peer tell whom it knows."""
        try:
            answer = await ask(
                self._connection, messages.GetPeers(), messages.Peers, timeout_s=PING_TIMEOUT_S
            )
            on_hints(answer)
        except errors.LanspreadError:
            # Hints are a courtesy; whether the peer lives is for the ping to find out.
            return

    async def _refresh_library(self) -> None:
        if (began := monotonic_s()) < self._refresh_at:
            return
        known = self._peers.library_digest(self._peer_id)
        offered, self._link.offered_digest = self._link.offered_digest, None
        if not offered or offered == known:
            return
        await self._ask_for_library(known)
        now = monotonic_s()
        rest_s = min(_REFRESH_REST_FACTOR * (now - began), _LONGEST_REFRESH_REST_S)
        self._refresh_at = now + rest_s

    async def _ask_for_library(self, known: str) -> None:
        try:
            answer = await ask(
                self._connection,
                messages.ListGames(known_digest=known),
                messages.Games,
                messages.NotModified,
            )
        except errors.LanspreadError:
            # The next ping tells the digest again.
            return
        self._link.heard()
        if isinstance(answer, messages.Games):
            self._take_library(known, answer)

    def _take_library(self, known: str, answer: messages.Games) -> None:
        peer_id, digest = self._peer_id, answer.digest
        games = list(summaries_of(answer.games))
        parts = list(summaries_of(answer.downloading))
        if not answer.base_digest:
            changed = self._peers.library_replaced(peer_id, digest, games, parts)
        elif answer.base_digest == known:
            removed = map(game_key, answer.removed)
            changed = self._peers.library_changed(peer_id, digest, games, removed, parts)
        else:
            return
        self._on_titles(changed)

    async def _ping(self) -> None:
        sent_at = monotonic_s()
        self._liveness.ping_sent(now=sent_at)
        try:
            pong = await ask(
                self._connection, messages.Ping(), messages.Pong, timeout_s=PING_TIMEOUT_S
            )
        except errors.Busy:
            # All streams are in use, so the line is anything but idle.
            self._liveness.heard(now=monotonic_s())
        except errors.LanspreadError:
            self._liveness.handle_timeout(now=sent_at + PING_TIMEOUT_S)
        else:
            now = monotonic_s()
            self._link.heard()
            self._liveness.heard(now=now)
            self._peers.answered(self._peer_id, rtt_s=now - sent_at, now=now)
            if pong.library_digest != self._peers.library_digest(self._peer_id):
                self._link.library_hint(pong.library_digest)
        self._peers.suspected(self._peer_id, self._liveness.pulse is not Pulse.ALIVE)

    async def _wait(self) -> None:
        deadline = self._liveness.next_deadline()
        if self._link.offered_digest is not None:
            deadline = min(deadline, self._refresh_at)
        try:
            async with asyncio.timeout(max(0.0, deadline - monotonic_s())):
                await self._link.woken.wait()
        except TimeoutError:
            return
