"""One non-blocking UDP socket that both listens and dials, and all that the systems differ in.

Datagrams are drained in batches, so that whoever handles them can answer once per batch. What
cannot be sent waits in a short queue, and is dropped beyond it: QUIC recovers what is lost, and
slows down for it. Errors that a vanished peer causes are nobody's here and are ignored.
"""

import asyncio
import socket
import sys
from collections import deque
from collections.abc import Callable, Sequence
from ipaddress import ip_address

from lanspread_peer.model.errors import ConnectionLost
from lanspread_peer.model.limits import KIB, MIB
from lanspread_peer.model.peer import Address, is_link_local_v6
from lanspread_peer.transport.address_families import ANY_PORT, open_on_one_port
from lanspread_peer.transport.background_marking import mark_as_background
from lanspread_peer.transport.udp_segments import (
    DatagramReceiver,
    SocketAddress,
    run_length,
    send_run,
)

ReceiveBatch = Callable[[list[tuple[bytes, SocketAddress]]], None]

# Any peer's longest datagram; what is longer was cut off and fails its decryption.
MAX_DATAGRAM_BYTES = 16 * KIB

# A batch holds the event loop for some milliseconds; then other callbacks have their turn.
_BATCH_DATAGRAMS = 64
# What arrives while the loop is busy waits in the kernel; the system may grant less.
_KERNEL_BUFFER_BYTES = 4 * MIB
# About what one burst of a few connections holds.
_QUEUE_DATAGRAMS = 256

# linux/in.h and linux/in6.h; the socket module does not name them.
_IP_MTU = 14
_IPV6_MTU = 24
_IP_UDP_HEADER_BYTES: dict[int, int] = {socket.AF_INET: 20 + 8, socket.AF_INET6: 40 + 8}

# RFC 9000 section 14: what every path carries. Ethernet's 1500 bytes less the headers of IPv6 and
# UDP. On loopback what macOS allows a datagram; each costs the same in Python, whatever its length.
_ANY_PATH_DATAGRAM_BYTES = 1200
_ETHERNET_DATAGRAM_BYTES = 1500 - 48
_LOOPBACK_DATAGRAM_BYTES = 8 * KIB


class UdpSocket:
    """An open socket; the caller must `start` it, and `close` it."""

    def __init__(self, family: int, host: str, port: int) -> None:
        """Bind; raises OSError. An empty host means all interfaces, port 0 any free one."""
        self.family = family
        self._loop = asyncio.get_running_loop()
        self._queue: deque[tuple[bytes, SocketAddress]] = deque()
        self._on_batch: ReceiveBatch | None = None
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        try:
            self._configure()
            self._socket.bind(_bind_address(family, host, port))
        except OSError:
            self._socket.close()
            raise
        self._receiver = DatagramReceiver(self._socket, MAX_DATAGRAM_BYTES)
        self.port = int(self._socket.getsockname()[1])

    def start(self, on_batch: ReceiveBatch) -> None:
        """Call `on_batch` with what arrives, from the event loop."""
        self._on_batch = on_batch
        self._loop.add_reader(self._socket, self._drain)

    def send(self, datagrams: Sequence[tuple[bytes, SocketAddress]]) -> None:
        """Send what the system takes now, queue some of the rest, and drop what is beyond."""
        start = 0
        while start < len(datagrams):
            stop = start + run_length(datagrams, start)
            run = datagrams[start:stop]
            sent = 0 if self._queue else self._send_run(run)
            for datagram, address in run[sent:]:
                self._enqueue(datagram, address)
            start = stop

    def close(self) -> None:
        """Free the port; what is queued is lost."""
        self._loop.remove_reader(self._socket)
        self._loop.remove_writer(self._socket)
        self._socket.close()

    def _configure(self) -> None:
        self._socket.setblocking(False)
        mark_as_background(self._socket)
        if self.family == socket.AF_INET6:
            self._socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        exclusive = getattr(socket, "SO_EXCLUSIVEADDRUSE", None)
        if exclusive is not None:
            # On Windows any other user's program could take over a port that lacks this.
            self._socket.setsockopt(socket.SOL_SOCKET, exclusive, 1)
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            try:
                self._socket.setsockopt(socket.SOL_SOCKET, option, _KERNEL_BUFFER_BYTES)
            except OSError:
                # macOS refuses what is over its limit instead of cutting it down.
                continue

    def _drain(self) -> None:
        batch: list[tuple[bytes, SocketAddress]] = []
        for _ in range(_BATCH_DATAGRAMS):
            try:
                batch += self._receiver.receive()
            except (BlockingIOError, InterruptedError):
                break
            except OSError:
                # An ICMP answer to something we sent, from a peer that is gone, or on Windows a
                # datagram that was too long.
                continue
            if len(batch) >= _BATCH_DATAGRAMS:
                break
        if batch and self._on_batch is not None:
            self._on_batch(batch)

    def _send_run(self, run: Sequence[tuple[bytes, SocketAddress]]) -> int:
        """How many datagrams are dealt with; the system takes no more for now."""
        if len(run) > 1:
            try:
                send_run(self._socket, run)
            except (BlockingIOError, InterruptedError):
                return 0
            except OSError:
                pass
            else:
                return len(run)
        for index, (datagram, address) in enumerate(run):
            if not self._send_one(datagram, address):
                return index
        return len(run)

    def _send_one(self, datagram: bytes, address: SocketAddress) -> bool:
        try:
            self._socket.sendto(datagram, address)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError:
            # No route, too long for the path, an ICMP answer: as good as lost on the way.
            return True
        return True

    def _enqueue(self, datagram: bytes, address: SocketAddress) -> None:
        if len(self._queue) >= _QUEUE_DATAGRAMS:
            return
        if not self._queue:
            self._loop.add_writer(self._socket, self._flush)
        self._queue.append((datagram, address))

    def _flush(self) -> None:
        while self._queue:
            if not self._send_one(*self._queue[0]):
                return
            self._queue.popleft()
        self._loop.remove_writer(self._socket)


