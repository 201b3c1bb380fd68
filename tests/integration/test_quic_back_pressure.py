"""Neither a reader that stalls nor a sender that floods makes an end hold more than its bound."""

import asyncio
import time

import pytest
from aioquic.asyncio.client import connect

from lanspread_peer.model.errors import ConnectionLost, Stalled
from lanspread_peer.model.limits import (
    KIB,
    MIB,
    QUIC_ANSWER_WINDOW_BYTES,
    QUIC_CONNECTION_WINDOW_BYTES,
    QUIC_REQUEST_WINDOW_BYTES,
    QUIC_SEND_BACKLOG_BYTES,
    UPLOAD_SLICE_BYTES,
)
from lanspread_peer.model.peer import Address
from lanspread_peer.transport import quic_stream
from lanspread_peer.transport.base import Connection, Stream
from lanspread_peer.transport.quic_connection import PeerConnection
from support.quic_pair import configuration
from support.quic_party import LOOPBACK, Relay, party, receive_all, until

FAR_MORE_BYTES = 48 * MIB


def held_by_sender(connection: Connection) -> int:
    assert isinstance(connection, PeerConnection)
    return sum(connection._quic.unacknowledged_bytes(each) for each in connection._streams)


def held_by_receiver(connection: Connection) -> int:
    assert isinstance(connection, PeerConnection)
    return sum(len(each._buffer) for each in connection._streams.values()) + sum(
        len(each.receiver._buffer) for each in connection._quic._streams.values()
    )


class Watermark:
    """The most that either end ever held, sampled on every turn of the event loop."""

    def __init__(self, sender: Connection, receiver: Connection) -> None:
        self.sent = self.received = 0
        self._task = asyncio.ensure_future(self._sample(sender, receiver))

    async def _sample(self, sender: Connection, receiver: Connection) -> None:
        while True:
            self.sent = max(self.sent, held_by_sender(sender))
            self.received = max(self.received, held_by_receiver(receiver))
            await asyncio.sleep(0)

    async def stop(self) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])


async def test_a_file_larger_than_every_bound_reaches_a_hesitant_reader_within_the_bounds() -> None:
    piece = bytes(range(256)) * 1024
    progress: list[int] = []

    async def serve(_connection: Connection, stream: Stream) -> None:
        for index in range(FAR_MORE_BYTES // len(piece)):
            await stream.send(piece)
            progress.append(index)
        await stream.send(b"", end=True)

    async with party() as made:
        connection = await made.connect(serve)
        await until(lambda: bool(made.accepted))
        watermark = Watermark(made.accepted[0], connection)
        stream = connection.open_stream()
        await stream.send(b"please", end=True)

        # Not one byte is taken until the sender has nothing left that it may do.
        settled = -1
        while settled != len(progress) or not progress:
            settled = len(progress)
            await asyncio.sleep(0.1)
        assert settled * len(piece) <= QUIC_ANSWER_WINDOW_BYTES + QUIC_SEND_BACKLOG_BYTES

        received = await receive_all(stream)
        await watermark.stop()
        assert received == piece * (FAR_MORE_BYTES // len(piece))
        assert watermark.sent <= QUIC_SEND_BACKLOG_BYTES + UPLOAD_SLICE_BYTES
        assert watermark.received <= QUIC_ANSWER_WINDOW_BYTES
        assert watermark.received > QUIC_ANSWER_WINDOW_BYTES - 64 * KIB


async def test_one_great_send_is_fed_in_slices() -> None:
    async def serve(_connection: Connection, stream: Stream) -> None:
        await stream.send(bytes(FAR_MORE_BYTES), end=True)

    async with party() as made:
        connection = await made.connect(serve)
        await until(lambda: bool(made.accepted))
        watermark = Watermark(made.accepted[0], connection)
        stream = connection.open_stream()
        await stream.send(b"please", end=True)
        assert len(await receive_all(stream)) == FAR_MORE_BYTES
        await watermark.stop()
        assert watermark.sent <= QUIC_SEND_BACKLOG_BYTES + UPLOAD_SLICE_BYTES


async def test_a_sender_to_a_reader_that_takes_nothing_gives_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(quic_stream, "STALL_TIMEOUT_S", 0.3)
    outcome: asyncio.Future[float] = asyncio.get_running_loop().create_future()

    async def serve(_connection: Connection, stream: Stream) -> None:
        start = time.monotonic()
        try:
            await stream.send(bytes(FAR_MORE_BYTES), end=True)
        except Stalled:
            outcome.set_result(time.monotonic() - start)
            raise

    async with party() as made:
        connection = await made.connect(serve)
        stream = connection.open_stream()
        await stream.send(b"please", end=True)
        assert await outcome >= 0.3


async def test_a_receiver_to_whom_nothing_comes_gives_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quic_stream, "STALL_TIMEOUT_S", 0.2)

    async def silent(_connection: Connection, _stream: Stream) -> None:
        await asyncio.Event().wait()

    async with party() as made:
        connection = await made.connect(silent)
        stream = connection.open_stream()
        await stream.send(b"please", end=True)
        with pytest.raises(Stalled):
            await stream.receive()


async def test_whoever_is_slow_but_steady_is_not_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quic_stream, "STALL_TIMEOUT_S", 1.0)
    sent = asyncio.Event()

    async def serve(_connection: Connection, stream: Stream) -> None:
        await stream.receive()
        # Far more than fits, to a reader that takes a little now and then.
        await stream.send(bytes(QUIC_ANSWER_WINDOW_BYTES + 600 * KIB))
        sent.set()
        await stream.send(b"", end=True)

    async with party() as made:
        connection = await made.connect(serve)
        stream = connection.open_stream()
        await stream.send(b"please", end=True)
        await until(lambda: len(stream._buffer) == QUIC_ANSWER_WINDOW_BYTES)
        start = time.monotonic()
        for _ in range(8):
            # Each step credits too little for the whole, but some progress within the timeout.
            del stream._buffer[: 40 * KIB]
            assert connection._quic.take(stream.id, 40 * KIB)
            connection._transmit_soon()
            await asyncio.sleep(0.3)
        assert not sent.is_set()
        assert time.monotonic() - start > 2 * 1.0
        await receive_all(stream)
        assert sent.is_set()


