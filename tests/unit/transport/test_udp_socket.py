import socket

import pytest

from lanspread_peer.model.errors import ConnectionLost
from lanspread_peer.model.peer import Address
from lanspread_peer.transport.udp_socket import address_of, datagram_bytes, socket_address_of


def test_addresses_keep_their_scope_only_where_they_need_one() -> None:
    assert address_of(("192.0.2.1", 5)) == Address("192.0.2.1", 5)
    assert address_of(("2001:db8::1", 5, 0, 0)) == Address("2001:db8::1", 5)
    assert address_of(("2001:db8::1", 5, 0, 3)) == Address("2001:db8::1", 5)
    assert address_of(("fe80::1", 5, 0, 3)) == Address("fe80::1%3", 5)
    assert address_of(("fe80::1%eth0", 5, 0, 3)) == Address("fe80::1%3", 5)


def test_a_scoped_address_survives_the_way_to_the_socket_and_back() -> None:
    index, _ = socket.if_nameindex()[0]
    family, target = socket_address_of(Address(f"fe80::1%{index}", 26789))
    assert family == socket.AF_INET6
    assert target == ("fe80::1", 26789, 0, index)
    assert address_of(target) == Address(f"fe80::1%{index}", 26789)
    assert socket_address_of(Address("192.0.2.1", 7)) == (socket.AF_INET, ("192.0.2.1", 7))


@pytest.mark.parametrize(
    "host", ["not-a-number.example", "", "fe80::1%no-such-net", "\udce4", "a\0b"]
)
def test_what_is_no_address_cannot_be_dialled(host: str) -> None:
    with pytest.raises(ConnectionLost):
        socket_address_of(Address(host, 5))


def test_datagrams_are_as_long_as_the_kind_of_path_allows() -> None:
    assert datagram_bytes(socket.AF_INET, ("127.0.0.1", 5)) == 8192
    assert datagram_bytes(socket.AF_INET6, ("::1", 5, 0, 0)) == 8192
    assert 1200 <= datagram_bytes(socket.AF_INET, ("192.0.2.1", 5)) <= 1452
