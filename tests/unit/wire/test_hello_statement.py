"""What a caller signs: no two meanings have the same bytes."""

from itertools import combinations

from lanspread_peer.model.ids import InstanceId, PeerId
from lanspread_peer.wire.hello_statement import NONCE_BYTES, hello_statement

SERVER, CLIENT = PeerId("a" * 52), PeerId("b" * 52)
INSTANCE = InstanceId("0f" * 16)
NONCE = bytes(range(NONCE_BYTES))


def statement(
    transport: str = "quic",
    server: PeerId = SERVER,
    client: PeerId = CLIENT,
    instance: InstanceId = INSTANCE,
    nonce: bytes = NONCE,
) -> bytes:
    return hello_statement(
        transport=transport, server=server, client=client, instance=instance, nonce=nonce
    )


def test_the_bytes_are_the_parts_in_order_each_after_its_length() -> None:
    expected = (
        b"\x00\x00\x00\x11lanspread-hello-1"
        b"\x00\x00\x00\x04quic"
        + b"\x00\x00\x00\x34"
        + b"a" * 52
        + b"\x00\x00\x00\x34"
        + b"b" * 52
        + b"\x00\x00\x00\x20"
        + b"0f" * 16
        + b"\x00\x00\x00\x20"
        + NONCE
    )
    assert statement() == expected


def test_every_part_changes_the_bytes() -> None:
    statements = [
        statement(),
        statement(transport="tls"),
        statement(server=CLIENT),
        statement(client=SERVER),
        statement(server=CLIENT, client=SERVER),
        statement(instance=InstanceId("0e" * 16)),
        statement(nonce=bytes(NONCE_BYTES)),
    ]
    assert all(one != other for one, other in combinations(statements, 2))


def test_no_part_can_take_bytes_from_its_neighbour() -> None:
    one = statement(transport="quic", server=PeerId("ab"), client=PeerId("c"))
    other = statement(transport="quic", server=PeerId("a"), client=PeerId("bc"))
    assert one != other
