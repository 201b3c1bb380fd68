"""Callers and servers without manners: each is cut off in time, and costs nobody else anything."""

import asyncio
import os
import socket
import threading
from collections.abc import Callable, Iterable

import pytest

from lanspread_peer.core.offences import Offences
from lanspread_peer.model import errors
from lanspread_peer.model.limits import (
    MAX_BULK_CONNECTIONS_PER_PEER,
    MAX_CHUNK_BYTES,
    MAX_REQUEST_BYTES,
    MAX_UNAUTHENTICATED_PER_ADDRESS,
    OFFENCE_BURST,
)
from lanspread_peer.model.peer import Address
from lanspread_peer.transport import tls_caller, tls_dialled
from lanspread_peer.transport.certificate import make_certificate
from lanspread_peer.transport.tls_context import server_context
from lanspread_peer.transport.tls_reader import DataReader
from lanspread_peer.wire import messages
from lanspread_peer.wire.codec import decode_answer
from lanspread_peer.wire.frames import LENGTH_BYTES, encode_frame
from support.quic_pair import make_key
from support.quic_party import until
from support.tls_party import (
    LOOPBACK,
    RawCaller,
    chunk,
    id_of,
    own_hello,
    pattern,
    plain_socket,
    read_all,
    tls_party,
)


async def test_without_a_proof_there_is_no_data() -> None:
    async with tls_party() as party:
        server = party.open()
        caller = await RawCaller.open(server.port)
        answer = decode_answer(await caller.ask(chunk(0, 10)))
        assert isinstance(answer, messages.Refused)
        assert party.hosts[server].requests == []
        caller.close()


async def test_a_hello_without_a_challenge_is_refused() -> None:
    async with tls_party() as party:
        server = party.open()
        caller = await RawCaller.open(server.port)
        hello = own_hello(make_key())(party.id_of(server), bytes(32))
        assert isinstance(decode_answer(await caller.ask(hello)), messages.Refused)
        assert isinstance(decode_answer(await caller.ask(chunk(0, 10))), messages.Refused)
        caller.close()


async def proven(port: int, hello: Callable[[bytes], messages.Hello]) -> tuple[RawCaller, bytes]:
    """A caller that said Hello, and the answer."""
    caller = await RawCaller.open(port)
    nonce = decode_answer(await caller.ask(messages.Challenge()))
    assert isinstance(nonce, messages.Nonce)
    return caller, await caller.ask(hello(bytes.fromhex(nonce.nonce)))


async def test_one_peer_gets_four_connections_and_no_more() -> None:
    async with tls_party() as party:
        server = party.open()
        key = make_key()

        def hello(nonce: bytes) -> messages.Hello:
            return own_hello(key)(party.id_of(server), nonce)

        callers = [await proven(server.port, hello) for _ in range(5)]
        answers = [type(decode_answer(answer)) for _, answer in callers]
        assert answers == [messages.HelloAck] * MAX_BULK_CONNECTIONS_PER_PEER + [messages.Busy]
        for caller, _ in callers:
            caller.close()


async def test_strangers_at_one_address_get_eight_connections_and_no_more() -> None:
    async with tls_party() as party:
        server = party.open()
        silent = [plain_socket(server.port) for _ in range(MAX_UNAUTHENTICATED_PER_ADDRESS)]
        await until(lambda: server.connection_count == MAX_UNAUTHENTICATED_PER_ADDRESS)
        one_more = plain_socket(server.port)
        assert await asyncio.to_thread(one_more.recv, 1) == b""
        for one in (*silent, one_more):
            one.close()
        await until(lambda: server.connection_count == 0)
        peer = party.peer(server)
        assert await peer.fetch(chunk(0, 10), read_all) == pattern(0, 10)


async def test_who_says_nothing_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tls_caller, "HANDSHAKE_TIMEOUT_S", 0.2)
    async with tls_party() as party:
        server = party.open()
        silent = plain_socket(server.port)
        assert await asyncio.to_thread(silent.recv, 1) == b""
        silent.close()


async def test_half_a_handshake_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tls_caller, "HANDSHAKE_TIMEOUT_S", 0.2)
    async with tls_party() as party:
        server = party.open()
        half = plain_socket(server.port)
        # The header of a handshake record (RFC 8446 section 5.1), and nothing of what it announces.
        half.sendall(b"\x16\x03\x01\x02\x00\x01")
        assert await asyncio.to_thread(half.recv, 1) == b""
        half.close()


