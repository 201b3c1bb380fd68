"""Who may start a connection: decides about datagrams that belong to none yet.

Holds the caps on connections and handshakes. Pure of I/O: it returns what to do, and the endpoint
does it. Nothing here answers with more bytes than came (RFC 9000 section 8). Invariants: strangers
that call never take the connections that are kept for our own dials, and whoever forges another's
address as his own takes nothing that its owner cannot have by proving it.
"""

import os
from dataclasses import dataclass
from enum import Enum
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

from lanspread_peer.core.offences import Offences
from lanspread_peer.core.token_buckets import TokenBuckets
from lanspread_peer.model.limits import (
    CONNECTIONS_KEPT_FOR_DIALS,
    HANDSHAKE_BURST,
    HANDSHAKES_PER_SECOND,
    MAX_CONNECTIONS,
    MAX_CONNECTIONS_PER_ADDRESS,
    MAX_REMEMBERED_ADDRESSES,
    MAX_UNAUTHENTICATED_PER_ADDRESS,
    MAX_UNPROVEN_HANDSHAKES,
    MAX_UNPROVEN_HANDSHAKES_PER_ADDRESS,
)
from lanspread_peer.transport.udp_segments import SocketAddress
from lanspread_peer.transport.udp_socket import address_of

CONNECTION_ID_BYTES = 8
SUPPORTED_VERSIONS = (int(QuicProtocolVersion.VERSION_1), int(QuicProtocolVersion.VERSION_2))

_LONG_HEADER = 0x80

ConnectionId = NewType("ConnectionId", bytes)


@dataclass(frozen=True, slots=True)
class Admit:
    """Make a connection; the ids are what the library's server side asks for."""

    original_destination: bytes
    retry_source: bytes | None

    @property
    def is_address_proved(self) -> bool:
        """Whether the caller answered from its address already, by a Retry."""
        return self.retry_source is not None


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


class Standing(Enum):
    """How far an accepted connection has come."""

    # All that came may have a forged source.
    HANDSHAKE = "handshake"
    REACHED = "handshake from a proved address"
    UNPROVEN = "unproven"
    PROVEN = "proven"


class Admission:
    """Counts connections by address and standing, and admits within the limits."""

    def __init__(self, offences: Offences) -> None:
        self._offences = offences
        self._accepted: dict[object, tuple[str, Standing]] = {}
        self._dialled: dict[object, str] = {}
        self._retry = QuicRetryTokenHandler()
        # Apart, so that forged datagrams empty only the one that proof is a way around.
        self._unproven_rate = _handshake_rate()
        self._proven_rate = _handshake_rate()

    def accepted(self, connection: object, host: str, *, is_address_proved: bool) -> None:
        """A connection was admitted; its handshake is still to come."""
        standing = Standing.REACHED if is_address_proved else Standing.HANDSHAKE
        self._accepted[connection] = (host, standing)

    def advanced(self, connection: object, standing: Standing) -> None:
        """An accepted connection has come further; nothing happens for a dialled one."""
        if connection in self._accepted:
            host, _ = self._accepted[connection]
            self._accepted[connection] = (host, standing)

    def dialled(self, connection: object, host: str) -> None:
        """A connection that we dialled is established."""
        self._dialled[connection] = host

    def ended(self, connection: object) -> None:
        """A connection is gone."""
        self._accepted.pop(connection, None)
        self._dialled.pop(connection, None)

    def may_dial(self, host: str) -> bool:
        """Whether there is room for one more connection of ours."""
        return self._has_room(host)

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
        host = address_of(address).host
        if header.packet_type is not QuicPacketType.INITIAL or not self._may_accept(host):
            return None
        if self._offences.waits(host, now=now):
            return None
        if header.token:
            return self._check_proof(header, address, now=now)
        if self._must_prove(host) or not self._unproven_rate.take(host, now=now):
            return self._ask_for_proof(header, address, now=now)
        return Admit(header.destination_cid, None)

    def _may_accept(self, host: str) -> bool:
        unproven = sum(
            one == host and standing in (Standing.REACHED, Standing.UNPROVEN)
            for one, standing in self._accepted.values()
        )
        return (
            self._has_room(host)
            and len(self._accepted) < MAX_CONNECTIONS - CONNECTIONS_KEPT_FOR_DIALS
            and unproven < MAX_UNAUTHENTICATED_PER_ADDRESS
        )

    def _has_room(self, host: str) -> bool:
        here = sum(one == host for one, _ in self._accepted.values())
        here += sum(one == host for one in self._dialled.values())
        total = len(self._accepted) + len(self._dialled)
        return total < MAX_CONNECTIONS and here < MAX_CONNECTIONS_PER_ADDRESS

    def _must_prove(self, host: str) -> bool:
        hosts = [one for one, standing in self._accepted.values() if standing is Standing.HANDSHAKE]
        here = hosts.count(host)
        return len(hosts) >= MAX_UNPROVEN_HANDSHAKES or here >= MAX_UNPROVEN_HANDSHAKES_PER_ADDRESS

    def _check_proof(
        self, header: QuicHeader, address: SocketAddress, *, now: float
    ) -> Admit | None:
        """Address validation by Retry (RFC 9000 section 8.1.2)."""
        try:
            original = self._retry.validate_token(
                address=address,
                destination_cid=header.destination_cid,
                token=header.token,
                now=now,
            )
        except ValueError:
            return None
        if not self._proven_rate.take(address_of(address).host, now=now):
            return None
        return Admit(original, header.destination_cid)

    def _ask_for_proof(self, header: QuicHeader, address: SocketAddress, *, now: float) -> Answer:
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


def _handshake_rate() -> TokenBuckets[str]:
    return TokenBuckets(
        per_second=HANDSHAKES_PER_SECOND,
        burst=HANDSHAKE_BURST,
        max_keys=MAX_REMEMBERED_ADDRESSES,
    )


def _version_negotiation(header: QuicHeader) -> Answer:
    return Answer(
        encode_quic_version_negotiation(
            source_cid=header.destination_cid,
            destination_cid=header.source_cid,
            supported_versions=list(SUPPORTED_VERSIONS),
        )
    )
