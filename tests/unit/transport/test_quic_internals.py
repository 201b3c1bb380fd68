"""One test for each private part of aioquic that we use: a version that moves one turns it red."""

import logging

import pytest
from aioquic.quic.connection import QuicConnection
from aioquic.quic.packet import QuicErrorCode, QuicPreferredAddress
from aioquic.tls import Epoch

from lanspread_peer.model.limits import (
    KIB,
    MAX_REQUEST_GAPS,
    MAX_STREAM_GAPS,
    MAX_STREAMS_PER_CONNECTION,
    QUIC_ANSWER_WINDOW_BYTES,
    QUIC_CONNECTION_WINDOW_BYTES,
    QUIC_REQUEST_WINDOW_BYTES,
)
from lanspread_peer.transport.quic_internals import CreditedConnection
from support.quic_pair import (
    CLIENT_ADDRESS,
    SERVER_ADDRESS,
    QuicPair,
    drain,
    received_bytes,
    scatter,
)


def ours(end: QuicConnection) -> CreditedConnection:
    assert isinstance(end, CreditedConnection)
    return end


def unlimited(end: QuicConnection, stream_id: int) -> None:
    """Make a hostile end that knows no flow control."""
    end._remote_max_data = 1 << 40
    end._streams[stream_id].max_stream_data_remote = 1 << 40


def answered_pair() -> QuicPair:
    """A client of ours with one request out, which the stock server may answer on stream 0."""
    pair = QuicPair(stock_server=True)
    pair.client.send_stream_data(0, b"please", end_stream=True)
    pair.exchange()
    drain(pair.client)
    drain(pair.server)
    return pair


def test_what_nobody_takes_is_never_more_than_the_stream_window() -> None:
    pair = answered_pair()
    pair.server.send_stream_data(0, bytes(3 * QUIC_ANSWER_WINDOW_BYTES))
    pair.exchange()
    assert received_bytes(pair.client) == QUIC_ANSWER_WINDOW_BYTES


def test_taking_bytes_lets_exactly_as_many_follow() -> None:
    pair = answered_pair()
    pair.server.send_stream_data(0, bytes(3 * QUIC_ANSWER_WINDOW_BYTES))
    pair.exchange()
    received_bytes(pair.client)
    assert ours(pair.client).take(0, 100 * KIB)
    pair.exchange()
    assert received_bytes(pair.client) == 100 * KIB


def test_credit_too_small_to_tell_is_not_told_until_it_adds_up() -> None:
    pair = answered_pair()
    pair.server.send_stream_data(0, bytes(2 * QUIC_ANSWER_WINDOW_BYTES))
    pair.exchange()
    received_bytes(pair.client)
    assert not ours(pair.client).take(0, 20 * KIB)
    pair.exchange()
    assert received_bytes(pair.client) == 0
    assert ours(pair.client).take(0, 20 * KIB)
    pair.exchange()
    assert received_bytes(pair.client) == 40 * KIB


def test_a_lost_credit_frame_is_sent_again() -> None:
    pair = answered_pair()
    pair.server.send_stream_data(0, bytes(2 * QUIC_ANSWER_WINDOW_BYTES))
    pair.exchange()
    received_bytes(pair.client)
    ours(pair.client).take(0, 100 * KIB)
    assert pair.client.datagrams_to_send(now=pair.now)
    for _ in range(20):
        pair.elapse(0.2)
        pair.exchange()
    assert received_bytes(pair.client) == 100 * KIB


def test_the_connection_window_bounds_all_streams_together() -> None:
    pair = QuicPair(stock_server=True)
    streams = range(0, 4 * 12, 4)
    for stream_id in streams:
        pair.client.send_stream_data(stream_id, b"please", end_stream=True)
    pair.exchange()
    for stream_id in streams:
        pair.server.send_stream_data(stream_id, bytes(2 * QUIC_ANSWER_WINDOW_BYTES))
    pair.exchange()
    assert received_bytes(pair.client) == QUIC_CONNECTION_WINDOW_BYTES
    ours(pair.client).take_connection(64 * KIB)
    pair.exchange()
    assert received_bytes(pair.client) == 64 * KIB
    ours(pair.client).take(0, 48 * KIB)
    pair.exchange()
    assert received_bytes(pair.client) == 48 * KIB


def test_a_stream_that_a_peer_opens_gets_the_window_of_a_request() -> None:
    pair = QuicPair()
    pair.client.send_stream_data(0, bytes(QUIC_ANSWER_WINDOW_BYTES))
    pair.exchange()
    assert received_bytes(pair.server) == QUIC_REQUEST_WINDOW_BYTES


