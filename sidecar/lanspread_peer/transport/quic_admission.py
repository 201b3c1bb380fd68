"""Who may start a connection: decides about datagrams that belong to none yet.

Holds the caps on connections and handshakes. Pure of I/O: it returns what to do, and the endpoint
does it. Nothing here answers with more bytes than came (RFC 9000 section 8).
"""

import os
from collections import Counter
from dataclasses import dataclass
from typing import NewType

from aioquic._buffer import Buffer
from aioquic.quic.configuration import SMALLEST_MAX_DATAGRAM_SIZE
from aioquic.quic.packet import (
    QuicHeader,
    QuicPacketType,
    QuicProtocolVersion,
    encode_quic_retry,
    encode_quic_version_negotiation,
    pull_quic_header,
)
from aioquic.quic.retry import QuicRetryTokenHandler

from lanspread_peer.model.limits import (
    MAX_CONNECTIONS,
    MAX_UNAUTHENTICATED_PER_ADDRESS,
    MAX_UNPROVEN_HANDSHAKES,
)
from lanspread_peer.transport.udp_socket import SocketAddress

CONNECTION_ID_BYTES = 8
SUPPORTED_VERSIONS = (int(QuicProtocolVersion.VERSION_1), int(QuicProtocolVersion.VERSION_2))

_LONG_HEADER = 0x80

ConnectionId = NewType("ConnectionId", bytes)


@dataclass(frozen=True, slots=True)
class Admit:
    """Make a connection; the ids are what the library's server side asks for."""

    original_destination: bytes
    retry_source: bytes | None


@dataclass(frozen=True, slots=True)
class Answer:
    """Send this back, and remember nothing."""

    datagram: bytes


def destination_of(datagram: bytes) -> ConnectionId | None:
    """The connection id a datagram is for; None when it is not QUIC (RFC 9000 section 17)."""
    if not datagram:
        return None
    if not datagram[0] & _LONG_HEADER:
        return ConnectionId(datagram[1 : 1 + CONNECTION_ID_BYTES])
    if len(datagram) < 6:
        return None
    return ConnectionId(datagram[6 : 6 + datagram[5]])


class Admission:
    """Counts connections and unfinished handshakes, and admits within the limits."""

    def __init__(self) -> None:
        self._connections = 0
        self._handshakes: Counter[str] = Counter()
        self._retry = QuicRetryTokenHandler()

    def judge(
        self, datagram: bytes, address: SocketAddress, *, now: float
    ) -> Admit | Answer | None:
        """What to do about a datagram of no known connection; None means to ignore it."""
        try:
            header = pull_quic_header(Buffer(data=datagram), host_cid_length=CONNECTION_ID_BYTES)
        except ValueError:
            return None
        if header.packet_type is QuicPacketType.VERSION_NEGOTIATION:
            # Answering it would let two servers be talked into an endless exchange.
            return None
        # Shorter ones may not open a connection, nor be answered (RFC 9000 sections 6, 14.1).
        if header.version is None or len(datagram) < SMALLEST_MAX_DATAGRAM_SIZE:
            return None
        if header.version not in SUPPORTED_VERSIONS:
            return _version_negotiation(header)
        if header.packet_type is not QuicPacketType.INITIAL or not self._has_room(address[0]):
            return None
        if header.token or self._handshakes.total() >= MAX_UNPROVEN_HANDSHAKES:
            return self._prove(header, address, now=now)
        return Admit(header.destination_cid, None)

    def opened(self, host: str | None) -> None:
        """A connection was made; with the source's host when its handshake is still to come."""
        self._connections += 1
        if host is not None:
            self._handshakes[host] += 1

    def established(self, host: str) -> None:
        """A handshake of this source is over, well or not."""
        self._handshakes[host] -= 1
        if not self._handshakes[host]:
            del self._handshakes[host]

    def ended(self) -> None:
        """A connection is gone."""
        self._connections -= 1

    def _has_room(self, host: str) -> bool:
        return (
            self._connections < MAX_CONNECTIONS
            and self._handshakes[host] < MAX_UNAUTHENTICATED_PER_ADDRESS
        )

    def _prove(
        self, header: QuicHeader, address: SocketAddress, *, now: float
    ) -> Admit | Answer | None:
        """Address validation by Retry (RFC 9000 section 8.1.2)."""
        if header.token:
            try:
                original = self._retry.validate_token(
                    address=address,
                    destination_cid=header.destination_cid,
                    token=header.token,
                    now=now,
                )
            except ValueError:
                return None
            return Admit(original, header.destination_cid)
        assert header.version is not None
        source = os.urandom(CONNECTION_ID_BYTES)
        token = self._retry.create_token(
            address=address,
            original_destination_connection_id=header.destination_cid,
            retry_source_connection_id=source,
            now=now,
        )
        return Answer(
            encode_quic_retry(
                version=header.version,
                source_cid=source,
                destination_cid=header.source_cid,
                original_destination_cid=header.destination_cid,
                retry_token=token,
            )
        )


def _version_negotiation(header: QuicHeader) -> Answer:
    return Answer(
        encode_quic_version_negotiation(
            source_cid=header.destination_cid,
            destination_cid=header.source_cid,
            supported_versions=list(SUPPORTED_VERSIONS),
        )
    )
