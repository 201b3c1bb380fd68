"""The bulk transport of one sidecar: its TLS server and client, opened and closed together."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from lanspread_peer.core.offences import Offences
from lanspread_peer.model import errors
from lanspread_peer.model.events import Event
from lanspread_peer.model.ids import PeerId, parse_peer_id
from lanspread_peer.model.peer import PeerStatus
from lanspread_peer.runtime.bulk_routes import BulkRoutes
from lanspread_peer.runtime.bulk_server import BulkServer
from lanspread_peer.runtime.callers import Callers
from lanspread_peer.runtime.counters import RunningCounters
from lanspread_peer.runtime.data_requests import DataRequests
from lanspread_peer.runtime.dial_back import DialBacks
from lanspread_peer.runtime.dial_back_server import DialBackServer
from lanspread_peer.runtime.identity import TLS, Identity
from lanspread_peer.runtime.neighbourhood import Neighbourhood
from lanspread_peer.runtime.rate_limits import RateLimit
from lanspread_peer.runtime.uploads import UploadSlots
from lanspread_peer.transport.tls_caller import TlsCaller
from lanspread_peer.transport.tls_client import TlsClient
from lanspread_peer.transport.tls_context import client_context
from lanspread_peer.transport.tls_dialling import Dialling
from lanspread_peer.transport.tls_server import TlsServer
from lanspread_peer.wire import messages
from lanspread_peer.wire.messages import Message


class Bulk:
    """Made by `open`; the caller must `close` it."""

    def __init__(
        self,
        server: TlsServer,
        client: TlsClient,
        routes: BulkRoutes,
        dialler: DialBackServer,
        callers: Callers[TlsCaller],
    ) -> None:
        self.routes = routes
        self._callers = callers
        self._server = server
        self._client = client
        self._dialler = dialler

    @classmethod
    def open(
        cls,
        *,
        identity: Identity,
        neighbourhood: Neighbourhood,
        bind: str,
        requests: DataRequests,
        slots: UploadSlots,
        limit: RateLimit,
        counters: RunningCounters,
        offences: Offences,
        emit: Callable[[Event], None],
    ) -> "Bulk":
        """Listen on the port of the neighbourhood, or on any; raises CannotBind."""
        links = neighbourhood.links
        dial_backs = DialBacks(links.current)

        async def require_wanted(caller: TlsCaller, hello: messages.Hello) -> None:
            peer_id = parse_peer_id(hello.peer_id)
            if links.is_blocked(peer_id):
                raise errors.Refused("this sidecar has blocked the caller")
            if hello.dials_back:
                dial_backs.require_expected(peer_id)
                caller.asked_for()

        callers: Callers[TlsCaller] = Callers(
            identity,
            neighbourhood.own_ack,
            require_wanted,
            neighbourhood.warnings,
            neighbourhood.refusals,
            transport=TLS,
        )
        server = TlsServer.open(
            bind=bind,
            port=neighbourhood.port,
            credentials=identity.credentials,
            on_request=BulkServer(requests, callers, slots, limit, counters, dial_backs).answer,
            offences=offences,
        )
        neighbourhood.bulk_port = server.port
        client = TlsClient(identity.credentials, neighbourhood.own_bulk_hello, bind=bind)
        back = Dialling(
            client_context(),
            identity.credentials,
            partial(neighbourhood.own_bulk_hello, dials_back=True),
            bind,
        )
        return cls(
            server,
            client,
            BulkRoutes(client, dial_backs, links.current, emit),
            DialBackServer(server, back, neighbourhood.bulk_address),
            callers,
        )

    @property
    def connection_count(self) -> int:
        """Connections that others or we have opened."""
        return self._server.connection_count + self._client.connection_count

    @property
    def refused_callers(self) -> int:
        """How many were sent away."""
        return self._callers.refused_count

    async def dial_back(self, peer_id: PeerId) -> Message:
        """See DialBackServer.answer."""
        return await self._dialler.answer(peer_id)

    @property
    def served(self) -> frozenset[PeerId]:
        """The peers that may be served now."""
        return self._server.served

    def send_away(self, peer_id: PeerId) -> None:
        """Serve this peer no longer."""
        self._server.send_away(peer_id)

    def shown(self, peer: PeerStatus) -> PeerStatus:
        """The same, with this transport when bytes come by it or the peer can be served on it."""
        is_used = self.routes.works(peer.id) or self._server.is_serving(peer.id)
        return replace(peer, transport=TLS) if peer.transport and is_used else peer

    async def close(self) -> None:
        """End all connections and threads."""
        await self._client.close()
        await self._server.close()