def test_a_sender_that_ignores_its_credit_is_cut_off() -> None:
    pair = QuicPair()
    pair.client.send_stream_data(0, bytes(2 * QUIC_REQUEST_WINDOW_BYTES))
    unlimited(pair.client, 0)
    pair.exchange()
    ended = ours(pair.server).termination
    assert ended is not None
    assert ended.error_code == QuicErrorCode.FLOW_CONTROL_ERROR
    assert received_bytes(pair.server) <= QUIC_REQUEST_WINDOW_BYTES


def test_a_far_offset_is_refused_instead_of_filled_with_zeros() -> None:
    pair = QuicPair()
    pair.client.send_stream_data(0, b"a")
    pair.exchange()
    unlimited(pair.client, 0)
    sender = pair.client._streams[0].sender
    sender._buffer_start = sender._buffer_stop = 1 << 34
    sender.write(b"far")
    pair.exchange()
    ended = ours(pair.server).termination
    assert ended is not None
    assert ended.error_code == QuicErrorCode.FLOW_CONTROL_ERROR


@pytest.mark.parametrize(
    ("gaps", "accepted"), [(MAX_REQUEST_GAPS, True), (MAX_REQUEST_GAPS + 1, False)]
)
def test_a_request_in_too_many_bits_ends_the_connection(gaps: int, accepted: bool) -> None:
    pair = QuicPair()
    pair.client.send_stream_data(0, b"")
    scatter(pair.client._streams[0].sender, gaps)
    pair.exchange()
    ended = ours(pair.server).termination
    assert (ended is None) is accepted
    assert ended is None or ours(pair.server).is_breach(ended)


@pytest.mark.parametrize(
    ("gaps", "accepted"), [(MAX_STREAM_GAPS, True), (MAX_STREAM_GAPS + 1, False)]
)
def test_an_answer_in_too_many_bits_ends_the_connection(gaps: int, accepted: bool) -> None:
    pair = answered_pair()
    pair.server.send_stream_data(0, b"")
    scatter(pair.server._streams[0].sender, gaps)
    pair.exchange()
    assert (ours(pair.client).termination is None) is accepted


def test_a_handshake_in_too_many_bits_ends_the_connection() -> None:
    pair = QuicPair()
    sender = pair.client._crypto_streams[Epoch.ONE_RTT].sender
    scatter(sender, MAX_REQUEST_GAPS + 1)
    pair.exchange()
    assert ours(pair.server).termination is not None


def test_to_say_goodbye_is_no_breach() -> None:
    pair = QuicPair()
    pair.client.close(reason_phrase="goodbye")
    pair.exchange()
    ended = ours(pair.server).termination
    assert ended is not None
    assert not ours(pair.server).is_breach(ended)


def test_what_the_other_end_calls_a_breach_is_none_of_its_own() -> None:
    pair = QuicPair(stock_server=True)
    pair.client._remote_max_streams_bidi = 1 << 20
    pair.client.send_stream_data(1 << 16, b"x")
    pair.client._streams[1 << 16].max_stream_data_remote = 100
    pair.exchange()
    ended = ours(pair.client).termination
    assert ended is not None
    assert ended.error_code == QuicErrorCode.STREAM_LIMIT_ERROR
    assert not ours(pair.client).is_breach(ended)


def test_a_peer_may_open_so_many_streams_at_once_and_more_when_they_end() -> None:
    pair = QuicPair()
    for index in range(MAX_STREAMS_PER_CONNECTION + 5):
        pair.client.send_stream_data(4 * index, b"x", end_stream=True)
    pair.exchange()
    assert received_bytes(pair.server) == MAX_STREAMS_PER_CONNECTION
    for index in range(MAX_STREAMS_PER_CONNECTION):
        pair.server.send_stream_data(4 * index, b"y", end_stream=True)
    pair.exchange()
    assert received_bytes(pair.server) == 5


def test_one_stream_more_than_allowed_ends_the_connection() -> None:
    pair = QuicPair()
    pair.client._remote_max_streams_bidi = MAX_STREAMS_PER_CONNECTION + 1
    pair.client.send_stream_data(4 * MAX_STREAMS_PER_CONNECTION, b"x")
    pair.client._streams[4 * MAX_STREAMS_PER_CONNECTION].max_stream_data_remote = 100
    pair.exchange()
    ended = ours(pair.server).termination
    assert ended is not None
    assert ended.error_code == QuicErrorCode.STREAM_LIMIT_ERROR


