"""From TLS to records: when both ends go on by them, and what happens to who gets in between."""

import asyncio
import contextlib
import itertools
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from msgspec.structs import replace

from lanspread_peer.model import errors
from lanspread_peer.model.limits import MAX_RECORD_BYTES, MIB
from lanspread_peer.model.peer import Address
from lanspread_peer.transport.certificate import make_certificate
from lanspread_peer.transport.record_session import LENGTH_BYTES, TAG_BYTES
from lanspread_peer.transport.tls_context import server_context
from lanspread_peer.wire import messages
from lanspread_peer.wire.codec import decode_answer
from lanspread_peer.wire.frames import encode_frame
from support.quic_pair import make_key
from support.quic_party import until
from support.tls_party import (
    LOOPBACK,
    RawCaller,
    TlsParty,
    chunk,
    id_of,
    own_hello,
    pattern,
    read_all,
    tls_party,
)
from support.wire_tap import wire_tap

# How a record of TLS 1.3 begins, when it is as large as can be.
LARGE_TLS_RECORD = bytes.fromhex("1703034011")


async def test_bytes_go_by_records_once_both_have_proved_themselves() -> None:
    async with tls_party() as party:
        server = party.open()
        async with wire_tap(server.port) as tap:
            peer = party.client().peer(Address(LOOPBACK, tap.port), party.id_of(server))
            await peer.fetch(chunk(0, 1), read_all)
            greeting = len(tap.came_back)
            assert await peer.fetch(chunk(0, MIB), read_all) == pattern(0, MIB)
        came = bytes(tap.came_back[greeting:])
    assert LARGE_TLS_RECORD not in came
    assert pattern(0, 64) not in came
    # Of the host of this test, which gives slices of 64 KiB; the answer's head is one of its own.
    head = len(encode_frame(messages.Data(length=MIB)))
    assert len(came) == head + MIB + 17 * (LENGTH_BYTES + TAG_BYTES)


async def test_no_byte_that_was_changed_on_its_way_is_believed() -> None:
    async with tls_party() as party:
        server = party.open()
        async with wire_tap(server.port) as tap:
            peer = party.client().peer(Address(LOOPBACK, tap.port), party.id_of(server))
            await peer.fetch(chunk(0, 1), read_all)
            tap.change = lambda data: data[:-1] + bytes([data[-1] ^ 1])
            with pytest.raises(errors.MalformedMessage, match="not the one that was sent"):
                await peer.fetch(chunk(0, MAX_RECORD_BYTES), read_all)


async def proven(party: TlsParty, port: int, secret: str = "") -> tuple[RawCaller, messages.Hello]:
    """A caller that is about to say Hello."""
    key = make_key()
    caller = await RawCaller.open(port)
    nonce = decode_answer(await caller.ask(messages.Challenge()))
    assert isinstance(nonce, messages.Nonce)
    [server] = party.servers
    hello = own_hello(key)(party.id_of(server), bytes.fromhex(nonce.nonce))
    return caller, replace(hello, record_secret=secret)


async def test_a_caller_that_knows_no_records_is_served_by_tls() -> None:
    async with tls_party() as party:
        server = party.open()
        caller, hello = await proven(party, server.port)
        ack = decode_answer(await caller.ask(hello))
        assert isinstance(ack, messages.HelloAck)
        assert ack.record_secret == ""
        assert decode_answer(await caller.ask(chunk(0, 100_000))) == messages.Data(length=100_000)
        assert await caller.reader.readexactly(100_000) == pattern(0, 100_000)
        caller.close()


async def test_a_caller_that_does_not_wait_for_the_answer_to_its_hello_is_cut_off() -> None:
    async with tls_party() as party:
        server = party.open()
        caller, hello = await proven(party, server.port, "ab" * 32)
        caller.writer.write(encode_frame(hello) + encode_frame(chunk(0, 1)))
        await caller.ended()
        assert chunk(0, 1) not in party.hosts[server].requests
        caller.close()


