"""One end of a TLS session, without a socket: encrypted bytes in and out, plain bytes out and in.

One call of the system takes a whole record; a TLS socket of the ssl module reads each record of
16 KiB in two. A session is used by one thread at a time. It raises only errors of the tree.
"""

import ssl

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from lanspread_peer.model.errors import (
    ConnectionLost,
    IdentityMismatch,
    LanspreadError,
    MalformedMessage,
)
from lanspread_peer.model.limits import KIB

# A record for each call of the system, and little for each stranger that connects.
_READ_BYTES = 16 * KIB


class TlsSession:
    """Feed it what came, and send what is in `take_outgoing` after each other call."""

    def __init__(self, context: ssl.SSLContext, *, is_server: bool) -> None:
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._room = memoryview(bytearray(_READ_BYTES))
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=is_server)

    def shake_hands(self) -> bool:
        """Whether the handshake is done; raises ConnectionLost or MalformedMessage."""
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        except ssl.SSLError as error:
            raise _error_of(error) from error
        return True

    @property
    def is_empty(self) -> bool:
        """Whether all was read but a part of a record, which OpenSSL keeps to itself."""
        return not self._incoming.pending and not self._tls.pending()

    def room(self) -> memoryview:
        """See Session."""
        return self._room

    def came(self, count: int) -> None:
        """See Session."""
        self._incoming.write(self._room[:count])

    def take_outgoing(self) -> bytes:
        """What is to be sent to the other end now."""
        return self._outgoing.read()

    def read_into(self, view: memoryview) -> int:
        """As many plain bytes as there are and fit; 0 when more must be fed first.

        Raises ConnectionLost at the end, MalformedMessage when the bytes are not TLS.
        """
        filled, size = 0, len(view)
        try:
            # A record at a time, as OpenSSL gives them; here, because each call costs.
            while filled < size:
                count: int = self._tls.read(size - filled, view[filled:])  # type: ignore[assignment]
                if not count:
                    raise ConnectionLost("the other end closed the connection")
                filled += count
        except ssl.SSLWantReadError:
            return filled
        except ssl.SSLError as error:
            raise _error_of(error) from error
        return filled

    def write(self, data: bytes | memoryview) -> None:
        """Encrypt all of it; raises ConnectionLost or MalformedMessage."""
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[self._tls.write(rest) :]
        except ssl.SSLError as error:
            raise _error_of(error) from error

    def certificate(self) -> x509.Certificate:
        """The other end's, whose key it proved to have, once hands are shaken.

        Raises IdentityMismatch when there is none, or none whose key can be read.
        """
        der = self._tls.getpeercert(binary_form=True)
        try:
            certificate = x509.load_der_x509_certificate(der or b"")
            certificate.public_key()
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise IdentityMismatch("the certificate is malformed") from error
        return certificate


def _error_of(error: ssl.SSLError) -> LanspreadError:
    if isinstance(error, ssl.SSLZeroReturnError | ssl.SSLEOFError):
        return ConnectionLost("the other end closed the connection")
    return MalformedMessage(f"not TLS as we speak it: {error.reason or error}")
