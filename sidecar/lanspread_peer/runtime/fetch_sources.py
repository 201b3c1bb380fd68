"""The sources of one download: they come and go with the peer database and the links.

Keeps the connection of each, tells the planner of them, and lets liars wait behind all others.
"""

from lanspread_peer.core.chunk_set import ChunkSet
from lanspread_peer.core.liars import Liars
from lanspread_peer.core.peer_db import PeerDb
from lanspread_peer.core.planner import Planner
from lanspread_peer.model import errors
from lanspread_peer.model.ids import ContentId, GameKey, PeerId
from lanspread_peer.runtime.partial_sources import Followed, PartialSources
from lanspread_peer.runtime.peer_links import PeerLinks
from lanspread_peer.transport.base import Connection
from lanspread_peer.wire.messages import Feature

# While others serve, a peer that has to wait for its turn costs at most one wrong chunk a second.
_NEXT_WAITING_PEER_S = 1.0


class FetchSources:
    """Those that are connected, by peer id."""

    def __init__(
        self,
        key: GameKey,
        content_id: ContentId,
        planner: Planner,
        peers: PeerDb,
        links: PeerLinks,
        liars: Liars,
        partial: PartialSources,
    ) -> None:
        self._key = key
        self._content_id = content_id
        self._planner = planner
        self._peers = peers
        self._links = links
        self._liars = liars
        self._partial = partial
        # What each that lacks something holds.
        self._holds: dict[PeerId, ChunkSet] = {}
        self._connections: dict[PeerId, Connection] = {}
        self._hosts: dict[PeerId, str] = {}
        self._next_waiting_peer_at = 0.0

    def __bool__(self) -> bool:
        return bool(self._connections)

    def connection(self, peer: PeerId) -> Connection:
        """The connection to ask a source on; raises ConnectionLost when it is gone."""
        connection = self._connections.get(peer)
        if connection is None:
            raise errors.ConnectionLost("the source is gone")
        return connection

    def host(self, peer: PeerId) -> str:
        """Where a peer is, or was last; empty for one that never was a source."""
        return self._hosts.get(peer, "")

    def update(self, *, now: float) -> tuple[list[PeerId], list[PeerId]]:
        """Look who is there now: the sources that went, and those that came."""
        whole = self._peers.sources(self._key, self._content_id)
        # Who has all is asked without it, and who lied not at all.
        others = whole | self._planner.dropped_liars | self._known_liars()
        before, self._holds = self._holds, self._partial.update(others, now=now)
        live = {
            peer: self._links.connection(peer)
            for peer in (*whole, *self._holds)
            if not self._liars.is_dropped(peer)
        }
        gone = [peer for peer in list(self._connections) if not self._keep(peer, live.get(peer))]
        for peer in gone:
            del self._connections[peer]
            self._planner.remove_source(peer, now=now)
        for peer in self._connections:
            # It has all by now, or part of it again.
            if (peer in before) != (peer in self._holds):
                self._add(peer, now)
        came: list[PeerId] = []
        for peer, connection in live.items():
            if connection is None or peer in self._connections:
                continue
            if self._may_come(peer, connection, now):
                self._connections[peer] = connection
                self._hosts[peer] = connection.address.host
                self._add(peer, now)
                came.append(peer)
        return gone, came

    def has_all(self, peer: PeerId) -> bool:
        """Whether a source offers the whole game, and so gives whole files too."""
        return peer in self._connections and peer not in self._holds

    def gave(self, peer: PeerId, *, now: float) -> None:
        """A chunk came from a source that was missing and is right."""
        self._partial.gave(peer, now=now)

    def followed(self, peer: PeerId) -> Followed | None:
        """As it tells now what it holds, for `refused`; None for one that has all."""
        return self._partial.followed(peer)

    def refused(self, followed: Followed, *, now: float) -> None:
        """A source does not have what it told it holds."""
        self._partial.refused(followed, now=now)

    async def close(self) -> None:
        """Hear nothing more of any."""
        await self._partial.close()

    def begin_anew(self, *, now: float) -> list[PeerId]:
        """All that are here go and come again, with all their tries; who they are."""
        self._partial.begin_anew()
        for peer in self._connections:
            self._planner.remove_source(peer, now=now)
            self._add(peer, now)
        return list(self._connections)

    def _known_liars(self) -> frozenset[PeerId]:
        there = self._peers.partial_sources(self._content_id)
        return frozenset(filter(self._liars.is_dropped, there))

    def _add(self, peer: PeerId, now: float) -> None:
        said = self._links.current(peer)
        features = said.features if said is not None else frozenset()
        holders = self._peers.sources(self._key, self._content_id)
        self._planner.expect_company(self._peers.connected_count > len(holders))
        self._planner.add_source(
            peer,
            now=now,
            holds=self._holds.get(peer),
            runs=Feature.CHUNKS in features,
            chooses=Feature.ANY_CHUNK in features,
        )

    def _keep(self, peer: PeerId, used: Connection | None) -> bool:
        if used is self._connections[peer]:
            return True
        if used is None or self._connections[peer].is_closed:
            return False
        # The peer is there on another connection; what runs on this one may end.
        self._connections[peer] = used
        return True

    def _may_come(self, peer: PeerId, connection: Connection, now: float) -> bool:
        if not self._liars.waits(peer, connection.address.host):
            return True
        if self._planner.admitted_sources and now < self._next_waiting_peer_at:
            return False
        self._next_waiting_peer_at = now + _NEXT_WAITING_PEER_S
        return True
