"""Which of the addresses that strangers name are worth a dial.

Another peer's word may send us anywhere, so of that only addresses of a local network count. An
announcement or a caller comes from this network, whatever its addresses look like. Either way only
ports that any user may open, and loopback only where this sidecar itself is confined to it.
"""

from collections.abc import Iterable
from ipaddress import ip_address

from lanspread_peer.model.limits import MAX_ADDRESSES_PER_PEER
from lanspread_peer.model.peer import Address

_FIRST_UNPRIVILEGED_PORT = 1024


def dialable(
    addresses: Iterable[Address],
    *,
    own: frozenset[Address],
    allow_loopback: bool,
    allow_public: bool,
) -> tuple[Address, ...]:
    """Those that may be dialled, in their order, at most MAX_ADDRESSES_PER_PEER."""
    kept = [
        address
        for address in dict.fromkeys(addresses)
        if address not in own and _is_dialable(address, allow_loopback, allow_public)
    ]
    return tuple(kept[:MAX_ADDRESSES_PER_PEER])


def _is_dialable(address: Address, allow_loopback: bool, allow_public: bool) -> bool:
    try:
        ip = ip_address(address.host)
    except ValueError:
        return False
    if address.port < _FIRST_UNPRIVILEGED_PORT or ip.is_multicast or ip.is_unspecified:
        return False
    if ip.is_loopback:
        return allow_loopback
    return allow_public or ip.is_private or ip.is_link_local
