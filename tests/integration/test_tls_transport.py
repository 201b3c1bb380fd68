"""Bytes over the TLS transport: whole, in order, from the right peer only, cancelled any time."""

import asyncio
import threading
from collections.abc import Iterable

import pytest

from lanspread_peer.model import errors
from lanspread_peer.model.limits import (
    MAX_BULK_CONNECTIONS_PER_PEER,
    MAX_CHUNK_BYTES,
    MAX_UPLOAD_SLOTS,
    MIB,
)
from lanspread_peer.model.peer import Address
from lanspread_peer.transport.credentials import Credentials
from lanspread_peer.transport.tls_client import TlsClient
from lanspread_peer.transport.tls_reader import DataReader
from lanspread_peer.wire import messages
from support.quic_pair import make_key
from support.quic_party import until
from support.tls_party import (
    LOOPBACK,
    chunk,
    id_of,
    own_hello,
    pattern,
    pattern_slices,
    read_all,
    tls_party,
)


@pytest.mark.parametrize("length", [1, 16384, 100_001, MAX_CHUNK_BYTES])
async def test_bytes_come_as_they_are(length: int) -> None:
    async with tls_party() as party:
        peer = party.peer(party.open())
        assert await peer.fetch(chunk(5, length), read_all) == pattern(5, length)


async def test_many_requests_share_a_few_connections_and_none_is_mixed_up() -> None:
    async with tls_party() as party:
        server = party.open()
        peer = party.peer(server)
        requests = [chunk(number * 1000, 50_000 + number) for number in range(60)]
        answers = await asyncio.gather(*(peer.fetch(one, read_all) for one in requests))
        assert answers == [pattern(one.offset, one.length) for one in requests]
        assert server.connection_count == MAX_BULK_CONNECTIONS_PER_PEER


async def test_the_next_request_is_sent_before_the_answer_is_read() -> None:
    second_is_served = threading.Event()

    def slices(request: messages.GetGameFileChunk) -> Iterable[bytes]:
        if request.offset:
            second_is_served.set()
        return pattern_slices(request)

    def wait_for_the_second(reader: DataReader) -> bytes:
        # The server reads the second request only after this answer, which its buffers take whole.
        assert second_is_served.wait(30.0)
        return read_all(reader)

    async with tls_party() as party:
        peer = party.peer(party.open(slices))
        first, second = await asyncio.gather(
            peer.fetch(chunk(0, 1000), wait_for_the_second), peer.fetch(chunk(4, 1000), read_all)
        )
        assert (first, second) == (pattern(0, 1000), pattern(4, 1000))
        assert peer.connection_count == 1


async def test_every_upload_slot_there_may_be_has_a_thread() -> None:
    begun, enough = threading.Semaphore(0), threading.Event()
    # As many as one address may have connections.
    wanted = MAX_UPLOAD_SLOTS

    def slices(request: messages.GetGameFileChunk) -> Iterable[bytes]:
        begun.release()
        assert enough.wait(30.0)
        yield from pattern_slices(request)

    async with tls_party() as party:
        server = party.open(slices)
        fetching: list[asyncio.Task[bytes]] = []
        for _ in range(wanted):
            # Each by a peer of its own, so that none waits for another's answer.
            fetch = party.peer(server).fetch(chunk(0, 10), read_all)
            fetching.append(asyncio.create_task(fetch))
            await until(lambda: begun.acquire(blocking=False))
        enough.set()
        assert await asyncio.gather(*fetching) == [pattern(0, 10)] * wanted


async def test_progress_is_told_and_adds_up() -> None:
    told: list[int] = []
    async with tls_party() as party:
        peer = party.peer(party.open())
        await peer.fetch(chunk(0, 4 * MIB), read_all, told.append)
        await until(lambda: sum(told) == 4 * MIB)
        assert len(told) > 1


