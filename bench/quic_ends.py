"""The processes of the row `quic`: a server and a client, ours and aioquic's stock protocol.

A server prints its port, serves until its standard input closes, and prints what it cost. A client
fetches so many bytes and prints how long that took. All lines are JSON.
"""

import asyncio
import json
import ssl
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aioquic.asyncio.client import connect
from aioquic.asyncio.server import serve
from aioquic.quic.configuration import QuicConfiguration
from cryptography.hazmat.primitives.asymmetric import ec

from lanspread_peer.model.limits import KIB, MAX_CHUNK_BYTES
from lanspread_peer.model.peer import Address
from lanspread_peer.transport.base import Connection, Stream
from lanspread_peer.transport.certificate import make_certificate
from lanspread_peer.transport.credentials import Credentials
from lanspread_peer.transport.quic_endpoint import QuicTransport

CONTENDERS = ("ours", "stock")

# What a downloader has out at one source; each asks for one chunk, as our protocol does.
_ANSWERS_AT_ONCE = 4
_READ_BYTES = 256 * KIB
_TICK_S = 0.005


class LoopDelay:
    """How late the event loop wakes up, seen by a task that sleeps a little again and again."""

    def __init__(self) -> None:
        self._delays: list[float] = []

    async def watch(self) -> None:
        """Run until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + _TICK_S
            await asyncio.sleep(_TICK_S)
            self._delays.append(loop.time() - due)

    def p99_ms(self) -> float:
        """The 99th percentile so far; 0 when nothing was seen."""
        ordered = sorted(self._delays)
        return ordered[len(ordered) * 99 // 100] * 1000 if ordered else 0.0


@asynccontextmanager
async def _watched_loop() -> AsyncIterator[LoopDelay]:
    delay = LoopDelay()
    watcher = asyncio.get_running_loop().create_task(delay.watch())
    try:
        yield delay
    finally:
        watcher.cancel()


def _say(**line: object) -> None:
    print(json.dumps(line), flush=True)


async def _until_stdin_closes() -> None:
    await asyncio.to_thread(sys.stdin.read)


async def _serve_ours(host: str) -> None:
    async def answer(_: Connection, stream: Stream) -> None:
        asked = b""
        while data := await stream.receive():
            asked += data
        await stream.send(bytes(int(asked)), end=True)

    key = ec.generate_private_key(ec.SECP256R1())
    transport = QuicTransport.open(
        bind=host, port=0, credentials=Credentials(key), on_stream=answer
    )
    _say(port=transport.port)
    await _until_stdin_closes()
    await transport.close()


async def _fetch_ours(host: str, port: int, size: int) -> float:
    async def refuse(_: Connection, stream: Stream) -> None:
        stream.reset(1)

    async def fetch(connection: Connection, chunks: list[int]) -> None:
        while chunks:
            wanted = chunks.pop()
            stream = connection.open_stream()
            await stream.send(b"%d" % wanted, end=True)
            got = 0
            while data := await stream.receive():
                got += len(data)
            _require_all(got, wanted)

    key = ec.generate_private_key(ec.SECP256R1())
    transport = QuicTransport.open(
        bind=host, port=0, credentials=Credentials(key), on_stream=refuse
    )
    connection = await transport.dial(Address(host, port), None)
    chunks = [MAX_CHUNK_BYTES] * (size // MAX_CHUNK_BYTES)
    started = time.perf_counter()
    await asyncio.gather(*(fetch(connection, chunks) for _ in range(_ANSWERS_AT_ONCE)))
    seconds = time.perf_counter() - started
    await transport.close()
    return seconds


async def _serve_stock(host: str) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(bytes(int(await reader.read())))
        writer.write_eof()

    tasks: set[asyncio.Task[None]] = set()

    def on_stream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(answer(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    key = ec.generate_private_key(ec.SECP256R1())
    configuration = QuicConfiguration(is_client=False, alpn_protocols=["bench"])
    configuration.certificate, configuration.private_key = make_certificate(key), key
    server = await serve(host, 0, configuration=configuration, stream_handler=on_stream)
    assert server._transport is not None
    _say(port=server._transport.get_extra_info("sockname")[1])
    await _until_stdin_closes()
    server.close()


async def _fetch_stock(host: str, port: int, size: int) -> float:
    configuration = QuicConfiguration(
        is_client=True, alpn_protocols=["bench"], verify_mode=ssl.CERT_NONE
    )
    async with connect(host, port, configuration=configuration) as client:
        started = time.perf_counter()
        reader, writer = await client.create_stream()
        writer.write(b"%d" % size)
        writer.write_eof()
        got = 0
        while data := await reader.read(_READ_BYTES):
            got += len(data)
        seconds = time.perf_counter() - started
    _require_all(got, size)
    return seconds


def _require_all(got: int, wanted: int) -> None:
    if got != wanted:
        raise SystemExit(f"{got} bytes came instead of {wanted}")


async def _main(role: str, contender: str, host: str, *rest: str) -> None:
    async with _watched_loop() as delay:
        if role == "serve":
            await (_serve_ours if contender == "ours" else _serve_stock)(host)
            _say(cpu_s=time.process_time(), loop_delay_p99_ms=delay.p99_ms())
            return
        fetch = _fetch_ours if contender == "ours" else _fetch_stock
        port, size = (int(one) for one in rest)
        seconds = await fetch(host, port, size)
    _say(seconds=seconds, cpu_s=time.process_time(), loop_delay_p99_ms=delay.p99_ms())


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:]))
