"""Real datagrams on loopback: batches, fairness, and errors that must not matter."""

import asyncio
import errno
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from lanspread_peer.model.errors import CannotBind
from lanspread_peer.transport import udp_segments, udp_socket
from lanspread_peer.transport.udp_segments import SocketAddress
from lanspread_peer.transport.udp_socket import UdpSocket, open_sockets
from support.ports import free_port
from support.quic_party import until

LOOPBACK = "127.0.0.1"
Batch = list[tuple[bytes, SocketAddress]]


@contextmanager
def an_open_socket() -> Iterator[UdpSocket]:
    opened = UdpSocket(socket.AF_INET, LOOPBACK, 0)
    try:
        yield opened
    finally:
        opened.close()


@contextmanager
def plain_socket() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened:
        opened.bind((LOOPBACK, 0))
        yield opened


async def test_datagrams_come_in_batches_and_others_have_their_turn_between() -> None:
    happened: list[str] = []

    def receive(batch: Batch) -> None:
        happened.append(f"batch of {len(batch)}")
        asyncio.get_running_loop().call_soon(happened.append, "turn")

    with an_open_socket() as receiver, plain_socket() as sender:
        for index in range(150):
            sender.sendto(bytes([index]), (LOOPBACK, receiver.port))
        receiver.start(receive)
        await until(lambda: len(happened) >= 6)
    assert happened == ["batch of 64", "turn", "batch of 64", "turn", "batch of 22", "turn"]


async def test_a_vanished_peer_does_not_stop_the_socket() -> None:
    received: Batch = []
    closed_port = free_port()
    with an_open_socket() as udp, plain_socket() as sender:
        udp.start(received.extend)
        for _ in range(3):
            udp.send([(b"x", (LOOPBACK, closed_port))])
        udp.send([(bytes(70_000), (LOOPBACK, closed_port)), (b"x", ("255.255.255.255", 9))])
        sender.sendto(b"hello", (LOOPBACK, udp.port))
        await until(lambda: bool(received))
        assert received == [(b"hello", sender.getsockname())]


class FullSocket:
    """A socket whose system buffer is full until told otherwise."""

    def __init__(self, real: socket.socket) -> None:
        self._real = real
        self.is_full = True
        self.sent: list[bytes] = []

    def sendto(self, datagram: bytes, _address: SocketAddress) -> None:
        if self.is_full:
            raise BlockingIOError
        self.sent.append(datagram)

    def sendmsg(self, datagrams: list[bytes], *_: object) -> None:
        if self.is_full:
            raise BlockingIOError
        self.sent += datagrams

    def fileno(self) -> int:
        return self._real.fileno()

    def close(self) -> None:
        self._real.close()


async def test_what_the_system_does_not_take_waits_in_order_and_the_rest_is_dropped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(udp_socket, "_QUEUE_DATAGRAMS", 3)
    with an_open_socket() as udp:
        full = FullSocket(udp._socket)
        monkeypatch.setattr(udp, "_socket", full)
        udp.send([(bytes([index]), (LOOPBACK, 9)) for index in range(5)])
        assert full.sent == []
        await asyncio.sleep(0.01)
        full.is_full = False
        udp.send([(b"queue is full", (LOOPBACK, 9))])
        await until(lambda: len(full.sent) == 3)
        udp.send([(b"later", (LOOPBACK, 9))])
        assert full.sent == [b"\0", b"\1", b"\2", b"later"]
        assert not asyncio.get_running_loop().remove_writer(full.fileno())


async def test_both_families_get_the_same_port_and_a_taken_one_is_not_shared() -> None:
    opened = open_sockets("", None, 0)
    try:
        assert [udp.family for udp in opened] == [socket.AF_INET, socket.AF_INET6]
        assert opened[0].port == opened[1].port
        with pytest.raises(CannotBind):
            open_sockets("", opened[0].port, 0)
        fallen_back = open_sockets("", None, opened[0].port)
        assert fallen_back[0].port != opened[0].port
        for udp in fallen_back:
            udp.close()
    finally:
        for udp in opened:
            udp.close()


async def test_a_port_taken_in_one_family_leaves_no_socket_of_the_other() -> None:
    port = free_port()
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as six:
        six.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        six.bind(("::", port))
        with pytest.raises(CannotBind):
            open_sockets("", port, 0)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as four:
            four.bind(("0.0.0.0", port))


# Runs of one length and address, broken by a longer one, a shorter one, an empty one, another port.
LENGTHS = [1000] * 70 + [1200, 1200, 700, 1200, 0, 1200, 1200, 900]


@pytest.mark.parametrize("has_segments", [True, False])
@pytest.mark.parametrize("refused", [False, True])
async def test_datagrams_arrive_one_by_one_however_many_went_in_one_call(
    monkeypatch: pytest.MonkeyPatch, *, has_segments: bool, refused: bool
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EIO, "the card cannot")

    monkeypatch.setattr(udp_segments, "HAS_SEGMENTS", has_segments and udp_segments.HAS_SEGMENTS)
    if refused:
        monkeypatch.setattr(udp_socket, "send_run", refuse)
    received: Batch = []
    others: Batch = []
    with an_open_socket() as sender, an_open_socket() as receiver, an_open_socket() as other:
        receiver.start(received.extend)
        other.start(others.extend)
        sent = [(bytes([index]) * length, receiver.port) for index, length in enumerate(LENGTHS)]
        sent[20] = (sent[20][0], other.port)
        sender.send([(datagram, (LOOPBACK, port)) for datagram, port in sent])
        await until(lambda: len(received) + len(others) == len(LENGTHS))
    source = (LOOPBACK, sender.port)
    assert received == [(datagram, source) for datagram, port in sent if port == receiver.port]
    assert others == [(sent[20][0], source)]


@pytest.mark.skipif(not udp_segments.HAS_SEGMENTS, reason="this system has no segments")
async def test_a_run_takes_one_call_to_send_and_few_to_receive(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    batches: list[Batch] = []
    runs: list[int] = []
    send_run = udp_segments.send_run

    def count(udp: socket.socket, run: Batch) -> None:
        runs.append(len(run))
        send_run(udp, run)

    monkeypatch.setattr(udp_socket, "send_run", count)
    with an_open_socket() as sender, an_open_socket() as receiver:
        address = (LOOPBACK, receiver.port)
        sender.send([(bytes(1200), address)] * 100)
        calls = 0
        receive = receiver._receiver.receive

        def receive_counted() -> Batch:
            nonlocal calls
            calls += 1
            return receive()

        monkeypatch.setattr(receiver._receiver, "receive", receive_counted)
        receiver.start(batches.append)
        await until(lambda: sum(map(len, batches)) == 100)
    assert runs == [54, 46]
    assert calls <= 4