async def test_another_key_is_refused_before_it_hears_anything() -> None:
    async with tls_party() as party:
        server = party.open()
        stranger = id_of(make_key())
        peer = party.client().peer(Address(LOOPBACK, server.port), stranger)
        with pytest.raises(errors.IdentityMismatch):
            await peer.fetch(chunk(0, 10), read_all)
        assert party.hosts[server].requests == []


async def test_a_proof_by_another_key_gets_no_data() -> None:
    async with tls_party() as party:
        server = party.open()
        honest, thief = make_key(), make_key()

        def stolen(peer_id: object, nonce: bytes) -> messages.Hello:
            hello = own_hello(honest)(party.id_of(server), nonce)
            return messages.Hello(
                **{
                    **{name: getattr(hello, name) for name in hello.__struct_fields__},
                    "signature": own_hello(thief)(party.id_of(server), nonce).signature,
                }
            )

        client = TlsClient(Credentials(make_key()), stolen, bind=LOOPBACK)
        party.clients.append(client)
        with pytest.raises(errors.Refused):
            await party.peer(server, client).fetch(chunk(0, 10), read_all)
        assert chunk(0, 10) not in party.hosts[server].requests


async def test_nobody_listening_is_a_lost_connection() -> None:
    async with tls_party() as party:
        server = party.open()
        peer = party.peer(server)
        await server.close()
        with pytest.raises(errors.ConnectionLost):
            await peer.fetch(chunk(0, 10), read_all)


REFUSALS: list[errors.LanspreadError] = [
    errors.Busy(50),
    errors.NotFoundByPeer("gone"),
    errors.Stale("changed"),
    errors.Refused("no"),
]


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda one: one.reason)
async def test_a_refusal_costs_no_connection(refusal: errors.LanspreadError) -> None:
    def slices(request: messages.GetGameFileChunk) -> Iterable[bytes]:
        if request.offset == 0:
            raise refusal
        yield from pattern_slices(request)

    async with tls_party() as party:
        peer = party.peer(party.open(slices))
        with pytest.raises(type(refusal)):
            await peer.fetch(chunk(0, 10), read_all)
        assert await peer.fetch(chunk(4, 10), read_all) == pattern(4, 10)
        assert len(party.hosts[party.servers[0]].callers) == 1


async def test_a_file_that_changed_meanwhile_never_gives_a_whole_answer() -> None:
    def slices(request: messages.GetGameFileChunk) -> Iterable[bytes]:
        yield from pattern_slices(request)
        raise errors.Stale("changed")

    async with tls_party() as party:
        peer = party.peer(party.open(slices))
        with pytest.raises(errors.ConnectionLost):
            await peer.fetch(chunk(0, MIB), read_all)
        with pytest.raises(errors.Stale):
            await peer.fetch(chunk(0, 10), read_all)


