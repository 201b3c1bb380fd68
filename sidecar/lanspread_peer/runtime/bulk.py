"""The bulk transport of one sidecar: its TLS server and client, opened and closed together."""

from lanspread_peer.core.offences import Offences
from lanspread_peer.model import errors
from lanspread_peer.model.ids import parse_peer_id
from lanspread_peer.runtime.bulk_server import BulkServer
from lanspread_peer.runtime.callers import Callers
from lanspread_peer.runtime.counters import RunningCounters
from lanspread_peer.runtime.identity import TLS, Identity
from lanspread_peer.runtime.library import Library
from lanspread_peer.runtime.neighbourhood import Neighbourhood
from lanspread_peer.runtime.rate_limits import RateLimit
from lanspread_peer.runtime.uploads import UploadSlots
from lanspread_peer.transport.tls_caller import TlsCaller
from lanspread_peer.transport.tls_client import TlsClient
from lanspread_peer.transport.tls_server import TlsServer
from lanspread_peer.wire import messages


class Bulk:
    """Made by `open`; the caller must `close` it."""

    def __init__(self, server: TlsServer, client: TlsClient) -> None:
        self.client = client
        self._server = server

    @classmethod
    def open(
        cls,
        *,
        identity: Identity,
        neighbourhood: Neighbourhood,
        bind: str,
        library: Library,
        slots: UploadSlots,
        limit: RateLimit,
        counters: RunningCounters,
        offences: Offences,
    ) -> "Bulk":
        """Listen on the port of the neighbourhood, or on any; raises CannotBind."""

        async def require_wanted(_caller: TlsCaller, hello: messages.Hello) -> None:
            if neighbourhood.links.is_blocked(parse_peer_id(hello.peer_id)):
                raise errors.Refused("this sidecar has blocked the caller")

        callers: Callers[TlsCaller] = Callers(
            identity,
            neighbourhood.own_ack,
            require_wanted,
            neighbourhood.warnings,
            transport=TLS,
        )
        server = TlsServer.open(
            bind=bind,
            port=neighbourhood.port,
            key=identity.private_key,
            on_request=BulkServer(library, callers, slots, limit, counters).answer,
            offences=offences,
        )
        neighbourhood.bulk_port = server.port
        return cls(server, TlsClient(neighbourhood.own_bulk_hello, bind=bind))

    async def close(self) -> None:
        """End all connections and threads."""
        await self.client.close()
        await self._server.close()