async def test_each_connection_has_secrets_of_its_own() -> None:
    async with tls_party() as party:
        server = party.open()
        secrets = set()
        for _ in range(2):
            caller, hello = await proven(party, server.port, "ab" * 32)
            ack = decode_answer(await caller.ask(hello))
            assert isinstance(ack, messages.HelloAck)
            secrets.add(ack.record_secret)
            caller.close()
        assert len(secrets) == 2
        assert "" not in secrets


KEY = make_key()
ACK = messages.HelloAck(
    peer_id=id_of(KEY), instance="0" * 32, name="x", proto_min=1, proto_max=1, listen_port=1
)
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def take(reader: asyncio.StreamReader) -> None:
    length = int.from_bytes(await reader.readexactly(4), "big")
    await reader.readexactly(length)


@asynccontextmanager
async def a_peer_that(talk: Talk, ack: bytes) -> AsyncIterator[Address]:
    """A TLS server that greets by this, and then has a talk of its own."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await take(reader)
        writer.write(encode_frame(messages.Nonce(nonce="0" * 64)))
        await take(reader)
        writer.write(ack)
        await talk(reader, writer)
        # Whether it leaves in peace or goes on by records, which are no TLS.
        with contextlib.suppress(ssl.SSLError):
            await reader.read()
        writer.close()

    context = server_context(KEY, make_certificate(KEY))
    server = await asyncio.start_server(serve, LOOPBACK, 0, ssl=context)
    try:
        yield Address(LOOPBACK, server.sockets[0].getsockname()[1])
    finally:
        server.close()
        await server.wait_closed()


async def test_a_peer_that_knows_no_records_is_asked_by_tls() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await take(reader)
        writer.write(encode_frame(messages.Data(length=10)) + pattern(0, 10))

    async with tls_party() as party, a_peer_that(talk, encode_frame(ACK)) as address:
        peer = party.client().peer(address, id_of(KEY))
        assert await peer.fetch(chunk(0, 10), read_all) == pattern(0, 10)
        await peer.close()


@pytest.mark.parametrize("pieces", [1, 2])
async def test_what_comes_by_tls_after_the_greeting_is_malformed(pieces: int) -> None:
    more = encode_frame(messages.Bye())

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if pieces == 2:
            writer.write(more)

    ack = encode_frame(replace(ACK, record_secret="cd" * 32))
    greeting = ack + more if pieces == 1 else ack
    async with tls_party() as party, a_peer_that(talk, greeting) as address:
        peer = party.client().peer(address, id_of(KEY))
        with pytest.raises(errors.MalformedMessage):
            await peer.fetch(chunk(0, 10), read_all)
        await peer.close()


class Turns(list[messages.Message]):
    """Requests, and in which turn of the loop each came."""

    def __init__(self) -> None:
        super().__init__()
        self._loop = asyncio.get_running_loop()
        self._turn = 0
        self.of_requests: list[int] = []
        self._count()

    def _count(self) -> None:
        self._turn += 1
        self._next = self._loop.call_soon(self._count)

    def append(self, request: messages.Message) -> None:
        super().append(request)
        self.of_requests.append(self._turn)

    def least_between(self) -> int:
        self._next.cancel()
        turns = self.of_requests
        return min(after - before for before, after in itertools.pairwise(turns))


@pytest.mark.parametrize("piece_bytes", [16384, 1])
async def test_however_a_flood_of_requests_comes_others_have_their_turns(piece_bytes: int) -> None:
    ping = encode_frame(messages.Ping())
    flood = ping * (50)
    async with tls_party() as party:
        server = party.open()
        address = Address(LOOPBACK, server.port)
        line = await party.client()._dialling.dial(address, party.id_of(server))
        turns = party.hosts[server].requests = Turns()
        for start in range(0, len(flood), piece_bytes):
            line._session.write(flood[start : start + piece_bytes])
        await line._flush()
        await until(lambda: len(turns) == len(flood) // len(ping))
        # Each request is one turn at least, and so is each record.
        assert turns.least_between() >= max(1, len(ping) // piece_bytes)
        line.close()