def open_sockets(bind: str, port: int | None, default_port: int) -> list[UdpSocket]:
    """Sockets on one port for each address family that `bind`, or the machine, has.

    `bind` is an IP address, or empty for all interfaces; `port` None means the default port, else
    any free one. Raises CannotBind.
    """
    match port:
        case None:
            ports: tuple[int, ...] = (default_port, *ANY_PORT)
        case 0:
            ports = ANY_PORT
        case _:
            ports = (port,)
    return open_on_one_port(bind, ports, UdpSocket, lambda opened: opened.port)


def address_of(address: SocketAddress) -> Address:
    """The address in the model's form; a link-local one with its scope's number."""
    host = address[0].partition("%")[0]
    if len(address) == 4 and address[3] and is_link_local_v6(host):
        host = f"{host}%{address[3]}"
    return Address(host, address[1])


def socket_address_of(address: Address) -> tuple[int, SocketAddress]:
    """Family and socket address; raises ConnectionLost for one that this machine cannot reach."""
    flags = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
    try:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_DGRAM, flags=flags)
    except (OSError, UnicodeError) as error:
        raise ConnectionLost(f"cannot reach {address}: {error}", address=str(address)) from error
    family, _, _, _, socket_address = found[0]
    return family, _internet(socket_address)


def datagram_bytes(family: int, address: SocketAddress) -> int:
    """The longest datagram to try towards an address; whether the path carries it must be seen."""
    loopback = ip_address(address[0].partition("%")[0]).is_loopback
    limit = _LOOPBACK_DATAGRAM_BYTES if loopback else _ETHERNET_DATAGRAM_BYTES
    return max(_ANY_PATH_DATAGRAM_BYTES, min(limit, _link_datagram_bytes(family, address)))


def _link_datagram_bytes(family: int, address: SocketAddress) -> int:
    """What the first link carries whole, by the kernel's word; no limit where it has none."""
    if sys.platform != "linux":
        return MAX_DATAGRAM_BYTES
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect(address)
            if family == socket.AF_INET6:
                mtu = probe.getsockopt(socket.IPPROTO_IPV6, _IPV6_MTU)
            else:
                mtu = probe.getsockopt(socket.IPPROTO_IP, _IP_MTU)
    except OSError:
        return MAX_DATAGRAM_BYTES
    return mtu - _IP_UDP_HEADER_BYTES[family]


def _bind_address(family: int, host: str, port: int) -> SocketAddress:
    flags = socket.AI_PASSIVE | socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
    found = socket.getaddrinfo(host or None, port, family, socket.SOCK_DGRAM, flags=flags)
    return _internet(found[0][4])


def _internet(address: tuple[str | int, ...] | tuple[int, bytes]) -> SocketAddress:
    host, port, *rest = address
    assert isinstance(host, str)
    assert isinstance(port, int)
    if len(rest) == 2:
        return (host, port, int(rest[0]), int(rest[1]))
    return (host, port)
