"""Messages on a stream of bytes, as the TLS transport has them.

A frame is a 4-byte big-endian length and that many bytes of one JSON message; after the frame of a
`Data` message come as many raw bytes as it says. Whoever reads gives a bound before anything is
held for what the other end announces.
"""

from lanspread_peer.model.errors import MalformedMessage
from lanspread_peer.wire.codec import encode
from lanspread_peer.wire.messages import Message

LENGTH_BYTES = 4


def encode_frame(message: Message) -> bytes:
    """The message as one frame."""
    body = encode(message)
    return len(body).to_bytes(LENGTH_BYTES, "big") + body


def body_bytes(length: bytes | bytearray, max_bytes: int) -> int:
    """The size of the message after this length; raises MalformedMessage beyond the bound."""
    size = int.from_bytes(length, "big")
    if not 0 < size <= max_bytes:
        raise MalformedMessage(f"expected a frame of 1 to {max_bytes} bytes, got {size}")
    return size


class FrameBuffer:
    """Takes frames in pieces of any length, and gives their messages whole and in order.

    The caller stops adding while `is_full`, so that it never holds more than one frame of
    `max_bytes` and one piece.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._received = bytearray()

    @property
    def is_empty(self) -> bool:
        """Whether nothing has come of the next frame."""
        return not self._received

    @property
    def is_full(self) -> bool:
        """Whether there is a whole frame in any case."""
        return len(self._received) >= LENGTH_BYTES + self._max_bytes

    def add(self, data: bytes) -> None:
        """Take what came."""
        self._received += data

    def take(self) -> bytes | None:
        """The next message's bytes, or None as long as some are missing; raises MalformedMessage.

        After an error nothing more can be taken, as nobody knows where the next frame begins.
        """
        if len(self._received) < LENGTH_BYTES:
            return None
        end = LENGTH_BYTES + body_bytes(self._received[:LENGTH_BYTES], self._max_bytes)
        if len(self._received) < end:
            return None
        body = bytes(self._received[LENGTH_BYTES:end])
        del self._received[:end]
        return body
