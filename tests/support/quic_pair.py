"""Two QUIC connections joined by function calls: no socket, no clock, nothing lost by chance."""

import ssl
from collections.abc import Callable

from aioquic.quic import events
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from aioquic.quic.stream import QuicStreamSender
from aioquic.tls import CipherSuite
from cryptography.hazmat.primitives.asymmetric import ec

from lanspread_peer.model.limits import QUIC_ANSWER_WINDOW_BYTES, QUIC_CONNECTION_WINDOW_BYTES
from lanspread_peer.transport.certificate import make_certificate
from lanspread_peer.transport.quic_internals import CreditedConnection

CLIENT_ADDRESS = ("192.0.2.1", 1000)
SERVER_ADDRESS = ("192.0.2.2", 2000)

Drop = Callable[[bytes], bool]


def make_key() -> ec.EllipticCurvePrivateKey:
    """A new key of the kind that nodes have."""
    return ec.generate_private_key(ec.SECP256R1())


def configuration(
    *, is_client: bool, alpn: str = "lanspread/1", cipher: CipherSuite | None = None
) -> QuicConfiguration:
    """What the endpoint configures, with datagrams for any path."""
    result = QuicConfiguration(
        alpn_protocols=[alpn],
        cipher_suites=[cipher] if cipher is not None else None,
        is_client=is_client,
        max_data=QUIC_CONNECTION_WINDOW_BYTES,
        max_stream_data=QUIC_ANSWER_WINDOW_BYTES,
        verify_mode=ssl.CERT_NONE,
    )
    if not is_client:
        result.private_key = make_key()
        result.certificate = make_certificate(result.private_key)
    return result


def scatter(sender: QuicStreamSender, count: int) -> None:
    """Have a sender send single bytes with a gap before each."""
    sender.write(bytes(2 * count + 2))
    for index in range(count):
        sender._pending.subtract(2 * index, 2 * index + 1)
    sender._pending.subtract(2 * count, 2 * count + 2)


class QuicPair:
    """A stock client, hostile or not, and a server of ours; or the other way round."""

    def __init__(self, *, stock_server: bool = False, cipher: CipherSuite | None = None) -> None:
        self.now = 0.0
        client_class = CreditedConnection if stock_server else QuicConnection
        server_class = QuicConnection if stock_server else CreditedConnection
        self.client = client_class(configuration=configuration(is_client=True, cipher=cipher))
        self.server = server_class(
            configuration=configuration(is_client=False, cipher=cipher),
            original_destination_connection_id=self.client.original_destination_connection_id,
        )
        self.client.connect(SERVER_ADDRESS, now=self.now)
        self.exchange()

    def exchange(self, *, drop_from_server: Drop | None = None) -> None:
        """Carry datagrams both ways, and let time pass, until neither end says any more."""
        quiet = 0
        while quiet < 3:
            sent = self._carry(self.client, self.server, CLIENT_ADDRESS, None)
            sent += self._carry(self.server, self.client, SERVER_ADDRESS, drop_from_server)
            quiet = 0 if sent else quiet + 1
            self.now += 0.002

    def elapse(self, seconds: float) -> None:
        """Let time pass and the timers fire."""
        self.now += seconds
        for end in (self.client, self.server):
            due = end.get_timer()
            if due is not None and due <= self.now:
                end.handle_timer(now=self.now)

    def _carry(
        self,
        source: QuicConnection,
        target: QuicConnection,
        address: tuple[str, int],
        drop: Drop | None,
    ) -> int:
        datagrams = source.datagrams_to_send(now=self.now)
        for datagram, _ in datagrams:
            if drop is None or not drop(datagram):
                target.receive_datagram(datagram, address, now=self.now)
        return len(datagrams)


def drain(end: QuicConnection) -> list[events.QuicEvent]:
    """All events that wait."""
    found: list[events.QuicEvent] = []
    while (event := end.next_event()) is not None:
        found.append(event)
    return found


def received_bytes(end: QuicConnection) -> int:
    """How many bytes of streams came in the events that wait."""
    return sum(len(e.data) for e in drain(end) if isinstance(e, events.StreamDataReceived))
