"""aioquic as it comes: its asyncio protocol, one stream, its own settings.

Also the program of both ends, see `python_program`.
"""

import asyncio
import sys
import time
from functools import partial
from pathlib import Path

import blake3
from aioquic.asyncio.client import connect
from aioquic.asyncio.server import serve as listen
from aioquic.quic.configuration import QuicConfiguration

from bench.peers.certificate import HOST
from bench.peers.contender import Contender
from bench.peers.python_program import serving_by
from bench.processes import free_port

ALPN = ["file"]
SLICE_BYTES = 256 * 2**10


# It holds all that it has yet to send in memory.
STOCK_QUIC = Contender(
    "aioquic", "QUIC (TLS 1.3)", "BLAKE3 of the file, not compared", serving_by(__name__), part=16
)


async def serve(file: str, certificate: str, key: str) -> None:
    """Answer every stream with the file."""
    configuration = QuicConfiguration(is_client=False, alpn_protocols=ALPN)
    configuration.load_cert_chain(certificate, key)
    answers: set[asyncio.Task[None]] = set()

    def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(_send_file(writer, file))
        answers.add(task)
        task.add_done_callback(answers.discard)

    port = free_port()
    await listen(HOST, port, configuration=configuration, stream_handler=answer)
    print(port, flush=True)
    await asyncio.Event().wait()


async def _send_file(writer: asyncio.StreamWriter, file: str) -> None:
    with Path(file).open("rb") as source:  # noqa: ASYNC230 - on tmpfs
        for data in iter(partial(source.read, SLICE_BYTES), b""):
            writer.write(data)
            await writer.drain()
    writer.write_eof()


async def get(port: int, certificate: str, target: str) -> None:
    """Fetch it once."""
    configuration = QuicConfiguration(is_client=True, alpn_protocols=ALPN)
    configuration.load_verify_locations(certificate)
    hasher = blake3.blake3()
    started = time.perf_counter()
    async with connect(HOST, port, configuration=configuration) as connection:
        reader, writer = await connection.create_stream()
        writer.write_eof()
        with Path(target).open("wb") as file:  # noqa: ASYNC230 - on tmpfs
            while data := await reader.read(SLICE_BYTES):
                hasher.update(data)
                file.write(data)
    print(time.perf_counter() - started)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["serve", served, its_certificate, its_key]:
            asyncio.run(serve(served, its_certificate, its_key))
        case ["get", its_port, its_certificate, fetched]:
            asyncio.run(get(int(its_port), its_certificate, fetched))
        case _:
            sys.exit(__doc__)
