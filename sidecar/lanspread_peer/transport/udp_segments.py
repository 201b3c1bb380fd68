"""Several datagrams in one system call, where the kernel can: Linux, by UDP_SEGMENT and UDP_GRO.

The only place that knows of it. Elsewhere each datagram takes a call of its own, and nobody above
notices.
"""

import socket
import struct
import sys
from collections.abc import Sequence

# (host, port) or (host, port, flow info, scope id), as the socket module has them.
SocketAddress = tuple[str, int] | tuple[str, int, int, int]

# linux/udp.h; the socket module does not name them.
_SOL_UDP = 17
_UDP_SEGMENT = 103
_UDP_GRO = 104
_SEGMENT_BYTES = struct.Struct("=H")
_GRO_BYTES = struct.Struct("=i")
_ANCILLARY_BYTES = 64

# What the kernel takes at once: segments, and bytes, which is what an IPv4 packet holds.
_MAX_SEGMENTS = 64
_MAX_SEGMENTED_BYTES = 65_535 - 20 - 8
_RECEIVE_BYTES = 1 << 16

HAS_SEGMENTS = sys.platform == "linux"


class DatagramReceiver:
    """Receives what one system call brings: one datagram, or several of one sender."""

    def __init__(self, udp: socket.socket, max_datagram_bytes: int) -> None:
        self._socket = udp
        self._max_datagram_bytes = max_datagram_bytes
        self._buffer = bytearray(_RECEIVE_BYTES) if _ask_for_segments(udp) else None

    def receive(self) -> list[tuple[bytes, SocketAddress]]:
        """At least one datagram; raises OSError as `recvfrom` does."""
        if self._buffer is None:
            return [self._socket.recvfrom(self._max_datagram_bytes)]
        size, ancillary, _, address = self._socket.recvmsg_into([self._buffer], _ANCILLARY_BYTES)
        step = _segment_bytes(ancillary) or size
        view = memoryview(self._buffer)[:size]
        if size <= step:
            return [(bytes(view), address)]
        return [(bytes(view[at : at + step]), address) for at in range(0, size, step)]


def run_length(datagrams: Sequence[tuple[bytes, SocketAddress]], start: int) -> int:
    """How many datagrams from `start` on may go as one run; at least one.

    All go to one address and have one length; only the last may be shorter.
    """
    first, address = datagrams[start]
    size = len(first)
    if not HAS_SEGMENTS or size == 0:
        return 1
    most = min(len(datagrams) - start, _MAX_SEGMENTS, max(1, _MAX_SEGMENTED_BYTES // size))
    for count in range(1, most):
        datagram, target = datagrams[start + count]
        if target != address or len(datagram) > size or not datagram:
            return count
        if len(datagram) < size:
            return count + 1
    return most


def send_run(udp: socket.socket, run: Sequence[tuple[bytes, SocketAddress]]) -> None:
    """Send a run of `run_length`; raises OSError as `sendto` does, and then none of it is sent.

    A card without checksums, or a path too narrow for the length, may refuse a run of what it
    takes, or cuts up, one by one.
    """
    first, address = run[0]
    option = (_SOL_UDP, _UDP_SEGMENT, _SEGMENT_BYTES.pack(len(first)))
    udp.sendmsg([datagram for datagram, _ in run], [option], 0, address)


def _ask_for_segments(udp: socket.socket) -> bool:
    if not HAS_SEGMENTS:
        return False
    try:
        udp.setsockopt(_SOL_UDP, _UDP_GRO, 1)
    except OSError:
        return False
    return True


def _segment_bytes(ancillary: list[tuple[int, int, bytes]]) -> int | None:
    for level, kind, value in ancillary:
        if level == _SOL_UDP and kind == _UDP_GRO:
            size: int = _GRO_BYTES.unpack(value[: _GRO_BYTES.size])[0]
            return size
    return None
