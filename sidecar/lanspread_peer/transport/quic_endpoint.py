"""The QUIC transport: one UDP socket per address family that both listens and dials.

Owns the sockets, the table from connection ids to connections, and the handler tasks. Invariant:
a connection that counts in `Admission` is in the set.
"""

import asyncio
import ssl
from collections.abc import Callable
from functools import partial

from aioquic.quic.configuration import SMALLEST_MAX_DATAGRAM_SIZE, QuicConfiguration
from cryptography.x509 import Certificate

from lanspread_peer.core.offences import Offences
from lanspread_peer.model.config import DEFAULT_PORT
from lanspread_peer.model.errors import ConnectionLost, IdentityMismatch, NotAMember
from lanspread_peer.model.ids import PeerId
from lanspread_peer.model.limits import (
    HANDSHAKE_TIMEOUT_S,
    QUIC_ANSWER_WINDOW_BYTES,
    QUIC_CONNECTION_WINDOW_BYTES,
)
from lanspread_peer.model.peer import Address
from lanspread_peer.transport.base import Connection, StreamHandler
from lanspread_peer.transport.certificate import peer_id_of_certificate
from lanspread_peer.transport.credentials import Credentials
from lanspread_peer.transport.quic_admission import (
    CONNECTION_ID_BYTES,
    SUPPORTED_VERSIONS,
    Admission,
    Admit,
    Answer,
    Standing,
    destination_of,
)
from lanspread_peer.transport.quic_connection import PeerConnection
from lanspread_peer.transport.quic_internals import CreditedConnection
from lanspread_peer.transport.quic_stream import PeerStream
from lanspread_peer.transport.stream_tasks import StreamTasks
from lanspread_peer.transport.udp_segments import SocketAddress
from lanspread_peer.transport.udp_socket import (
    UdpSocket,
    datagram_bytes,
    open_sockets,
    socket_address_of,
)

ALPN = "lanspread/1"
IDLE_TIMEOUT_S = 30.0

# A path that loses long datagrams loses those of the handshake, which are padded to full length.
# A LAN answers in milliseconds, so that what is not answered by then is tried with short ones.
_LONG_DATAGRAMS_S = 1.5


