"""What a caller signs to prove who it is: bound to one transport, one server and one nonce.

Nothing in it can be moved elsewhere: each part has its length in front, so that no two lists of
parts give the same bytes, and the server's id and nonce make the proof worthless to any other.
"""

from lanspread_peer.model.ids import InstanceId, PeerId

NONCE_BYTES = 32

_LABEL = b"lanspread-hello-1"
_LENGTH_BYTES = 4


def hello_statement(
    *, transport: str, server: PeerId, client: PeerId, instance: InstanceId, nonce: bytes
) -> bytes:
    """The bytes under a Hello's signature: six parts, each after its length in big-endian."""
    texts = (transport, server, client, instance)
    parts = (_LABEL, *(text.encode("utf-8") for text in texts), nonce)
    return b"".join(len(part).to_bytes(_LENGTH_BYTES, "big") + part for part in parts)
