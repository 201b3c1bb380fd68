"""What the doctor finds out about the way to others: multicast, and the own ports.

Only packets to this machine itself are sent: what multicasts has a TTL of 0. So a firewall of this
machine may show, and one between machines cannot.
"""

import errno
import secrets
import select
import socket
import struct
import sys
import time
from collections.abc import Callable, Iterable

from lanspread_peer.control.doctor.finding import Finding, Verdict
from lanspread_peer.control.doctor.interfaces import MULTICAST_GROUP, MULTICAST_PORT
from lanspread_peer.model.config import DEFAULT_PORT
from lanspread_peer.model.peer import Address

_PATIENCE_S = 2.0
_RECEIVE_BYTES = 2048
# RFC 9000, 14.1 and 17.2: a first packet is at least so long, and has the high two bits set.
_QUIC_PACKET_BYTES = 1200
_QUIC_LONG_HEADER = 0xC0
# RFC 9000, 15: versions of this pattern are for making the other end say which it knows.
_QUIC_RESERVED_VERSION = 0x1A2A3A4A
_KINDS = {"UDP": socket.SOCK_DGRAM, "TCP": socket.SOCK_STREAM}
_FIREWALL = "let the firewall pass UDP and TCP on this port, and UDP 5353 for mDNS"


def check_multicast(hosts: Iterable[str], *, mdns: bool) -> Finding:
    """Whether what is multicast by each of these IPv4 addresses is heard on it."""
    check = "multicast"
    if not mdns:
        return Finding(check, Verdict.SKIPPED, "mDNS is off", "name peers by --peer")
    tried = list(hosts)
    if not tried:
        return Finding(check, Verdict.SKIPPED, "no interface has an IPv4 address to try")
    deaf = [host for host in tried if not _hears_itself(host)]
    if not deaf:
        return Finding(check, Verdict.OK, f"heard back on {', '.join(tried)}")
    told = f"not heard back on {', '.join(deaf)}"
    advice = "let the firewall pass UDP 5353, or name a peer by --peer"
    return Finding(check, Verdict.FAIL if deaf == tried else Verdict.WARN, told, advice)


def check_running_port(addresses: Iterable[Address]) -> Finding:
    """Whether the running sidecar answers on the addresses that it announces."""
    check = "port"
    mute = [
        f"{name} {address}"
        for address in addresses
        for name, answers in (("UDP", answers_quic), ("TCP", answers_tcp))
        if not answers(address)
    ]
    if not mute:
        return Finding(check, Verdict.OK, "the sidecar answers on all its addresses")
    return Finding(check, Verdict.WARN, f"no answer on {', '.join(mute)}", _FIREWALL)


def check_free_port(bind: str, port: int | None) -> Finding:
    """Whether a sidecar that is started now gets the port, and it can be reached."""
    check = "port"
    wanted = DEFAULT_PORT if port is None else port
    if wanted == 0:
        return Finding(check, Verdict.SKIPPED, "any port will do")
    if busy := [name for name, kind in _KINDS.items() if not _is_free(kind, bind, wanted)]:
        told = f"another program has {' and '.join(busy)} port {wanted}"
        if port is None:
            return Finding(check, Verdict.WARN, told, "any other will do, if the firewall lets it")
        return Finding(check, Verdict.FAIL, told, "end that program, or give another --port")
    return Finding(check, Verdict.OK, f"UDP and TCP port {wanted} are free")


def answers_tcp(address: Address) -> bool:
    """Whether somebody accepts connections there."""
    try:
        socket.create_connection((address.host, address.port), _PATIENCE_S).close()
    except OSError:
        return False
    return True


def answers_quic(address: Address) -> bool:
    """Whether a QUIC server answers there: whoever offers an unknown version is told the known."""
    ours = secrets.token_bytes(8)
    head = struct.pack("!BIB", _QUIC_LONG_HEADER, _QUIC_RESERVED_VERSION, 8)
    packet = head + secrets.token_bytes(8) + bytes([8]) + ours
    try:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_DGRAM)
        family, _, _, _, target = found[0]
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect(target)
            probe.send(packet.ljust(_QUIC_PACKET_BYTES, b"\0"))
            # A version negotiation packet names the connection that it answers.
            return _received(probe, lambda data: ours in data[:64])
    except OSError:
        return False


def _is_free(kind: socket.SocketKind, bind: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in bind else socket.AF_INET
    with socket.socket(family, kind) as probe:
        if kind is socket.SOCK_STREAM and sys.platform != "win32":
            # Or the last connections of a sidecar that ended would count for a minute.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((bind, port))
        except OSError as error:
            # An address that is not ours is for the check of the interfaces.
            return error.errno != errno.EADDRINUSE
    return True


def _hears_itself(host: str) -> bool:
    """Whether a question about a service nobody has, multicast by this address, comes back."""
    question = _question(f"_lanspread-{secrets.token_hex(8)}")
    interface = socket.inet_aton(host)
    membership = socket.inet_aton(MULTICAST_GROUP) + interface
    try:
        with _multicast_socket() as ear, _multicast_socket() as mouth:
            ear.bind(("", MULTICAST_PORT))
            ear.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, membership)
            mouth.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, interface)
            mouth.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 0)
            mouth.sendto(question, (MULTICAST_GROUP, MULTICAST_PORT))
            return _received(ear, lambda data: data == question)
    except OSError:
        return False


def _multicast_socket() -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if hasattr(socket, "SO_REUSEPORT"):
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    made.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 1)
    return made


def _question(service: str) -> bytes:
    """A DNS question for pointers of a service (RFC 1035, 4.1)."""
    labels = (service, "_udp", "local")
    name = b"".join(bytes([len(label)]) + label.encode("ascii") for label in labels)
    return struct.pack("!6H", 0, 0, 1, 0, 0, 0) + name + b"\0" + struct.pack("!2H", 12, 1)


def _received(ear: socket.socket, is_it: Callable[[bytes], bool]) -> bool:
    """Whether what is waited for comes in time; others may be heard meanwhile."""
    deadline = time.monotonic() + _PATIENCE_S
    while (left := deadline - time.monotonic()) > 0:
        readable, _, _ = select.select([ear], [], [], left)
        if readable and is_it(ear.recv(_RECEIVE_BYTES)):
            return True
    return False
