"""TCP sockets that listen, and what the systems differ in there."""

import asyncio
import socket
import sys

from lanspread_peer.model.peer import Address
from lanspread_peer.transport.address_families import ANY_PORT, open_on_one_port
from lanspread_peer.transport.background_marking import mark_as_background
from lanspread_peer.transport.udp_segments import SocketAddress
from lanspread_peer.transport.udp_socket import address_of

# A room full of downloaders connects at once, and the loop takes them within milliseconds.
_BACKLOG = 64
# When the process or the system has no descriptor left, accepting again at once would only burn.
_NO_DESCRIPTOR_PAUSE_S = 0.1


def open_listening(bind: str, port: int) -> list[socket.socket]:
    """Listening sockets on one port for each address family that `bind`, or the machine, has.

    `bind` is an IP address, or empty for all interfaces; when the port is taken, any free one will
    do. Raises CannotBind.
    """
    return open_on_one_port(bind, (port, *ANY_PORT), _open_one, _port_of)


async def accept(listening: socket.socket) -> tuple[socket.socket, Address]:
    """The next connection, and where it comes from."""
    while True:
        # Not asyncio's sock_accept: a connection that it took is lost if it is cancelled then.
        await _wait_readable(listening)
        try:
            connected, address = listening.accept()
        except (BlockingIOError, InterruptedError):
            continue
        except OSError:
            await asyncio.sleep(_NO_DESCRIPTOR_PAUSE_S)
            continue
        return connected, address_of(address)


async def _wait_readable(listening: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    loop.add_reader(listening, readable.set)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(listening)


def _port_of(listening: socket.socket) -> int:
    return int(listening.getsockname()[1])


def _open_one(family: int, host: str, port: int) -> socket.socket:
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setblocking(False)
        mark_as_background(listening)
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if sys.platform == "win32":
            # There any other user's program could take over a port that lacks this.
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            # Elsewhere a port stays taken for a minute after its connections, without this.
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(_bind_address(family, host, port))
        listening.listen(_BACKLOG)
    except OSError:
        listening.close()
        raise
    return listening


def _bind_address(family: int, host: str, port: int) -> SocketAddress:
    flags = socket.AI_PASSIVE | socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
    found = socket.getaddrinfo(host or None, port, family, socket.SOCK_STREAM, flags=flags)
    return found[0][4]  # type: ignore[return-value]
