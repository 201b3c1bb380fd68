"""Background marking: bulk packets say that all others may go before them.

DSCP LE, "lower effort" (RFC 8622, codepoint 1), in the traffic class that IPv4 and IPv6 have:
switches, access points and the systems' own queues that heed it let games and voice go first, and
others forward it as usual. Windows takes the option and ignores it; it marks only what a policy of
the system, or its qWAVE service, names.
"""

import contextlib
import socket

# The codepoint is above the two bits of ECN.
LOWER_EFFORT = 1 << 2

# Windows has the option under this name only from Python 3.12 on.
_IPV6_TCLASS: int | None = getattr(socket, "IPV6_TCLASS", None)


def mark_as_background(bulk: socket.socket) -> None:
    """Mark all that this socket sends from now on; nothing happens where the system cannot."""
    with contextlib.suppress(OSError):
        if bulk.family == socket.AF_INET:
            bulk.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, LOWER_EFFORT)
        elif bulk.family == socket.AF_INET6 and _IPV6_TCLASS is not None:
            bulk.setsockopt(socket.IPPROTO_IPV6, _IPV6_TCLASS, LOWER_EFFORT)
