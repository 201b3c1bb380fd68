"""Strangers cannot send us to just any address."""

import pytest

from lanspread_peer.core.address_policy import dialable
from lanspread_peer.model.limits import MAX_ADDRESSES_PER_PEER
from lanspread_peer.model.peer import Address


def allowed(host: str, port: int = 26789, *, loopback: bool = False) -> bool:
    return bool(told([Address(host, port)], loopback=loopback))


def told(
    addresses: list[Address], *, loopback: bool = False, own: frozenset[Address] = frozenset()
) -> tuple[Address, ...]:
    """What of another peer's word is dialled."""
    return dialable(addresses, own=own, allow_loopback=loopback, allow_public=False)


@pytest.mark.parametrize("host", ["192.168.1.2", "10.0.0.1", "169.254.1.1", "fd00::1", "fe80::1%2"])
def test_addresses_of_a_local_network_are_dialled(host: str) -> None:
    assert allowed(host)


@pytest.mark.parametrize(
    "host",
    ["8.8.8.8", "2001:4860:4860::8888", "0.0.0.0", "::", "224.0.0.251", "ff02::fb", "a.b", ""],
)
def test_addresses_elsewhere_are_not(host: str) -> None:
    assert not allowed(host)


def test_who_announces_or_calls_is_here_whatever_the_address() -> None:
    here = [Address("8.8.8.8", 26789), Address("224.0.0.251", 26789), Address("127.0.0.1", 26789)]
    kept = dialable(here, own=frozenset(), allow_loopback=False, allow_public=True)
    assert kept == (here[0],)


def test_privileged_ports_are_not_dialled() -> None:
    assert not allowed("192.168.1.2", 1023)
    assert allowed("192.168.1.2", 1024)


def test_loopback_is_dialled_only_when_we_are_confined_to_it() -> None:
    assert not allowed("127.0.0.1")
    assert allowed("127.0.0.1", loopback=True)
    assert allowed("::1", loopback=True)


def test_own_addresses_and_repetitions_are_left_out_and_the_rest_is_bounded() -> None:
    own = Address("10.0.0.1", 5000)
    others = [Address("10.0.0.2", 5000 + number) for number in range(2 * MAX_ADDRESSES_PER_PEER)]
    kept = told([own, others[0], *others], own=frozenset([own]))
    assert kept == tuple(others[:MAX_ADDRESSES_PER_PEER])