@pytest.mark.parametrize("surplus", [-1, 1])
async def test_an_answer_of_another_length_than_announced_is_cut(surplus: int) -> None:
    def slices(request: messages.GetGameFileChunk) -> Iterable[bytes]:
        yield bytes(request.length // 2)
        yield bytes(request.length - request.length // 2 + surplus)

    async with tls_party() as party:
        peer = party.peer(party.open(slices))
        with pytest.raises((errors.ConnectionLost, errors.Refused)):
            await peer.fetch(chunk(0, MIB), read_all)


async def test_what_a_consumer_raises_arrives_and_the_requests_behind_it_are_sent_again() -> None:
    def fail(reader: DataReader) -> None:
        raise errors.DiskFull("full")

    async with tls_party() as party:
        peer = party.peer(party.open())
        failing = asyncio.ensure_future(peer.fetch(chunk(0, MIB), fail))
        behind = asyncio.ensure_future(peer.fetch(chunk(4, MIB), read_all))
        with pytest.raises(errors.DiskFull):
            await failing
        assert await behind == pattern(4, MIB)
        assert len(party.hosts[party.servers[0]].callers) == 2


async def test_what_a_consumer_raises_at_the_end_costs_no_connection() -> None:
    def fail(reader: DataReader) -> None:
        read_all(reader)
        raise errors.IntegrityError("wrong")

    async with tls_party() as party:
        peer = party.peer(party.open())
        with pytest.raises(errors.IntegrityError):
            await peer.fetch(chunk(0, MIB), fail)
        assert await peer.fetch(chunk(4, 10), read_all) == pattern(4, 10)
        assert len(party.hosts[party.servers[0]].callers) == 1


async def test_a_consumer_cannot_read_beyond_its_answer() -> None:
    def greedy(reader: DataReader) -> None:
        reader.read_into(memoryview(bytearray(reader.length + 1)))

    async with tls_party() as party:
        peer = party.peer(party.open())
        with pytest.raises(errors.IntegrityError):
            await peer.fetch(chunk(0, 10), greedy)


async def test_a_cancel_waits_for_the_consumer_and_costs_the_others_nothing() -> None:
    release, is_reading, is_out = threading.Event(), threading.Event(), threading.Event()

    def slices(request: messages.GetGameFileChunk) -> Iterable[bytes]:
        if request.offset:
            yield from pattern_slices(request)
            return
        yield bytes(65536)
        yield bytes(65536)
        release.wait(30.0)
        yield bytes(request.length - 2 * 65536)

    def read(reader: DataReader) -> None:
        is_reading.set()
        try:
            read_all(reader)
        finally:
            is_out.set()

    async with tls_party() as party:
        peer = party.peer(party.open(slices))
        cancelled = asyncio.ensure_future(peer.fetch(chunk(0, MIB), read))
        behind = asyncio.ensure_future(peer.fetch(chunk(4, MIB), read_all))
        await until(is_reading.is_set)
        cancelled.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cancelled
        assert is_out.is_set()
        assert await behind == pattern(4, MIB)
        release.set()


async def test_what_was_not_sent_is_cancelled_without_a_trace() -> None:
    gate = threading.Event()

    def slices(request: messages.GetGameFileChunk) -> Iterable[bytes]:
        gate.wait(30.0)
        yield from pattern_slices(request)

    async with tls_party() as party:
        server = party.open(slices)
        peer = party.peer(server)
        sent = [asyncio.ensure_future(peer.fetch(chunk(4, 10), read_all)) for _ in range(8)]
        await until(lambda: party.hosts[server].requests.count(chunk(4, 10)) == 4)
        waiting = asyncio.ensure_future(peer.fetch(chunk(8, 10), read_all))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        gate.set()
        assert await asyncio.gather(*sent) == [pattern(4, 10)] * 8
        assert chunk(8, 10) not in party.hosts[server].requests
        assert len(party.hosts[server].callers) == 4


async def test_a_server_that_closes_in_the_middle_fails_all_on_the_connection() -> None:
    async with tls_party() as party:
        server = party.open()

        def close_the_server(reader: DataReader) -> None:
            reader.read_into(memoryview(bytearray(10)))
            loop.call_soon_threadsafe(party.hosts[server].callers[0].close)
            read_all_left = memoryview(bytearray(reader.left))
            reader.read_into(read_all_left)

        loop = asyncio.get_running_loop()
        peer = party.peer(server)
        answers = await asyncio.gather(
            peer.fetch(chunk(0, MAX_CHUNK_BYTES), close_the_server),
            peer.fetch(chunk(0, MAX_CHUNK_BYTES), read_all),
            return_exceptions=True,
        )
        assert [type(one) for one in answers] == [errors.ConnectionLost] * 2
        # It is asked again on a new connection.
        assert await peer.fetch(chunk(0, 10), read_all) == pattern(0, 10)


async def test_the_server_takes_the_port_that_is_free() -> None:
    async with tls_party() as party:
        first = party.open()
        second = party.open()
        assert first.port != second.port
