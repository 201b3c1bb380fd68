"""Bulk sockets are marked, and the mark is on the packets that arrive."""

import asyncio
import socket
import sys
from collections.abc import Iterator

import pytest

from lanspread_peer.transport.background_marking import LOWER_EFFORT, mark_as_background
from lanspread_peer.transport.udp_socket import UdpSocket

# In linux/in.h; the socket module names it from Python 3.13 on.
_IP_RECVTOS = 13
_LOOPBACK = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="other systems read it otherwise")


@pytest.fixture(params=[socket.AF_INET, socket.AF_INET6], ids=["IPv4", "IPv6"])
def receiver(request: pytest.FixtureRequest) -> Iterator[socket.socket]:
    """A socket on loopback that also tells each packet's traffic class."""
    family: socket.AddressFamily = request.param
    with socket.socket(family, socket.SOCK_DGRAM) as opened:
        try:
            opened.bind((_LOOPBACK[family], 0))
        except OSError:
            pytest.skip("this machine has no such loopback")
        if family == socket.AF_INET:
            opened.setsockopt(socket.IPPROTO_IP, _IP_RECVTOS, 1)
        else:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVTCLASS, 1)
        opened.settimeout(10)
        yield opened


def traffic_class(receiver: socket.socket) -> int:
    """That of the next packet."""
    _, [(_, _, value)], _, _ = receiver.recvmsg(2048, socket.CMSG_SPACE(4))
    return int.from_bytes(value, sys.byteorder)


async def test_datagrams_of_the_quic_socket_arrive_marked(receiver: socket.socket) -> None:
    sender = UdpSocket(receiver.family, receiver.getsockname()[0], 0)
    try:
        # More of one length, as bulk data is, also where many go out in one system call.
        sender.send([(bytes(1200), receiver.getsockname())] * 4)
        found = [await asyncio.to_thread(traffic_class, receiver) for _ in range(4)]
    finally:
        sender.close()
    assert found == [LOWER_EFFORT] * 4 == [0x04] * 4


@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_STREAM])
def test_any_socket_can_be_marked(receiver: socket.socket, kind: int) -> None:
    with socket.socket(receiver.family, kind) as bulk:
        mark_as_background(bulk)
        if receiver.family == socket.AF_INET:
            assert bulk.getsockopt(socket.IPPROTO_IP, socket.IP_TOS) == LOWER_EFFORT
        else:
            assert bulk.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS) == LOWER_EFFORT


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="only where there are such")
def test_a_socket_that_cannot_be_marked_is_left_as_it_is() -> None:
    with socket.socket(socket.AF_UNIX) as other:
        mark_as_background(other)
