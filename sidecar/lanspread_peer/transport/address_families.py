"""One port for each address family that this machine has, IPv4 and IPv6.

Each family has a socket of its own, as what one for both does differs among systems.
"""

import errno
import socket
from collections.abc import Callable, Iterable
from typing import Protocol, TypeVar

from lanspread_peer.model.errors import CannotBind
from lanspread_peer.model.peer import Address

# Any free port. The second family may find the one of the first taken; another is as good.
ANY_PORT = (0,) * 8

# What a system without IPv6, or without an address of it, says.
_NO_FAMILY = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, errno.EPROTONOSUPPORT)


class _Opened(Protocol):
    def close(self) -> None: ...


S = TypeVar("S", bound=_Opened)
# From family, host (empty: all interfaces) and port; raises OSError.
OpenOne = Callable[[int, str, int], S]


def open_on_one_port(
    bind: str, ports: Iterable[int], open_one: OpenOne[S], port_of: Callable[[S], int]
) -> list[S]:
    """What `open_one` opens for each family that `bind`, or the machine, has.

    `bind` is an IP address, or empty for all interfaces; the first of `ports` that is free for all
    families is taken. Raises CannotBind.
    """
    failures: list[tuple[int, OSError]] = []
    for port in ports:
        try:
            return _open_families(bind, port, open_one, port_of)
        except OSError as error:
            failures.append((port, error))
    port, failure = failures[-1]
    shown = Address(bind or "*", port)
    raise CannotBind(f"cannot listen on {shown}: {failure}", address=str(shown)) from failure


def _open_families(
    bind: str, port: int, open_one: OpenOne[S], port_of: Callable[[S], int]
) -> list[S]:
    if bind:
        return [open_one(socket.AF_INET6 if ":" in bind else socket.AF_INET, bind, port)]
    opened: list[S] = []
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            opened.append(open_one(family, "", port_of(opened[0]) if opened else port))
        except OSError as error:
            if error.errno in _NO_FAMILY:
                continue
            for other in opened:
                other.close()
            raise
    if not opened:
        raise OSError("this machine has neither IPv4 nor IPv6")
    return opened
