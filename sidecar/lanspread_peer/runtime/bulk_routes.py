"""The ways to the bytes of peers by TLS, and which of them work.

A peer is dialled at its bulk port. One that cannot be reached there is asked to dial back. When
neither brings a byte, it is asked by messages for a while, which is told, and then all is tried
anew. As soon as another peer is asked, nothing is kept of those that are gone, and of the rest at
most MAX_BULK_ROUTES.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial

from lanspread_peer.model import errors
from lanspread_peer.model.events import Event, Warned
from lanspread_peer.model.ids import PeerId
from lanspread_peer.model.limits import MAX_BULK_ROUTES
from lanspread_peer.model.peer import Address
from lanspread_peer.runtime.clock import monotonic_s
from lanspread_peer.runtime.dial_back import DialBacks
from lanspread_peer.runtime.link import Proven
from lanspread_peer.transport.tls_client import TlsClient, TlsPeer

# A port that a firewall guards does not answer at all; on a LAN every other one does by then, and
# together the source does not count as silent yet. Who has answered once may have reasons to let
# us wait.
_REACHED_WITHIN_S = 2.0
_DIALLED_BACK_WITHIN_S = 1.5
_TRY_AGAIN_S = 60.0


class Way:
    """One way to a peer; `works` once it was reached, until it breaks."""

    def __init__(self, peer: TlsPeer, within_s: float) -> None:
        self.peer = peer
        self._within_s = within_s
        self.works = False
        self._limits: set[asyncio.Timeout] = set()

    def reached(self) -> None:
        """It works, also for those whose turn is still to come."""
        self.works = True
        for limit in self._limits:
            if not limit.expired():
                limit.reschedule(None)

    @asynccontextmanager
    async def in_time(self) -> AsyncIterator[None]:
        """Raises Stalled when it was not reached in time."""
        try:
            async with asyncio.timeout(None if self.works else self._within_s) as limit:
                self._limits.add(limit)
                try:
                    yield
                finally:
                    self._limits.discard(limit)
        except TimeoutError as error:
            raise errors.Stalled(f"no byte came within {self._within_s:g} s") from error


class _Route:
    def __init__(self, address: Address, direct: Way, back: Way) -> None:
        self.address = address
        self.direct = direct
        self.back = back
        self.way = direct
        self.why_not_direct = ""
        self.rests_until = 0.0


class BulkRoutes:
    """Those of one sidecar; `said_by` is what a peer said on its link."""

    def __init__(
        self,
        client: TlsClient,
        dial_backs: DialBacks,
        said_by: Callable[[PeerId], Proven | None],
        emit: Callable[[Event], None],
    ) -> None:
        self._client = client
        self._dial_backs = dial_backs
        self._said_by = said_by
        self._emit = emit
        # Those that were used last come last.
        self._routes: dict[PeerId, _Route] = {}

    async def way_to(self, peer_id: PeerId) -> Way | None:
        """The way to ask this peer now; None when it is to be asked by messages."""
        address = self._address_of(peer_id)
        route = self._routes.pop(peer_id, None)
        outdated: list[_Route] = []
        if route is not None and route.address != address:
            outdated.append(route)
            route = None
        if address is None:
            await _close(outdated)
            return None
        if route is None:
            outdated += self._take_unused()
            route = self._new_route(peer_id, address)
        self._routes[peer_id] = route
        await _close(outdated)
        return None if monotonic_s() < route.rests_until else route.way

    def works(self, peer_id: PeerId) -> bool:
        """Whether bytes came by TLS from this peer, and nothing broke since."""
        route = self._routes.get(peer_id)
        return route is not None and route.way.works

    def unreachable(self, peer_id: PeerId, way: Way, error: Exception) -> None:
        """This way brought nothing: take the next one, or let the peer rest."""
        route = self._routes.get(peer_id)
        if route is None or way is not route.way or monotonic_s() < route.rests_until:
            # Another request was first to see it.
            return
        if way is route.direct and self._dial_backs.is_possible(peer_id):
            route.way = route.back
            route.why_not_direct = f"{error}; dialled back: "
            return
        why = f"{route.why_not_direct}{error}"
        route.way = route.direct
        route.why_not_direct = ""
        route.rests_until = monotonic_s() + _TRY_AGAIN_S
        detail = f"{peer_id} at {route.address}: {why}; its chunks come by QUIC"
        self._emit(Warned("BULK_UNREACHABLE", detail))

    def _address_of(self, peer_id: PeerId) -> Address | None:
        said = self._said_by(peer_id)
        return said.bulk_address if said is not None else None

    def _take_unused(self) -> list[_Route]:
        """Those of peers that are gone, and the oldest where there is no place for one more."""
        unused = [peer_id for peer_id in self._routes if self._said_by(peer_id) is None]
        routes = [self._routes.pop(peer_id) for peer_id in unused]
        while len(self._routes) >= MAX_BULK_ROUTES:
            routes.append(self._routes.pop(next(iter(self._routes))))
        return routes

    def _new_route(self, peer_id: PeerId, address: Address) -> _Route:
        direct = self._client.peer(address, peer_id)
        back = self._client.peer_by(peer_id, partial(self._dial_backs.line_from, peer_id))
        return _Route(address, Way(direct, _REACHED_WITHIN_S), Way(back, _DIALLED_BACK_WITHIN_S))


async def _close(routes: list[_Route]) -> None:
    for route in routes:
        await route.direct.peer.close()
        await route.back.peer.close()
