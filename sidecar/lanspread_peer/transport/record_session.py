"""What follows the greeting on a bulk connection: large records, by keys that TLS brought over.

A record of TLS has 16 KiB at most, and each costs Python several calls; one of these holds a whole
slice. Either end gives 32 random bytes in its Hello or HelloAck, inside TLS: so the keys are as
fresh and as secret as that session, and good for these two peers only.

A record is a length, 4 bytes big-endian, and so many bytes: ciphertext and tag of AES-256-GCM (NIST
SP 800-38D). Its nonce is its number in its direction, its associated data the length, and each
direction has a key. So nothing can be changed, repeated, left out or sent back unnoticed, and
whoever expects more notices a cut. A session is used by one thread at a time.
"""

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from lanspread_peer.model.errors import MalformedMessage
from lanspread_peer.model.limits import MAX_RECORD_BYTES, MAX_REQUEST_RECORD_BYTES
from lanspread_peer.wire.messages import Hello, HelloAck

LENGTH_BYTES = 4
TAG_BYTES = 16
_NONCE_BYTES = 12
_KEY_BYTES = 32


class RecordSession:
    """One end of it; a Session. Both messages have a `record_secret`, and a peer id that is proven.

    Whoever only answers takes no larger records than a request needs.
    """

    def __init__(self, hello: Hello, ack: HelloAck, *, is_dialler: bool) -> None:
        ours, theirs = ("dialler", "listener") if is_dialler else ("listener", "dialler")
        self._sealing, self._opening = _cipher(hello, ack, ours), _cipher(hello, ack, theirs)
        asks = is_dialler != hello.dials_back
        self._max_bytes = TAG_BYTES + (MAX_RECORD_BYTES if asks else MAX_REQUEST_RECORD_BYTES)
        self._sealed_count = self._opened_count = 0
        self._outgoing: list[bytearray] = []
        # The record that comes, from its length on, and how much of that is here. Its size is that
        # after the length, and 0 as long as it is not known.
        self._incoming = memoryview(bytearray(LENGTH_BYTES))
        self._filled = 0
        self._size = 0
        # What was opened and did not fit where it was wanted.
        self._rest = memoryview(b"")

    def room(self) -> memoryview:
        """See Session."""
        self._look_at_length()
        wanted = LENGTH_BYTES
        if self._size:
            # The length of the next record has mostly come too: a call less for each.
            wanted += self._size + LENGTH_BYTES
        if len(self._incoming) < wanted:
            grown = memoryview(bytearray(wanted))
            grown[: self._filled] = self._incoming[: self._filled]
            self._incoming = grown
        return self._incoming[self._filled : wanted]

    def came(self, count: int) -> None:
        """See Session."""
        self._filled += count

    def read_into(self, view: memoryview) -> int:
        """As many bytes of one record as fit, or 0 when some of it must come first.

        Raises MalformedMessage for a length that cannot be, and when the record is not the next one
        that the other end sealed; then what is in the view is worth nothing.
        """
        if not self._rest:
            self._look_at_length()
            if not self._size or self._filled < LENGTH_BYTES + self._size:
                return 0
            count = self._size - TAG_BYTES
            if count <= len(view):
                self._open_into(view[:count])
                return count
            rest = memoryview(bytearray(count))
            self._open_into(rest)
            self._rest = rest
        count = min(len(view), len(self._rest))
        view[:count] = self._rest[:count]
        # An empty part of it would keep the whole.
        self._rest = self._rest[count:] if count < len(self._rest) else memoryview(b"")
        return count

    def write(self, data: bytes | memoryview) -> None:
        """Seal all of it."""
        view = memoryview(data)
        for start in range(0, len(view), MAX_RECORD_BYTES):
            self._seal(view[start : start + MAX_RECORD_BYTES])

    def take_outgoing(self) -> bytes | bytearray:
        """What is to be sent to the other end now."""
        outgoing, self._outgoing = self._outgoing, []
        return outgoing[0] if len(outgoing) == 1 else b"".join(outgoing)

    def _look_at_length(self) -> None:
        if self._size or self._filled < LENGTH_BYTES:
            return
        size = int.from_bytes(self._incoming[:LENGTH_BYTES], "big")
        if not TAG_BYTES < size <= self._max_bytes:
            raise MalformedMessage(
                f"expected a record of {TAG_BYTES + 1} to {self._max_bytes} bytes, got {size}"
            )
        self._size = size

    def _open_into(self, view: memoryview) -> None:
        end = LENGTH_BYTES + self._size
        length, sealed = self._incoming[:LENGTH_BYTES], self._incoming[LENGTH_BYTES:end]
        try:
            self._opening.decrypt_into(_nonce(self._opened_count), sealed, length, view)
        except InvalidTag as error:
            raise MalformedMessage("a record is not the one that was sent") from error
        self._opened_count += 1
        next_length = self._incoming[end : self._filled]
        self._filled, self._size = len(next_length), 0
        if self._filled < LENGTH_BYTES:
            # Nothing follows yet, and who is idle shall hold no memory.
            self._incoming = memoryview(bytearray(LENGTH_BYTES))
        self._incoming[: self._filled] = next_length

    def _seal(self, view: memoryview) -> None:
        size = len(view) + TAG_BYTES
        record = bytearray(LENGTH_BYTES + size)
        record[:LENGTH_BYTES] = length = size.to_bytes(LENGTH_BYTES, "big")
        sealed = memoryview(record)[LENGTH_BYTES:]
        self._sealing.encrypt_into(_nonce(self._sealed_count), view, length, sealed)
        self._sealed_count += 1
        self._outgoing.append(record)


def _cipher(hello: Hello, ack: HelloAck, sender: str) -> AESGCM:
    # RFC 5869; the secret is random already, and this makes of it a key for one purpose.
    secret = bytes.fromhex(hello.record_secret + ack.record_secret)
    info = f"lanspread-records-1 {sender} {hello.peer_id} {ack.peer_id}".encode("ascii")
    return AESGCM(HKDF(SHA256(), _KEY_BYTES, salt=None, info=info).derive(secret))


def _nonce(number: int) -> bytes:
    return number.to_bytes(_NONCE_BYTES, "big")
