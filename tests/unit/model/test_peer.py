"""Addresses are parsed strictly and shown so that they parse again."""

import pytest

from lanspread_peer.model.errors import InvalidField
from lanspread_peer.model.ids import PeerId
from lanspread_peer.model.peer import (
    Address,
    PeerState,
    PeerStatus,
    is_link_local_v6,
    is_loopback,
    parse_ip,
    split_host_port,
)


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("192.168.0.7:26789", "192.168.0.7", 26789),
        ("tower.local:1", "tower.local", 1),
        ("[::1]:65535", "::1", 65535),
        ("[fe80::1%eth0]:80", "fe80::1%eth0", 80),
        (" host:80 ", "host", 80),
        ("host:00080", "host", 80),
    ],
)
def test_a_host_and_a_port_are_told_apart(text: str, host: str, port: int) -> None:
    assert split_host_port(text, "peer") == (host, port)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "host",
        ":80",
        "host:",
        "host:x",
        "host:-1",
        "host:+1",
        "host:0",
        "host:65536",
        "::1:80",
        "[]:80",
        "[::1]",
        "host: 80",
        "host:\u0661",
        "host:1_0",
    ],
)
def test_anything_else_names_the_field(text: str) -> None:
    with pytest.raises(InvalidField) as caught:
        split_host_port(text, "peer")
    assert caught.value.field == "peer"


def test_a_port_of_absurd_length_is_refused_like_any_other() -> None:
    with pytest.raises(InvalidField):
        split_host_port("host:" + "9" * 10_000, "peer")


@pytest.mark.parametrize(
    ("text", "canonical"),
    [("127.0.0.1", "127.0.0.1"), ("0:0::1", "::1"), ("FE80::1%eth0", "fe80::1%eth0")],
)
def test_an_ip_address_has_one_form(text: str, canonical: str) -> None:
    assert parse_ip(text, "bind") == canonical


@pytest.mark.parametrize(
    "text", ["", "host", "1.2.3", "1.2.3.256", "127.0.0.01", "::1/64", "[::1]"]
)
def test_what_is_no_ip_address_is_refused(text: str) -> None:
    with pytest.raises(InvalidField, match="bind"):
        parse_ip(text, "bind")


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("fe80::1", True),
        ("fe80::1%2", True),
        ("::1", False),
        ("fd00::1", False),
        ("169.254.0.1", False),
        ("x", False),
    ],
)
def test_only_link_local_ipv6_needs_a_scope(host: str, expected: bool) -> None:
    assert is_link_local_v6(host) is expected


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("10.0.0.1", False),
        ("localhost", False),
        ("", False),
    ],
)
def test_only_a_loopback_address_is_one(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


@pytest.mark.parametrize("address", [Address("10.0.0.1", 7), Address("fe80::1%eth0", 7)])
def test_an_address_reads_back_from_its_text(address: Address) -> None:
    assert Address(*split_host_port(str(address), "peer")) == address


def test_of_an_unseen_peer_nothing_but_its_id_is_told() -> None:
    status = PeerStatus.unseen(PeerId("a" * 52))
    assert (status.state, status.address, status.blocked) == (PeerState.LOST, None, False)
