"""All sockets between peers are marked, and the mark is on the packets that arrive."""

import asyncio
import os
import socket
import sys
from collections import Counter
from collections.abc import Container, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from lanspread_peer.transport import background_marking
from lanspread_peer.transport.background_marking import LOWER_EFFORT, mark_as_background
from lanspread_peer.transport.udp_socket import UdpSocket
from support.party import Party, address_of, make_game, start_download, until, wait_sources
from support.storage_folders import make_files

# In linux/in.h; the socket module names it from Python 3.13 on.
_IP_RECVTOS = 13
_LOOPBACK = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="other systems read it otherwise")


def mark_of(bulk: socket.socket) -> int:
    """What its packets say."""
    if bulk.family == socket.AF_INET:
        return bulk.getsockopt(socket.IPPROTO_IP, socket.IP_TOS)
    return bulk.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS)


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
        assert mark_of(bulk) == LOWER_EFFORT


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="only where there are such")
def test_a_socket_that_cannot_be_marked_is_left_as_it_is() -> None:
    with socket.socket(socket.AF_UNIX) as other:
        mark_as_background(other)


def test_a_system_that_refuses_the_mark_or_has_no_name_for_it_is_no_failure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    refusing = socket.socket(socket.AF_INET)
    refusing.close()
    mark_as_background(refusing)
    monkeypatch.setattr(background_marking, "_IPV6_TCLASS", None)
    with socket.socket(socket.AF_INET6) as nameless:
        mark_as_background(nameless)
        assert mark_of(nameless) == 0


def sockets_of_this_process() -> dict[Path, int]:
    """All sockets by what the system calls them, with their descriptors."""
    # The folder itself was open while it was listed, and is not any more.
    links = [link for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    names = {link.readlink(): int(link.name) for link in links}
    return {name: number for name, number in names.items() if name.match("socket:*")}


def internet_sockets(but: Container[Path]) -> Iterator[socket.socket]:
    """Copies of all sockets of the internet families, but for these."""
    for name, number in sockets_of_this_process().items():
        if name in but:
            continue
        with socket.socket(fileno=os.dup(number)) as copy:
            if copy.family in _LOOPBACK:
                yield copy


def has_address(host: str) -> bool:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as one:
        try:
            one.bind((host, 0))
        except OSError:
            return False
    return True


def is_listening(one: socket.socket) -> bool:
    return bool(one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))


@pytest.mark.parametrize("host", _LOOPBACK.values())
async def test_every_socket_of_a_transfer_is_marked(party: Party, host: str) -> None:
    if not has_address(host):
        pytest.skip("this machine has no such loopback")
    of_others = sockets_of_this_process()
    settings = replace(party.settings("source"), bind=host)
    make_files(party.game("source"), make_game(2))
    source = await party.start_with(settings)
    await until(lambda: not source.status().indexing)
    settings = replace(party.settings("downloader", peers=(address_of(source),)), bind=host)
    downloader = await party.start_with(settings)
    await wait_sources(downloader, 1)
    # So slow that the connections are there for as long as the test runs.
    limit = source._limits.uploads
    limit.set_rate(1)
    await start_download(downloader)
    await until(lambda: limit._bucket._line)
    found: Counter[str] = Counter()
    for one in internet_sockets(of_others):
        assert mark_of(one) == LOWER_EFFORT, one
        if one.type == socket.SOCK_DGRAM:
            found["QUIC"] += 1
        else:
            found["listening" if is_listening(one) else "connected"] += 1
    assert (found["QUIC"], found["listening"]) == (2, 2)
    assert found["connected"] >= 2
