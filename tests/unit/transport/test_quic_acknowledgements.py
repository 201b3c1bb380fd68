"""When a packet is acknowledged: alone with what goes the same way, in company at once."""

from aioquic._buffer import Buffer
from aioquic.quic.connection import QuicConnection
from aioquic.quic.packet import pull_quic_transport_parameters
from aioquic.tls import Epoch

from lanspread_peer.transport.quic_acknowledgements import _ALONE_S, _LONGEST_MS
from lanspread_peer.transport.quic_internals import CreditedConnection
from support.quic_pair import CLIENT_ADDRESS, SERVER_ADDRESS, QuicPair

STREAM = 0


class Listener:
    """A server of ours that has nothing to acknowledge, and what its stock client hears of it."""

    def __init__(self) -> None:
        self.pair = QuicPair()
        self.server = self.pair.server
        assert isinstance(self.server, CreditedConnection)
        self.client = self.pair.client
        self.client.send_stream_data(STREAM, b"please")
        for _ in range(3):
            self.pair.exchange()
            self.wait(1.0)
        assert self.client._loss.bytes_in_flight == 0

    def hear(self, packets: int = 1) -> None:
        """So many packets of stream data come, each alone in a datagram."""
        for _ in range(packets):
            self.client.send_stream_data(STREAM, b"news")
            self.carry()

    def carry(self) -> None:
        """The server gets what its client has to send."""
        for datagram, _ in self.client.datagrams_to_send(now=self.pair.now):
            self.server.receive_datagram(datagram, CLIENT_ADDRESS, now=self.pair.now)

    def wait(self, seconds: float) -> None:
        """Let time pass at the server, which answers what is due then."""
        self.pair.now += seconds
        due = self.server.get_timer()
        if due is not None and due <= self.pair.now:
            self.server.handle_timer(now=self.pair.now)
        self.answer()

    def answer(self) -> int:
        """The server sends what it has to; how many datagrams that are."""
        sent = self.server.datagrams_to_send(now=self.pair.now)
        for datagram, _ in sent:
            self.client.receive_datagram(datagram, SERVER_ADDRESS, now=self.pair.now)
        return len(sent)

    @property
    def is_heard(self) -> bool:
        """Whether the client knows that all it sent has come."""
        return self.client._loss.bytes_in_flight == 0


def test_a_packet_that_came_alone_is_acknowledged_late() -> None:
    listener = Listener()
    listener.hear()
    listener.wait(_ALONE_S * 0.9)
    assert not listener.is_heard
    listener.wait(_ALONE_S * 0.2)
    assert listener.is_heard


def test_what_goes_the_same_way_carries_the_acknowledgement() -> None:
    listener = Listener()
    listener.hear()
    listener.server.send_stream_data(STREAM, b"news of ours")
    assert listener.answer() == 1
    assert listener.is_heard


def test_a_second_packet_has_both_acknowledged_as_fast_as_the_library_does() -> None:
    listener = Listener()
    listener.hear(packets=2)
    listener.wait(2 * listener.server._ack_delay)
    assert listener.is_heard


def test_a_packet_that_comes_twice_hurries_nothing() -> None:
    listener = Listener()
    listener.client.send_stream_data(STREAM, b"news")
    for datagram, _ in 2 * listener.client.datagrams_to_send(now=listener.pair.now):
        listener.server.receive_datagram(datagram, CLIENT_ADDRESS, now=listener.pair.now)
    listener.wait(_ALONE_S * 0.9)
    assert not listener.is_heard


def test_more_packets_do_not_put_off_the_acknowledgement() -> None:
    listener = Listener()
    listener.hear()
    listener.pair.now += _ALONE_S * 0.999
    listener.hear()
    listener.wait(_ALONE_S * 0.002)
    assert listener.is_heard


def test_the_other_end_is_told_how_long_it_may_take_and_all_else_as_before() -> None:
    pair = QuicPair()
    assert pair.client._loss.max_ack_delay == _LONGEST_MS / 1000
    ours = pair.server._serialize_transport_parameters()
    told = pull_quic_transport_parameters(Buffer(data=ours))
    stock = QuicConnection._serialize_transport_parameters(pair.server)
    told.max_ack_delay = 25
    assert told == pull_quic_transport_parameters(Buffer(data=stock))


def test_an_event_loop_may_be_late_by_as_much_as_the_other_end_allows_for() -> None:
    assert _LONGEST_MS / 1000 - _ALONE_S >= 0.02


def test_a_handshake_waits_for_nothing() -> None:
    pair = QuicPair(stock_server=True)
    assert pair.now < _ALONE_S
    assert pair.client._handshake_confirmed
    assert pair.server._handshake_confirmed


def test_the_space_of_data_is_the_one_that_waits() -> None:
    listener = Listener()
    listener.hear()
    assert listener.server._spaces[Epoch.ONE_RTT].ack_at == listener.pair.now + _ALONE_S
