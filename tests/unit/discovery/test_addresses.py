import socket
from ipaddress import ip_address

import pytest

from lanspread_peer.discovery.addresses import listen_addresses, own_addresses, resolve
from lanspread_peer.model.errors import InvalidField, PeerUnreachable
from lanspread_peer.model.limits import MAX_ADDRESSES_PER_PEER
from lanspread_peer.model.peer import Address, is_link_local_v6


async def test_numbers_resolve_to_themselves() -> None:
    assert await resolve("192.0.2.1:26789", "address") == (Address("192.0.2.1", 26789),)
    assert await resolve("[2001:DB8::1]:5", "address") == (Address("2001:db8::1", 5),)


async def test_a_scope_becomes_the_number_of_its_interface() -> None:
    index, name = socket.if_nameindex()[0]
    expected = (Address(f"fe80::1%{index}", 5),)
    assert await resolve(f"[fe80::1%{name}]:5", "address") == expected
    assert await resolve(f"[fe80::1%{index}]:5", "address") == expected


async def test_a_name_resolves_to_all_its_addresses_once() -> None:
    found = await resolve("localhost:7", "address")
    assert Address("127.0.0.1", 7) in found
    assert len(set(found)) == len(found) <= MAX_ADDRESSES_PER_PEER


@pytest.mark.parametrize(
    "text", ["", "here", "here:", ":5", "here:0", "here:65536", "::1:5", "x" * 300 + ":5"]
)
async def test_what_is_no_host_and_port_names_the_field(text: str) -> None:
    with pytest.raises(InvalidField) as caught:
        await resolve(text, "peers[1]")
    assert caught.value.field == "peers[1]"


async def test_a_name_that_nobody_knows_is_an_unreachable_peer() -> None:
    with pytest.raises(PeerUnreachable) as caught:
        await resolve("no-such-host.invalid:5", "address")
    assert caught.value.metadata["address"] == "no-such-host.invalid:5"


def test_a_bound_sidecar_has_that_address_alone() -> None:
    assert own_addresses("127.0.0.1") == {"127.0.0.1"}
    assert own_addresses("0:0::1") == {"::1"}
    assert listen_addresses("127.0.0.1", 5) == (Address("127.0.0.1", 5),)


def test_a_machine_knows_all_its_addresses_and_announces_no_loopback() -> None:
    own = own_addresses("")
    assert "127.0.0.1" in own
    assert all(str(ip_address(host)) == host for host in own)
    announced = listen_addresses("", 5)
    assert len(announced) <= MAX_ADDRESSES_PER_PEER
    assert all(address.host in own and address.port == 5 for address in announced)
    assert not any(ip_address(address.host).is_loopback for address in announced)


def test_link_local_addresses_come_last_and_carry_a_number_as_scope() -> None:
    hosts = [address.host for address in listen_addresses("", 5)]
    link_local = [ip_address(host).is_link_local for host in hosts]
    assert link_local == sorted(link_local)
    assert all(host.partition("%")[2].isdigit() for host in hosts if is_link_local_v6(host))
