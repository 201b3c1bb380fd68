"""What a connection keeps of its handshake: nothing, and nothing that comes later misses it."""

import pytest
from aioquic._buffer import Buffer
from aioquic.quic.connection import QuicConnection
from aioquic.tls import Epoch, NewSessionTicket, push_new_session_ticket

from lanspread_peer.model.limits import KIB
from lanspread_peer.transport.quic_internals import CreditedConnection
from support.quic_pair import CLIENT_ADDRESS, Drop, QuicPair, drain, received_bytes


def ours(end: QuicConnection) -> CreditedConnection:
    assert isinstance(end, CreditedConnection)
    return end


def answered_pair() -> QuicPair:
    """A client of ours with one request out, which the stock server may answer on stream 0."""
    pair = QuicPair(stock_server=True)
    pair.client.send_stream_data(0, b"please", end_stream=True)
    pair.exchange()
    drain(pair.client)
    drain(pair.server)
    return pair


@pytest.mark.parametrize("stock_server", [True, False])
def test_what_only_a_handshake_needs_goes_with_it(stock_server: bool) -> None:
    pair = QuicPair(stock_server=stock_server)
    end, other = (pair.client, pair.server) if stock_server else (pair.server, pair.client)
    assert other._crypto_buffers
    assert not ours(end)._crypto_buffers
    keys = (end.tls._ec_private_keys, end.tls._x25519_private_key, end.tls._x448_private_key)
    assert not any(keys)


class PairOnTape(QuicPair):
    """Keeps all that was sent to each end."""

    def _carry(
        self,
        source: QuicConnection,
        target: QuicConnection,
        address: tuple[str, int],
        _drop: Drop | None,
    ) -> int:
        sent = source.datagrams_to_send(now=self.now)
        vars(target).setdefault("tape", []).extend(datagram for datagram, _ in sent)
        for datagram, _ in sent:
            target.receive_datagram(datagram, address, now=self.now)
        return len(sent)


@pytest.mark.parametrize("stock_server", [True, False])
def test_a_handshake_that_comes_again_when_it_is_over_harms_nothing(stock_server: bool) -> None:
    pair = PairOnTape(stock_server=stock_server)
    end, other = (pair.client, pair.server) if stock_server else (pair.server, pair.client)
    tape = list(vars(end)["tape"])
    assert len(tape) > 2
    for datagram in tape:
        end.receive_datagram(datagram, CLIENT_ADDRESS, now=pair.now)
    drain(end)
    other.send_stream_data(other.get_next_available_stream_id(), b"please", end_stream=True)
    pair.exchange()
    assert received_bytes(end) == len(b"please")
    assert ours(end).termination is None
    other.close()
    pair.exchange()
    pair.elapse(60)
    assert ours(end).termination is not None


def test_what_a_server_says_in_a_handshake_that_is_over_harms_nothing() -> None:
    pair = answered_pair()
    said = Buffer(capacity=KIB)
    ticket = NewSessionTicket(ticket_lifetime=60, ticket_nonce=b"n", ticket=b"ticket")
    push_new_session_ticket(said, ticket)
    pair.server._crypto_streams[Epoch.ONE_RTT].sender.write(said.data)
    pair.server.send_stream_data(0, b"answer")
    pair.exchange()
    assert pair.client.tls._receive_buffer == b""
    assert pair.client._crypto_streams[Epoch.ONE_RTT].receiver.starting_offset() == said.tell()
    assert received_bytes(pair.client) == len(b"answer")
    assert ours(pair.client).termination is None


def test_keys_are_renewed_without_what_the_handshake_left() -> None:
    pair = answered_pair()
    for end in (pair.client, pair.server):
        end.request_key_update()
        end.send_ping(1)
        pair.exchange()
    pair.server.send_stream_data(0, b"answer")
    pair.exchange()
    assert received_bytes(pair.client) == len(b"answer")


def test_what_is_equal_for_all_connections_is_there_once() -> None:
    one, other = (
        [phases for _, phases in vars(pair.client)["_QuicConnection__frame_handlers"].values()]
        for pair in (QuicPair(stock_server=True), QuicPair(stock_server=True))
    )
    assert len(one) > 20
    assert all(phases is same for phases, same in zip(one, other, strict=True))
