"""Streams between two real transports on loopback: one request each, however it ends."""

import asyncio

import pytest

from lanspread_peer.model.errors import (
    Busy,
    StreamReset,
)
from lanspread_peer.model.limits import MAX_STREAMS_PER_CONNECTION
from lanspread_peer.transport.base import Connection, Stream
from support.quic_party import ask, echo, party, receive_all, until


async def test_either_end_opens_streams_on_one_connection() -> None:
    async with party() as made:
        connection = await made.connect()
        await until(lambda: bool(made.accepted))
        (accepted,) = made.accepted
        here, there = ask(connection, b"from here"), ask(accepted, b"from there")
        assert list(await asyncio.gather(here, there)) == [b"from here", b"from there"]


async def test_hundreds_of_exchanges_fit_one_connection() -> None:
    async with party() as made:
        connection = await made.connect()

        async def exchanges() -> None:
            for index in range(60):
                assert await ask(connection, bytes([index])) == bytes([index])

        await asyncio.gather(*(exchanges() for _ in range(8)))
        await until(lambda: not connection._streams)


async def test_too_many_streams_at_once_are_busy_and_free_again_later() -> None:
    gate = asyncio.Event()

    async def held(connection: Connection, stream: Stream) -> None:
        await gate.wait()
        await echo(connection, stream)

    async with party() as made:
        connection = await made.connect(held)
        streams = [connection.open_stream() for _ in range(MAX_STREAMS_PER_CONNECTION)]
        with pytest.raises(Busy):
            connection.open_stream()
        for stream in streams:
            await stream.send(b"x", end=True)
        gate.set()
        for stream in streams:
            assert await receive_all(stream) == b"x"
        await until(lambda: not connection._streams and connection._quic.can_open_stream())
        assert await ask(connection, b"again") == b"again"


async def test_a_reset_carries_its_code_to_both_directions() -> None:
    outcomes: list[int] = []

    async def refuse(_connection: Connection, stream: Stream) -> None:
        await stream.receive()
        stream.reset(4)
        stream.reset(5)
        try:
            await stream.send(b"too late")
        except StreamReset as reset:
            outcomes.append(reset.code)

    async with party() as made:
        connection = await made.connect(refuse)
        stream = connection.open_stream()
        await stream.send(b"please")
        with pytest.raises(StreamReset) as caught:
            await receive_all(stream)
        assert caught.value.code == 4
        with pytest.raises(StreamReset) as caught:
            await stream.send(b"more")
        assert caught.value.code == 4
        await until(lambda: outcomes == [4])
        await until(lambda: not connection._streams)


async def test_a_caller_that_cuts_its_request_ends_the_answer() -> None:
    ended: list[int] = []

    async def endless(_connection: Connection, stream: Stream) -> None:
        try:
            while True:
                await stream.send(bytes(100_000))
        except StreamReset as reset:
            ended.append(reset.code)

    async with party() as made:
        connection = await made.connect(endless)
        stream = connection.open_stream()
        await stream.send(b"please", end=True)
        assert await stream.receive()
        stream.reset(2)
        with pytest.raises(StreamReset):
            await stream.receive()
        await until(lambda: ended == [2])
        await until(lambda: not connection._streams)


async def test_who_waits_before_it_sends_hears_of_a_cut_and_of_the_end() -> None:
    begun, heard = list[Stream](), list[Stream]()

    async def waiting(_connection: Connection, stream: Stream) -> None:
        await receive_all(stream)
        begun.append(stream)
        await stream.wait_cut()
        heard.append(stream)

    async with party() as made:
        connection = await made.connect(waiting)
        first, second = connection.open_stream(), connection.open_stream()
        for stream in (first, second):
            await stream.send(b"x", end=True)
        await until(lambda: len(begun) == 2)
        assert heard == []
        first.reset(6)
        await until(lambda: len(heard) == 1)
        connection.close()
        await until(lambda: len(heard) == 2)


async def test_resetting_a_stream_that_is_over_changes_nothing() -> None:
    async with party() as made:
        connection = await made.connect()
        stream = connection.open_stream()
        await stream.send(b"x", end=True)
        assert await receive_all(stream) == b"x"
        stream.reset(6)
        assert await stream.receive() == b""
        assert await ask(connection, b"y") == b"y"


async def test_a_fault_in_an_answer_resets_its_stream_and_nothing_else(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def fault(connection: Connection, stream: Stream) -> None:
        if await stream.receive() == b"fault":
            raise ZeroDivisionError
        await stream.send(b"fine", end=True)

    async with party() as made:
        connection = await made.connect(fault)
        with pytest.raises(StreamReset) as caught:
            await ask(connection, b"fault")
        assert caught.value.code == 6
        assert await ask(connection, b"other") == b"fine"
    assert capsys.readouterr().out.count("answering a stream failed") == 1


async def test_an_answer_without_its_end_is_cut_when_the_handler_returns() -> None:
    async def forgetful(_connection: Connection, stream: Stream) -> None:
        await stream.send(b"half of it")

    async with party() as made:
        connection = await made.connect(forgetful)
        with pytest.raises(StreamReset):
            await ask(connection, b"please")


async def test_an_answer_given_before_the_request_was_read_still_arrives() -> None:
    async def hasty(_connection: Connection, stream: Stream) -> None:
        await stream.send(b"whatever you ask", end=True)

    async with party() as made:
        connection = await made.connect(hasty)
        stream = connection.open_stream()
        await stream.send(b"please")
        assert await receive_all(stream) == b"whatever you ask"
        stream.reset(0)
        await until(lambda: not connection._streams)