def test_a_unidirectional_stream_ends_the_connection() -> None:
    pair = QuicPair()
    pair.client._remote_max_streams_uni = 1
    pair.client._remote_max_stream_data_uni = 100
    pair.client.send_stream_data(2, b"x")
    pair.exchange()
    ended = ours(pair.server).termination
    assert ended is not None
    assert ended.error_code == QuicErrorCode.STREAM_LIMIT_ERROR


def test_our_end_knows_how_many_streams_it_may_open() -> None:
    pair = QuicPair(stock_server=True)
    client = ours(pair.client)
    client._remote_max_streams_bidi = 1
    assert client.can_open_stream()
    client.send_stream_data(0, b"x", end_stream=True)
    assert not client.can_open_stream()


def test_unacknowledged_bytes_count_what_was_written_until_it_is_acknowledged() -> None:
    pair = QuicPair(stock_server=True)
    client = ours(pair.client)
    client.send_stream_data(0, bytes(5000))
    assert client.unacknowledged_bytes(0) == 5000
    client.datagrams_to_send(now=pair.now)
    assert client.unacknowledged_bytes(0) == 5000
    for _ in range(20):
        pair.elapse(0.2)
        pair.exchange()
    assert client.unacknowledged_bytes(0) == 0
    assert client.unacknowledged_bytes(400) == 0


def test_a_stream_is_discarded_once_both_ends_acknowledged_it() -> None:
    pair = answered_pair()
    client = ours(pair.client)
    assert not client.is_discarded(0)
    pair.server.send_stream_data(0, b"answer", end_stream=True)
    pair.exchange()
    assert client.is_discarded(0)


def test_a_reset_stream_tells_what_it_used_of_the_credit_and_never_delivered() -> None:
    pair = answered_pair()
    client = ours(pair.client)
    pair.server.send_stream_data(0, bytes(1000))
    pair.exchange()
    assert received_bytes(client) == 1000
    assert client.undelivered_bytes(0) == 0
    # The server counts 500 bytes as sent that are never to arrive.
    pair.server._streams[0].sender.highest_offset = 1500
    pair.server.reset_stream(0, 3)
    for datagram, _ in pair.server.datagrams_to_send(now=pair.now):
        client.receive_datagram(datagram, SERVER_ADDRESS, now=pair.now)
    assert client.undelivered_bytes(0) == 500
    assert client.undelivered_bytes(400) == 0


def test_stopping_a_stream_has_the_other_end_cut_it() -> None:
    pair = answered_pair()
    client = ours(pair.client)
    pair.server.send_stream_data(0, bytes(3 * QUIC_ANSWER_WINDOW_BYTES))
    client.stop(0, 6)
    pair.exchange()
    assert client.is_discarded(0)
    client.stop(0, 6)
    assert client.termination is None


def test_the_certificate_of_the_server_is_known_after_the_handshake() -> None:
    pair = QuicPair(stock_server=True)
    assert ours(pair.client).peer_certificate() == pair.server.configuration.certificate


def test_the_end_of_a_connection_is_known_at_once_on_both_ends() -> None:
    pair = QuicPair()
    server = ours(pair.server)
    assert not server.termination
    pair.client.close(error_code=0, reason_phrase="bye")
    for datagram, _ in pair.client.datagrams_to_send(now=pair.now):
        server.receive_datagram(datagram, CLIENT_ADDRESS, now=pair.now)
    assert server.termination is not None
    assert server.termination.reason_phrase == "bye"


def test_a_sender_may_catch_up_on_two_milliseconds_but_not_hold_the_loop() -> None:
    pacer = CreditedConnection(configuration=QuicPair().client.configuration)._loss._pacer

    def burst(window: int) -> int:
        pacer.update_rate(congestion_window=window, smoothed_rtt=0.002)
        pacer.bucket_time = 0.0
        now = pacer.evaluation_time + 1.0
        sent = 0
        while pacer.next_send_time(now=now) is None:
            pacer.update_after_send(now=now)
            sent += 1
        return sent

    assert 49 <= burst(50 * 1200) <= 51
    assert 64 <= burst(1000 * 1200) <= 65


def test_a_server_cannot_send_its_client_to_another_address() -> None:
    pair = QuicPair(stock_server=True)
    pair.client._remote_preferred_address = QuicPreferredAddress(
        ipv4_address=("192.0.2.99", 7),
        ipv6_address=None,
        connection_id=bytes(8),
        stateless_reset_token=bytes(16),
    )
    pair.client.send_stream_data(0, b"x")
    sent = pair.client.datagrams_to_send(now=pair.now)
    assert {address for _, address in sent} == {SERVER_ADDRESS}


def test_the_library_cannot_fill_the_log() -> None:
    assert not logging.getLogger("quic").isEnabledFor(logging.ERROR)