class QuicTransport:
    """A `transport.base.Transport` over QUIC."""

    def __init__(
        self,
        sockets: list[UdpSocket],
        credentials: Credentials,
        on_stream: StreamHandler,
        on_connection: Callable[[Connection], None] | None,
        offences: Offences,
    ) -> None:
        self._sockets = sockets
        self._credentials = credentials
        self._on_connection = on_connection
        self._tasks = StreamTasks(on_stream)
        self._offences = offences
        self._admission = Admission(offences)
        self._routes: dict[bytes, PeerConnection] = {}
        self._connections: set[PeerConnection] = set()
        # The handshakes that others started, and when we lose patience.
        self._handshakes: dict[PeerConnection, asyncio.TimerHandle] = {}
        self._loop = asyncio.get_running_loop()
        self._is_closed = False

    @classmethod
    def open(
        cls,
        *,
        bind: str,
        port: int | None,
        credentials: Credentials,
        on_stream: StreamHandler,
        on_connection: Callable[[Connection], None] | None = None,
        offences: Offences | None = None,
    ) -> "QuicTransport":
        """Listen; needs a running event loop with `add_reader`, so not Windows' proactor.

        `bind` is an IP address or empty for all interfaces, `port` None the default port or else
        any free one. `on_stream` runs in a task per stream that a peer opens; `on_connection`
        is called for each connection accepted, after its handshake; `offences` is what several
        transports of one sidecar know together. Raises CannotBind.
        """
        sockets = open_sockets(bind, port, DEFAULT_PORT)
        transport = cls(sockets, credentials, on_stream, on_connection, offences or Offences())
        for udp in sockets:
            udp.start(partial(transport._receive, udp))
        return transport

    @property
    def port(self) -> int:
        """See `transport.base.Transport.port`."""
        return self._sockets[0].port

    @property
    def connection_count(self) -> int:
        """Connections of both directions, those in their handshake included."""
        return len(self._connections)

    async def dial(self, address: Address, expected: PeerId | None) -> PeerConnection:
        """See `transport.base.Transport.dial`.

        The caller bounds its dials; those in their handshake count for no limit here.
        """
        if self._is_closed:
            raise ConnectionLost("the transport is closed")
        family, target = socket_address_of(address)
        udp = next((udp for udp in self._sockets if udp.family == family), None)
        if udp is None:
            raise ConnectionLost(f"no socket here reaches {address}", address=str(address))
        self._require_room(address)
        connection, certificate = await self._establish(udp, target)
        actual = peer_id_of_certificate(certificate)
        if expected is not None and actual != expected:
            connection.close("another peer id was expected")
            raise IdentityMismatch(
                f"{address} is peer {actual}, not {expected}",
                address=str(address),
                expected=expected,
                actual=actual,
            )
        try:
            self._credentials.admit(certificate)
            self._require_room(address)
        except NotAMember as error:
            connection.close(error.reason)
            raise
        except ConnectionLost as error:
            connection.close(error.message)
            raise
        self._admission.dialled(connection, address.host)
        connection.identify(actual)
        return connection

    async def close(self) -> None:
        """See `transport.base.Transport.close`."""
        if self._is_closed:
            return
        self._is_closed = True
        for connection in list(self._connections):
            connection.close("shutting down")
        await self._tasks.close()
        for udp in self._sockets:
            udp.close()

    def on_route(self, connection_id: bytes, connection: PeerConnection) -> None:
        """See `ConnectionOwner`."""
        self._routes[connection_id] = connection

    def on_unroute(self, connection_id: bytes) -> None:
        """See `ConnectionOwner`."""
        self._routes.pop(connection_id, None)

    def on_established(self, connection: PeerConnection) -> None:
        """See `ConnectionOwner`."""
        if self._end_handshake(connection) and self._on_connection is not None:
            # Not from within the batch: what it raises must not cost others their datagrams.
            self._loop.call_soon(self._on_connection, connection)

    def on_identified(self, connection: PeerConnection) -> None:
        """See `ConnectionOwner`."""
        self._admission.advanced(connection, Standing.PROVEN)

    def on_stream(self, connection: PeerConnection, stream: PeerStream) -> None:
        """See `ConnectionOwner`."""
        self._tasks.start(connection, stream)

    def on_offence(self, connection: PeerConnection, detail: str) -> None:
        """See `ConnectionOwner`."""
        if self._offences.note(connection.address.host, now=self._loop.time()):
            connection.close(f"too much nonsense: {detail}")

    def on_ended(self, connection: PeerConnection) -> None:
        """See `ConnectionOwner`."""
        self._end_handshake(connection)
        self._connections.remove(connection)
        self._admission.ended(connection)
        for connection_id in [key for key, of in self._routes.items() if of is connection]:
            del self._routes[connection_id]

    def _receive(self, udp: UdpSocket, batch: list[tuple[bytes, SocketAddress]]) -> None:
        touched: dict[PeerConnection, None] = {}
        for datagram, address in batch:
            destination = destination_of(datagram)
            if destination is None:
                continue
            connection = self._routes.get(destination) or self._admit(udp, datagram, address)
            if connection is not None:
                connection.receive_datagram(datagram, address)
                touched[connection] = None
        for connection in touched:
            connection.settle()

    def _admit(
        self, udp: UdpSocket, datagram: bytes, address: SocketAddress
    ) -> PeerConnection | None:
        match self._admission.judge(datagram, address, now=self._loop.time()):
            case Answer(datagram=answer):
                udp.send([(answer, address)])
                return None
            case Admit() as admitted:
                return self._accept(udp, len(datagram), address, admitted)
            case None:
                return None

    def _accept(
        self, udp: UdpSocket, first_bytes: int, address: SocketAddress, admitted: Admit
    ) -> PeerConnection:
        # The caller padded its first datagram to the length it means to use, and it came through.
        size = min(first_bytes, datagram_bytes(udp.family, address))
        quic = CreditedConnection(
            configuration=self._configuration(is_client=False, max_datagram_size=size),
            original_destination_connection_id=admitted.original_destination,
            retry_source_connection_id=admitted.retry_source,
        )
        connection = PeerConnection(quic, address, send=udp.send, owner=self, dialled=False)
        self._add(connection, quic)
        self._routes[admitted.retry_source or admitted.original_destination] = connection
        self._admission.accepted(
            connection, connection.address.host, is_address_proved=admitted.is_address_proved
        )
        deadline = self._loop.call_later(
            HANDSHAKE_TIMEOUT_S, connection.close, "the handshake took too long"
        )
        self._handshakes[connection] = deadline
        return connection

    async def _establish(
        self, udp: UdpSocket, target: SocketAddress
    ) -> tuple[PeerConnection, Certificate]:
        deadline = self._loop.time() + HANDSHAKE_TIMEOUT_S
        size = datagram_bytes(udp.family, target)
        if size > SMALLEST_MAX_DATAGRAM_SIZE:
            try:
                return await self._try(udp, target, size, self._loop.time() + _LONG_DATAGRAMS_S)
            except TimeoutError:
                size = SMALLEST_MAX_DATAGRAM_SIZE
        try:
            return await self._try(udp, target, size, deadline)
        except TimeoutError as error:
            shown = f"{target[0]} port {target[1]}"
            raise ConnectionLost(f"no answer from {shown}", address=shown) from error

    async def _try(
        self, udp: UdpSocket, target: SocketAddress, size: int, deadline: float
    ) -> tuple[PeerConnection, Certificate]:
        quic = CreditedConnection(
            configuration=self._configuration(is_client=True, max_datagram_size=size)
        )
        connection = PeerConnection(quic, target, send=udp.send, owner=self, dialled=True)
        self._add(connection, quic)
        try:
            connection.connect()
            async with asyncio.timeout_at(deadline):
                certificate = await connection.wait_established()
        except BaseException:
            connection.close("given up")
            raise
        return connection, certificate

    def _add(self, connection: PeerConnection, quic: CreditedConnection) -> None:
        self._connections.add(connection)
        self._routes[quic.host_cid] = connection

    def _require_room(self, address: Address) -> None:
        if not self._admission.may_dial(address.host):
            raise ConnectionLost(f"too many connections to dial {address}", address=str(address))

    def _end_handshake(self, connection: PeerConnection) -> bool:
        deadline = self._handshakes.pop(connection, None)
        if deadline is None:
            return False
        deadline.cancel()
        self._admission.advanced(connection, Standing.UNPROVEN)
        return True

    def _configuration(self, *, is_client: bool, max_datagram_size: int) -> QuicConfiguration:
        configuration = QuicConfiguration(
            alpn_protocols=[ALPN],
            # On short paths the library's cubic grows back too slowly after a loss: with 0.2 ms and
            # one packet in a thousand lost it carries half of what reno does.
            congestion_control_algorithm="reno",
            connection_id_length=CONNECTION_ID_BYTES,
            idle_timeout=IDLE_TIMEOUT_S,
            is_client=is_client,
            max_data=QUIC_CONNECTION_WINDOW_BYTES,
            max_datagram_size=max_datagram_size,
            max_stream_data=QUIC_ANSWER_WINDOW_BYTES,
            supported_versions=list(SUPPORTED_VERSIONS),
            # The peer id says whose certificate it is, and our credentials who is let in.
            verify_mode=ssl.CERT_NONE,
        )
        if not is_client:
            configuration.certificate = self._credentials.certificate
            configuration.private_key = self._credentials.key
        return configuration
