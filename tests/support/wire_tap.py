"""Somebody between two ends on loopback, who sees what they send each other, and may change it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

LOOPBACK = "127.0.0.1"
_PIECE_BYTES = 8192


class WireTap:
    """Relays to one port; `change` makes another text of each piece that comes back.

    With `pace_s` no piece comes back sooner after the last one than that.
    """

    def __init__(self, port: int) -> None:
        self._upstream = port
        self._relays: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.change: Callable[[bytes], bytes] = bytes
        self.came_back = bytearray()
        self.pace_s = 0.0
        self.connections = 0

    @property
    def port(self) -> int:
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._relay, LOOPBACK, 0)

    async def close(self) -> None:
        assert self._server is not None
        self._server.close()
        for relay in self._relays:
            relay.cancel()
        if self._relays:
            await asyncio.wait(self._relays)
        await self._server.wait_closed()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._relays.add(task)
        self.connections += 1
        far_reader, far_writer = await asyncio.open_connection(LOOPBACK, self._upstream)
        there = asyncio.create_task(_copy(reader, far_writer, bytes))
        # asyncio.start_server reports a cancelled callback as an error.
        with contextlib.suppress(asyncio.CancelledError, OSError):
            await _copy(far_reader, writer, self._back, lambda: asyncio.sleep(self.pace_s))
        there.cancel()
        await asyncio.wait({there})
        for each in (writer, far_writer):
            each.transport.abort()
        self._relays.discard(task)

    def _back(self, data: bytes) -> bytes:
        self.came_back += data
        return self.change(data)


async def _copy(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    change: Callable[[bytes], bytes],
    pause: Callable[[], Awaitable[None]] | None = None,
) -> None:
    while data := await reader.read(_PIECE_BYTES):
        writer.write(change(data))
        await writer.drain()
        if pause:
            await pause()


@asynccontextmanager
async def wire_tap(port: int) -> AsyncIterator[WireTap]:
    """A tap that is gone at the end of the block."""
    tap = WireTap(port)
    await tap.open()
    try:
        yield tap
    finally:
        await tap.close()
