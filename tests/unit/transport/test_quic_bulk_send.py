"""The short way out: what goes by it arrives whole, and within every bound of the library's way."""

from random import Random

import pytest
from aioquic._buffer import Buffer
from aioquic.quic.events import StreamDataReceived
from aioquic.quic.packet_builder import QuicPacketBuilder
from aioquic.quic.recovery import QuicPacketPacer
from aioquic.tls import CipherSuite, Epoch

from lanspread_peer.model.limits import KIB
from lanspread_peer.transport import quic_bulk_send
from lanspread_peer.transport.quic_bulk_send import _due_packets, _integer, _note_sent
from lanspread_peer.transport.quic_internals import CreditedConnection
from support.quic_pair import CLIENT_ADDRESS, SERVER_ADDRESS, QuicPair, drain

STREAMS = (0, 4, 8)
SIZE = 1200


class Upload:
    """A server of ours that answers a stock client, and counts what goes the short way."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, pair: QuicPair | None = None) -> None:
        self.pair = pair or QuicPair()
        self.server = self.pair.server
        self.received = {stream_id: bytearray() for stream_id in STREAMS}
        self.ended: set[int] = set()
        self.runs: list[quic_bulk_send._Run] = []
        assert isinstance(self.server, CreditedConnection)
        build = self.server._build

        def counted(builder: QuicPacketBuilder, run: quic_bulk_send._Run) -> None:
            self.runs.append(run)
            build(builder, run)

        monkeypatch.setattr(self.server, "_build", counted)
        for stream_id in STREAMS:
            self.pair.client.send_stream_data(stream_id, b"please", end_stream=True)
        self.pair.exchange()
        self.collect()

    def collect(self) -> None:
        for event in drain(self.pair.client):
            if isinstance(event, StreamDataReceived):
                self.received[event.stream_id] += event.data
                if event.end_stream:
                    self.ended.add(event.stream_id)
        drain(self.server)

    def send(self) -> list[bytes]:
        return [data for data, _ in self.server.datagrams_to_send(now=self.pair.now)]

    def deliver(self, datagrams: list[bytes]) -> None:
        for datagram in datagrams:
            self.pair.client.receive_datagram(datagram, SERVER_ADDRESS, now=self.pair.now)
        self.collect()

    def turn(self, random: Random | None = None, loss: float = 0.0) -> None:
        """One exchange, of which some datagrams are lost; then time passes."""
        sent = self.send()
        assert self.server._loss.bytes_in_flight <= self.server._loss.congestion_window + SIZE
        self.deliver([one for one in sent if random is None or random.random() >= loss])
        for datagram, _ in self.pair.client.datagrams_to_send(now=self.pair.now):
            if random is None or random.random() >= loss:
                self.server.receive_datagram(datagram, CLIENT_ADDRESS, now=self.pair.now)
        self.pair.elapse(0.002)


@pytest.fixture
def upload(monkeypatch: pytest.MonkeyPatch) -> Upload:
    return Upload(monkeypatch)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("loss", [0.0, 0.05])
def test_every_byte_arrives_however_much_is_lost(upload: Upload, seed: int, loss: float) -> None:
    random = Random(seed)
    answers = {one: random.randbytes(random.randrange(1, 300 * KIB)) for one in STREAMS}
    for stream_id, answer in answers.items():
        at = random.randrange(len(answer))
        upload.server.send_stream_data(stream_id, answer[:at])
        upload.server.send_stream_data(stream_id, answer[at:], end_stream=True)
    while upload.ended != set(STREAMS):
        upload.turn(random, loss)
    assert upload.received == answers
    assert upload.pair.client._close_event is None
    assert sum(run.packets for run in upload.runs) * SIZE > sum(map(len, answers.values())) / 2


@pytest.mark.parametrize(
    "cipher", [CipherSuite.AES_128_GCM_SHA256, CipherSuite.CHACHA20_POLY1305_SHA256]
)
def test_keys_may_change_on_the_way_under_every_cipher(
    monkeypatch: pytest.MonkeyPatch, cipher: CipherSuite
) -> None:
    upload = Upload(monkeypatch, QuicPair(cipher=cipher))
    answer = Random(1).randbytes(200 * KIB)
    lost: list[object] = []
    monkeypatch.setattr(upload.server._loss._cc, "on_packets_lost", lambda **of: lost.append(of))
    upload.server.send_stream_data(0, answer, end_stream=True)
    for turn in range(40):
        if turn in (5, 15):
            upload.server.request_key_update()
        if turn in (10, 20):
            upload.pair.client.request_key_update()
        upload.turn()
    while 0 not in upload.ended:
        upload.turn()
    assert upload.received[0] == answer
    assert upload.runs
    assert not lost


def test_offsets_beyond_four_bytes_arrive(upload: Upload) -> None:
    far = (1 << 30) - 20_000
    stream = upload.server._streams[0]
    receiver = upload.pair.client._streams[0].receiver
    stream.sender._buffer_start = stream.sender._buffer_stop = stream.sender.highest_offset = far
    receiver._buffer_start = receiver.highest_offset = far
    # As if both ends had exchanged all that came before.
    for end in (upload.server, upload.pair.client):
        end._remote_max_data_used += far
        end._remote_max_data += far
        end._local_max_data.used += far
        end._local_max_data.value += far
    stream.max_stream_data_remote = far + 1000 * KIB
    upload.pair.client._streams[0].max_stream_data_local = far + 1000 * KIB
    answer = Random(2).randbytes(100 * KIB)
    upload.server.send_stream_data(0, answer[:15_000])
    while len(upload.received[0]) < 15_000:
        upload.turn()
    upload.server.send_stream_data(0, answer[15_000:], end_stream=True)
    while 0 not in upload.ended:
        upload.turn()
    assert upload.received[0] == answer
    assert {run.offset_bytes for run in upload.runs} == {4, 8}


def test_nothing_goes_beyond_the_credit_of_a_stream(upload: Upload) -> None:
    upload.server._streams[0].max_stream_data_remote = 50_000
    upload.server.send_stream_data(0, bytes(200 * KIB))
    upload.pair.client._write_stream_limits = lambda **_: None  # type: ignore[method-assign]
    for _ in range(100):
        upload.turn()
    assert upload.server._streams[0].sender.highest_offset == 50_000
    assert upload.runs


def test_nothing_goes_beyond_the_credit_of_the_connection(upload: Upload) -> None:
    upload.pair.client._write_connection_limits = lambda **_: None  # type: ignore[method-assign]
    credit = upload.server._remote_max_data = upload.server._remote_max_data_used + 50_000
    for stream_id in STREAMS:
        upload.server.send_stream_data(stream_id, bytes(200 * KIB))
    for _ in range(100):
        upload.turn()
    assert upload.server._remote_max_data_used == credit
    assert sum(map(len, upload.received.values())) == 50_000
    assert upload.runs


def test_a_run_has_datagrams_of_one_length_and_streams_take_turns(upload: Upload) -> None:
    for stream_id in STREAMS:
        upload.server.send_stream_data(stream_id, bytes(200 * KIB))
    upload.server._loss._cc.congestion_window = 400 * KIB
    upload.server._loss._pacer.packet_time = None
    sent = upload.send()
    assert len(sent) > 200
    assert {len(datagram) for datagram in sent[:200]} == {SIZE}
    served = [run.stream.stream_id for run in upload.runs]
    assert all(set(served[at : at + 3]) == set(STREAMS) for at in range(9))


def test_acknowledgements_go_first_while_the_window_is_filled(upload: Upload) -> None:
    upload.server.send_stream_data(0, bytes(400 * KIB))
    space = upload.server._spaces[Epoch.ONE_RTT]
    for ping in range(2):
        upload.pair.client.send_ping(ping)
        for datagram, _ in upload.pair.client.datagrams_to_send(now=upload.pair.now):
            upload.server.receive_datagram(datagram, CLIENT_ADDRESS, now=upload.pair.now)
    upload.pair.now += 0.002
    sent = upload.send()
    assert space.ack_at is None
    assert upload.runs
    assert upload.pair.client._spaces[Epoch.ONE_RTT].ack_eliciting_in_flight
    upload.deliver(sent[:1])
    assert not upload.pair.client._spaces[Epoch.ONE_RTT].ack_eliciting_in_flight


def test_the_pacer_holds_back_what_comes_too_early(upload: Upload) -> None:
    upload.server.send_stream_data(0, bytes(400 * KIB))
    pacer = upload.server._loss._pacer
    upload.server._loss._cc.congestion_window = 400 * KIB
    pacer.packet_time, pacer.bucket_max, pacer.bucket_time = 0.001, 0.005, 0.005
    pacer.evaluation_time = upload.pair.now
    assert len(upload.send()) == 5
    assert upload.send() == []


def test_an_answer_of_whole_packets_ends(upload: Upload) -> None:
    upload.server.send_stream_data(0, bytes(10_000))
    upload.turn()
    whole = 20 * upload.runs[0].packet_bytes
    upload.server.send_stream_data(4, bytes(whole), end_stream=True)
    while 4 not in upload.ended:
        upload.turn()
    assert len(upload.received[4]) == whole


def test_a_probe_carries_data(upload: Upload) -> None:
    upload.server.send_stream_data(0, bytes(400 * KIB))
    upload.send()
    upload.runs.clear()
    upload.server._probe_pending = True
    upload.server._loss._cc.congestion_window = 0
    upload.pair.now += 1.0
    (probe,) = upload.send()
    assert len(probe) > SIZE - 100
    assert not upload.runs


@pytest.mark.parametrize("cut", ["reset", "stopped"])
def test_a_stream_that_was_cut_sends_no_more(upload: Upload, cut: str) -> None:
    upload.server.send_stream_data(0, bytes(400 * KIB))
    upload.turn()
    upload.runs.clear()
    if cut == "reset":
        upload.server.reset_stream(0, 3)
    else:
        upload.pair.client.stop_stream(0, 3)
    for _ in range(5):
        upload.turn()
    assert len(upload.runs) <= (cut == "stopped")


def stock_burst(pacer: QuicPacketPacer, now: float) -> int:
    sent = 0
    while pacer.next_send_time(now=now) is None:
        pacer.update_after_send(now=now)
        sent += 1
    return sent


def test_the_pacer_lets_as_many_packets_go_as_one_by_one() -> None:
    random = Random(3)
    ours, stock = (QuicPacketPacer(max_datagram_size=SIZE) for _ in range(2))
    now = 0.0
    assert _due_packets(ours, now) > 0
    for _ in range(300):
        window, rtt = random.randrange(2400, 10**6), random.uniform(0.0005, 0.05)
        for pacer in (ours, stock):
            pacer.update_rate(congestion_window=window, smoothed_rtt=rtt)
        due = _due_packets(ours, now)
        _note_sent(ours, due)
        # Rounding may tip a sum of many floats over a whole packet.
        assert abs(due - stock_burst(stock, now)) <= 1
        assert _due_packets(ours, now) <= 1
        stock.bucket_time = ours.bucket_time = 0.0
        now += random.uniform(0.0, 0.004)


@pytest.mark.parametrize("value", [0, 63, 64, 16383, 16384, (1 << 30) - 1, 1 << 30, (1 << 62) - 1])
def test_integers_are_written_as_the_library_reads_them(value: int) -> None:
    written = Buffer(data=_integer(value))
    assert written.pull_uint_var() == value
    assert written.eof()


def test_no_bulk_goes_before_the_handshake_is_confirmed() -> None:
    server = QuicPair().server
    assert isinstance(server, CreditedConnection)
    server.send_stream_data(1, bytes(100 * KIB))
    path = server._network_paths[0]
    assert server._may_send_bulk(path)
    server._handshake_confirmed = False
    assert not server._may_send_bulk(path)


def test_no_bulk_goes_to_an_address_that_is_not_proved(upload: Upload) -> None:
    assert isinstance(upload.server, CreditedConnection)
    upload.server.send_stream_data(0, bytes(100 * KIB))
    path = upload.server._network_paths[0]
    path.is_validated = False
    assert not upload.server._may_send_bulk(path)
