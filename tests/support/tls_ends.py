"""Both ends of a TLS session in memory."""

import ssl

from lanspread_peer.transport.tls_session import TlsSession


def shaken(server: ssl.SSLContext, client: ssl.SSLContext) -> tuple[TlsSession, TlsSession]:
    """The client's and the server's end of a session, after their handshake."""
    ends = TlsSession(client, is_server=False), TlsSession(server, is_server=True)
    for _ in range(4):
        for one, other in (ends, ends[::-1]):
            one.shake_hands()
            feed(other, one.take_outgoing())
    return ends


def feed(session: TlsSession, data: bytes) -> None:
    """Give it what came from the other end."""
    session.room()[: len(data)] = data
    session.came(len(data))
