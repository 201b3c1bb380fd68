"""Peers: addresses, and what is known of each sidecar on the network."""

from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv6Address, ip_address

from lanspread_peer.model.errors import InvalidField
from lanspread_peer.model.ids import InstanceId, PeerId


@dataclass(frozen=True, slots=True, order=True)
class Address:
    """An IP address in canonical text, with `%scope` where it is link-local, and a UDP port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def split_host_port(text: str, field: str) -> tuple[str, int]:
    """`host:port` or `[ipv6]:port` in two; raises InvalidField. The host may still be a name."""
    host, separator, port = text.strip().rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise InvalidField(field, "HOST:PORT, with brackets around an IPv6 address", text[:120])
    if not separator or not host or not port.isascii() or not port.isdigit():
        raise InvalidField(field, "HOST:PORT", text[:120])
    if len(port) > 5 or not 0 < int(port) <= 65535:
        raise InvalidField(field, "a port from 1 to 65535", text[:120])
    return host, int(port)


def parse_ip(text: str, field: str) -> str:
    """The canonical text of an IP address; raises InvalidField."""
    try:
        return str(ip_address(text))
    except ValueError as error:
        raise InvalidField(field, "an IP address", text[:120]) from error


def is_link_local_v6(host: str) -> bool:
    """Whether the address needs a scope to be reached."""
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return isinstance(address, IPv6Address) and address.is_link_local


def is_loopback(host: str) -> bool:
    """Whether the address leads nowhere but to this machine; False for what is no address."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


class PeerState(Enum):
    """What liveness says of a peer."""

    DISCOVERED = "discovered"
    CONNECTED = "connected"
    SUSPECT = "suspect"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Sighting:
    """A hint that a sidecar may be reached; from mDNS, a person, a file, or another peer.

    Nothing in it is trusted: the peer id is what the dialler will insist on, when it is known.
    `told_by` is the peer that gave the hint; None when we saw or were told it ourselves.
    """

    addresses: tuple[Address, ...]
    origin: str
    peer_id: PeerId | None = None
    instance: InstanceId | None = None
    told_by: PeerId | None = None


@dataclass(frozen=True, slots=True)
class PeerStatus:
    """What a front end is shown of a peer; `rtt_s` is None before the first answer.

    `refusal` is the reason why a party keeps it and us apart, or empty. A blocked peer may never
    have been seen by this launch; then little but its id is known.
    """

    id: PeerId
    name: str
    state: PeerState
    address: Address | None
    transport: str
    rtt_s: float | None
    games: int
    library_bytes: int
    served_bytes: int
    blocked: bool = False
    refusal: str = ""

    @classmethod
    def unseen(cls, peer_id: PeerId) -> "PeerStatus":
        """A peer of which only the id is known."""
        return cls(
            id=peer_id,
            name="",
            state=PeerState.LOST,
            address=None,
            transport="",
            rtt_s=None,
            games=0,
            library_bytes=0,
            served_bytes=0,
        )
