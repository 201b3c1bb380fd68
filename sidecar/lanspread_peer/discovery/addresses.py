"""Addresses: what a person typed, what this machine has, and what it may announce.

Link-local IPv6 addresses carry their interface's number as scope, everywhere in the sidecar:
numbers compare, and every system understands them.
"""

import asyncio
import socket
from ipaddress import IPv4Address, IPv6Address, ip_address

import psutil

from lanspread_peer.model.errors import InvalidField, PeerUnreachable
from lanspread_peer.model.limits import MAX_ADDRESSES_PER_PEER
from lanspread_peer.model.peer import Address, is_link_local_v6, split_host_port

# A name server that is silent should not keep a person waiting longer than a peer would.
_RESOLVE_TIMEOUT_S = 5.0


async def resolve(text: str, field: str) -> tuple[Address, ...]:
    """The addresses of `host:port`, at most MAX_ADDRESSES_PER_PEER, best first.

    Raises InvalidField for what is no host and port, PeerUnreachable for a name nobody knows.
    """
    host, port = split_host_port(text, field)
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(_RESOLVE_TIMEOUT_S):
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
    except (UnicodeError, ValueError) as error:
        raise InvalidField(field, "HOST:PORT", text[:120]) from error
    except (OSError, TimeoutError) as error:
        raise PeerUnreachable(f"cannot find {host}", address=f"{host}:{port}") from error
    addresses = dict.fromkeys(_from_socket(item[4]) for item in found)
    return tuple(addresses)[:MAX_ADDRESSES_PER_PEER]


def own_addresses(bind: str) -> frozenset[str]:
    """The hosts under which this sidecar is reached; all of the machine's when `bind` is empty."""
    if bind:
        return frozenset({str(ip_address(bind))})
    return frozenset(_machine_hosts())


def listen_addresses(bind: str, port: int) -> tuple[Address, ...]:
    """What to announce, the most useful first, at most MAX_ADDRESSES_PER_PEER.

    Loopback ones only when `bind` confines the sidecar to that.
    """
    if bind:
        return (Address(str(ip_address(bind)), port),)
    hosts = [host for host in _machine_hosts() if not ip_address(host).is_loopback]
    hosts.sort(key=lambda host: (_rank(host), host))
    return tuple(Address(host, port) for host in hosts[:MAX_ADDRESSES_PER_PEER])


def _machine_hosts() -> set[str]:
    statistics = psutil.net_if_stats()
    hosts: set[str] = set()
    for interface, entries in psutil.net_if_addrs().items():
        if interface in statistics and not statistics[interface].isup:
            continue
        for entry in entries:
            if entry.family in (socket.AF_INET, socket.AF_INET6):
                hosts.add(_canonical(entry.address, interface))
    return hosts


def _canonical(text: str, interface: str) -> str:
    host = text.partition("%")[0]
    if not is_link_local_v6(host):
        return str(ip_address(host))
    try:
        return f"{ip_address(host)}%{socket.if_nametoindex(interface)}"
    except OSError:
        # The interface went away meanwhile, or Windows knows it by another name; psutil then
        # gives the number itself.
        return str(ip_address(text))


def _rank(host: str) -> int:
    address: IPv4Address | IPv6Address = ip_address(host)
    if address.is_link_local:
        return 2
    return 0 if isinstance(address, IPv4Address) else 1


def _from_socket(address: tuple[str | int, ...] | tuple[int, bytes]) -> Address:
    host, port, *rest = address
    assert isinstance(host, str)
    assert isinstance(port, int)
    bare = host.partition("%")[0]
    if len(rest) == 2 and rest[1] and is_link_local_v6(bare):
        return Address(f"{bare}%{rest[1]}", port)
    return Address(bare, port)