async def test_a_flood_into_a_request_is_held_to_its_window() -> None:
    async def never_reads(_connection: Connection, _stream: Stream) -> None:
        await asyncio.Event().wait()

    async with party() as made:
        server = made.open(never_reads)
        async with connect(
            LOOPBACK, server.port, configuration=configuration(is_client=True)
        ) as stock:
            for index in range(32):
                stock._quic.send_stream_data(4 * index, bytes(MIB))
            stock.transmit()
            full = 32 * QUIC_REQUEST_WINDOW_BYTES
            await until(lambda: bool(made.accepted) and held_by_receiver(made.accepted[0]) >= full)
            await asyncio.sleep(0.1)
            assert held_by_receiver(made.accepted[0]) == full < QUIC_CONNECTION_WINDOW_BYTES


async def test_a_flood_without_regard_to_credit_is_cut_off() -> None:
    async def never_reads(_connection: Connection, _stream: Stream) -> None:
        await asyncio.Event().wait()

    async with party() as made:
        server = made.open(never_reads)
        async with connect(
            LOOPBACK, server.port, configuration=configuration(is_client=True)
        ) as stock:
            stock._quic.send_stream_data(0, bytes(4 * QUIC_REQUEST_WINDOW_BYTES))
            stock._quic._remote_max_data = 1 << 40
            stock._quic._streams[0].max_stream_data_remote = 1 << 40
            stock.transmit()
            await until(lambda: bool(made.accepted))
            assert "limit" in await made.accepted[0].wait_closed()
            assert server.connection_count == 0


async def test_answers_that_are_thrown_away_give_their_credit_back() -> None:
    async def serve(_connection: Connection, stream: Stream) -> None:
        await stream.send(bytes(3 * MIB), end=True)

    async with party() as made:
        connection = await made.connect(serve)
        for _ in range(3 * QUIC_CONNECTION_WINDOW_BYTES // QUIC_ANSWER_WINDOW_BYTES):
            stream = connection.open_stream()
            await stream.send(b"please", end=True)
            await until(lambda stream=stream: len(stream._buffer) > 900 * KIB)  # type: ignore[misc]
            stream.reset(6)
        await until(lambda: not connection._streams)
        # What is lost of the credit would be missing for ever.
        data = connection._quic._local_max_data
        assert data.value - data.used == QUIC_CONNECTION_WINDOW_BYTES


async def test_answers_that_the_peer_cuts_give_their_credit_back() -> None:
    seen = 0

    def every_ninth_is_lost(_datagram: bytes) -> bool:
        nonlocal seen
        seen += 1
        return seen % 9 != 0

    async def serve(_connection: Connection, stream: Stream) -> None:
        await stream.send(bytes(400 * KIB))
        stream.reset(2)

    async with (
        party() as made,
        Relay.open(made.open(serve).port, allow=every_ninth_is_lost) as port,
    ):
        connection = await made.open().dial(Address(LOOPBACK, port), None)
        for _ in range(8):
            stream = connection.open_stream()
            await stream.send(b"please", end=True)
            await until(lambda stream=stream: stream._reset_code is not None)  # type: ignore[misc]
        await until(lambda: not connection._streams)
        # Some of what the peer sent before it cut the answer was lost and never sent again.
        data = connection._quic._local_max_data
        assert data.value - data.used == QUIC_CONNECTION_WINDOW_BYTES


async def test_a_lost_connection_ends_a_send_that_waits() -> None:
    failed: list[ConnectionLost] = []

    async def serve(_connection: Connection, stream: Stream) -> None:
        try:
            await stream.send(bytes(FAR_MORE_BYTES))
        except ConnectionLost as lost:
            failed.append(lost)

    async with party() as made:
        connection = await made.connect(serve)
        stream = connection.open_stream()
        await stream.send(b"please", end=True)
        await until(lambda: len(stream._buffer) == QUIC_ANSWER_WINDOW_BYTES)
        connection.close()
        await until(lambda: len(failed) == 1)