async def test_a_caller_that_proves_nothing_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tls_caller, "REQUEST_TIMEOUT_S", 0.3)
    async with tls_party() as party:
        server = party.open()
        caller = await RawCaller.open(server.port)
        await caller.ask(messages.Challenge())
        await caller.ended()


async def test_a_request_that_drips_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    async with tls_party() as party:
        server = party.open()
        key = make_key()
        caller, _ = await proven(
            server.port, lambda nonce: own_hello(key)(party.id_of(server), nonce)
        )
        monkeypatch.setattr(tls_caller, "REQUEST_TIMEOUT_S", 0.3)
        caller.writer.write(encode_frame(chunk(0, 10))[:9])
        await caller.ended()


async def test_an_idle_caller_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tls_caller, "BULK_IDLE_TIMEOUT_S", 0.3)
    async with tls_party() as party:
        server = party.open()
        key = make_key()
        caller, _ = await proven(
            server.port, lambda nonce: own_hello(key)(party.id_of(server), nonce)
        )
        await caller.ended()
        await until(lambda: server.connection_count == 0)


async def test_an_idle_connection_of_ours_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tls_dialled, "_IDLE_S", 0.2)
    async with tls_party() as party:
        server = party.open()
        peer = party.peer(server)
        await peer.fetch(chunk(0, 10), read_all)
        await until(lambda: peer.connection_count == 0)
        assert await peer.fetch(chunk(0, 10), read_all) == pattern(0, 10)


