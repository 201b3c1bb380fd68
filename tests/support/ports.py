"""Ports that stay free: no system hands them out by itself, and no other test process does.

They lie below the ranges that the systems take any free port from: 32768 and up on Linux, 49152 and
up elsewhere. A test process claims a block of them by listening on its first port, until it ends.
"""

import atexit
import functools
import socket
import sys
from collections.abc import Iterator
from itertools import cycle
from random import SystemRandom

from lanspread_peer.model.config import DEFAULT_PORT

_FIRST, _BEYOND = 20000, 26000
_BLOCK_PORTS = 100
# What a sidecar of this machine's user may have.
assert DEFAULT_PORT >= _BEYOND
_KINDS = (socket.SOCK_DGRAM, socket.SOCK_STREAM)


def free_port() -> int:
    """A port that nobody has, by UDP or TCP, in any family, and that stays so."""
    ports = _own_ports()
    for _ in range(_BLOCK_PORTS):
        port = next(ports)
        if _is_free(port):
            return port
    raise AssertionError("none of the ports of this process is free")


@functools.cache
def _own_ports() -> Iterator[int]:
    """Those of this process, over and over, so that each rests for as long as can be."""
    firsts = list(range(_FIRST, _BEYOND, _BLOCK_PORTS))
    SystemRandom().shuffle(firsts)
    for first in firsts:
        try:
            claim = _bound(socket.AF_INET, socket.SOCK_STREAM, first)
        except OSError:
            continue
        claim.listen()
        atexit.register(claim.close)
        return cycle(range(first + 1, first + _BLOCK_PORTS))
    raise AssertionError("all blocks of ports are claimed")


def _is_free(port: int) -> bool:
    has_ipv6 = socket.has_dualstack_ipv6()
    families = (socket.AF_INET, socket.AF_INET6) if has_ipv6 else (socket.AF_INET,)
    try:
        for family in families:
            for kind in _KINDS:
                _bound(family, kind, port).close()
    except OSError:
        return False
    return True


def _bound(family: int, kind: socket.SocketKind, port: int) -> socket.socket:
    """A socket that has the port on all interfaces, and shares it with nobody; raises OSError."""
    opened = socket.socket(family, kind)
    try:
        if family == socket.AF_INET6:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if sys.platform == "win32":
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        opened.bind(("", port))
    except OSError:
        opened.close()
        raise
    return opened