async def test_a_reader_that_stalls_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tls_caller, "UPLOAD_SLICE_TIMEOUT_S", 0.5)

    def slices(request: messages.GetGameFileChunk) -> Iterable[bytes]:
        # More than all buffers between the two hold.
        return (bytes(65536) for _ in range(request.length // 65536))

    async with tls_party() as party:
        server = party.open(slices)
        key = make_key()
        caller, _ = await proven(
            server.port, lambda nonce: own_hello(key)(party.id_of(server), nonce)
        )
        caller.writer.transport.pause_reading()  # type: ignore[attr-defined]
        for _ in range(40):
            caller.writer.write(encode_frame(chunk(0, MAX_CHUNK_BYTES)))
        await until(lambda: server.connection_count == 0)
        caller.close()


async def test_a_server_that_stalls_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tls_dialled, "STALL_TIMEOUT_S", 0.5)
    release = threading.Event()

    def slices(request: messages.GetGameFileChunk) -> Iterable[bytes]:
        yield bytes(10)
        yield bytes(10)
        release.wait(30.0)
        yield bytes(request.length - 20)

    async with tls_party() as party:
        peer = party.peer(party.open(slices))
        answers = await asyncio.gather(
            peer.fetch(chunk(0, 1000), read_all),
            peer.fetch(chunk(0, 1000), read_all),
            return_exceptions=True,
        )
        release.set()
        assert [type(one) for one in answers] == [errors.Stalled, errors.ConnectionLost]


def garbage(_: int) -> bytes:
    return os.urandom(5000)


def http(_: int) -> bytes:
    return b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 200


@pytest.mark.parametrize("nonsense", [garbage, http])
async def test_whoever_sends_no_tls_is_sent_away_and_its_address_waits(
    nonsense: Callable[[int], bytes],
) -> None:
    async with tls_party() as party:
        server = party.open()

        async def bother(number: int) -> None:
            one = plain_socket(server.port)
            try:
                one.sendall(nonsense(number))
                # A random length may announce more than came.
                one.shutdown(socket.SHUT_WR)
                while await asyncio.to_thread(one.recv, 65536):
                    pass
            except OSError:
                pass
            finally:
                one.close()

        now = asyncio.get_running_loop().time
        for number in range(3 * OFFENCE_BURST):
            await bother(number)
            if party.offences.waits(LOOPBACK, now=now()):
                break
        assert party.offences.waits(LOOPBACK, now=now())
        refused = plain_socket(server.port)
        assert await asyncio.to_thread(refused.recv, 1) == b""
        refused.close()


def notes_of(offences: Offences, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every address that is noted from now on."""
    noted: list[str] = []
    note = offences.note

    def listen(host: str, *, now: float) -> bool:
        noted.append(host)
        return note(host, now=now)

    monkeypatch.setattr(offences, "note", listen)
    return noted


@pytest.mark.parametrize(
    "frame",
    [
        (MAX_REQUEST_BYTES + 1).to_bytes(LENGTH_BYTES, "big"),
        bytes(LENGTH_BYTES),
        b"\xff" * 100_000,
    ],
    ids=["too long", "empty", "nonsense"],
)
async def test_a_broken_frame_ends_the_connection_and_is_noted(
    frame: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with tls_party() as party:
        server = party.open()
        noted = notes_of(party.offences, monkeypatch)
        caller = await RawCaller.open(server.port)
        caller.writer.write(frame)
        await caller.ended()
        assert noted == [LOOPBACK]


async def test_a_request_that_is_none_is_refused_and_noted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with tls_party() as party:
        server = party.open()
        noted = notes_of(party.offences, monkeypatch)
        caller = await RawCaller.open(server.port)
        for body in (b"{", b'"Reboot"'):
            caller.writer.write(len(body).to_bytes(LENGTH_BYTES, "big") + body)
            assert await caller.body()
        assert noted == [LOOPBACK] * 2
        caller.close()


async def test_memory_is_bounded_however_much_is_asked_ahead() -> None:
    gate = threading.Event()

    def slices(request: messages.GetGameFileChunk) -> Iterable[bytes]:
        gate.wait(30.0)
        yield bytes(request.length)

    async with tls_party() as party:
        server = party.open(slices)
        key = make_key()
        caller, _ = await proven(
            server.port, lambda nonce: own_hello(key)(party.id_of(server), nonce)
        )
        flood = encode_frame(chunk(0, 1)) * 1000
        [accepted] = party.hosts[server].callers
        for _ in range(200):
            caller.writer.write(flood)
        await until(lambda: chunk(0, 1) in party.hosts[server].requests)
        # It reads no further than one frame of the largest size.
        assert len(accepted._frames._received) <= 2 * MAX_REQUEST_BYTES
        caller.close()
        gate.set()


async def test_answers_that_break_the_rules_are_malformed() -> None:
    answers = [
        encode_frame(messages.Bye()),
        (1 << 30).to_bytes(LENGTH_BYTES, "big"),
        b"\x00\x00\x00\x01{",
        b'\x00\x00\x00\x1a{"Data":{"length":9999999}}',
    ]
    key = make_key()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in (
            encode_frame(messages.Nonce(nonce="0" * 64)),
            encode_frame(ack),
            answers[0],
        ):
            length = int.from_bytes(await reader.readexactly(LENGTH_BYTES), "big")
            await reader.readexactly(length)
            writer.write(answer)
        await reader.read()
        writer.close()

    async with tls_party() as party:
        context = server_context(key, make_certificate(key))
        server = await asyncio.start_server(serve, LOOPBACK, 0, ssl=context)
        ack = messages.HelloAck(
            peer_id=id_of(key), instance="0" * 32, name="x", proto_min=1, proto_max=1, listen_port=1
        )
        address = Address(LOOPBACK, server.sockets[0].getsockname()[1])
        while answers:
            peer = party.client().peer(address, id_of(key))
            with pytest.raises(errors.MalformedMessage):
                await peer.fetch(chunk(0, 10), read_all)
            answers.pop(0)
        server.close()
        await server.wait_closed()


@pytest.mark.parametrize("first", ["server", "client"])
async def test_a_close_under_load_leaves_nothing_and_takes_no_time(first: str) -> None:
    def slices(request: messages.GetGameFileChunk) -> Iterable[bytes]:
        return (bytes(65536) for _ in range(request.length // 65536))

    async with tls_party() as party:
        server = party.open(slices)
        client = party.client()
        peer = party.peer(server, client)
        reading = threading.Semaphore(0)

        def read(reader: DataReader) -> None:
            reading.release()
            read_all(reader)

        async def keep_on() -> None:
            while True:
                await peer.fetch(chunk(0, MAX_CHUNK_BYTES), read)

        loads = [asyncio.ensure_future(keep_on()) for _ in range(12)]
        for _ in range(24):
            await until(lambda: reading.acquire(blocking=False))
        loop = asyncio.get_running_loop()
        started = loop.time()
        for end in (server, client) if first == "server" else (client, server):
            await end.close()
        took = loop.time() - started
        for load in loads:
            load.cancel()
        ends = await asyncio.gather(*loads, return_exceptions=True)
        assert not [end for end in ends if not isinstance(end, BaseException)]
        # It must not have waited for any timeout; the shortest is 5 s.
        assert took < 4.0
        assert not [one for one in threading.enumerate() if one.name.startswith("tls-")]
