"""A relay on loopback whose connections can be cut, as a network or a sleeping laptop does."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class CutProxy:
    """Relays to one address; `cut` ends the connections there are, not those to come.

    `cut_after` ends the next one when so many bytes have come back by it, all of which arrive.
    After `hang` those there are stay open, and nothing more comes through.
    """

    def __init__(self, host: str, port: int) -> None:
        self._upstream = (host, port)
        self._relays: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._next_bytes: int | None = None
        self._flow = _flowing()
        self.connections = 0

    @property
    def address(self) -> str:
        assert self._server is not None
        return f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def cut(self) -> None:
        for relay in self._relays:
            relay.cancel()

    def cut_after(self, count: int) -> None:
        self._next_bytes = count

    def hang(self) -> None:
        self._flow.clear()
        self._flow = _flowing()

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)

    async def close(self) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        if self._relays:
            await asyncio.wait(self._relays)
        await self._server.wait_closed()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._relays.add(task)
        self.connections += 1
        # asyncio.start_server reports a cancelled callback as an error.
        with contextlib.suppress(asyncio.CancelledError, OSError):
            await self._relay(reader, writer)
        self._relays.discard(task)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        count, self._next_bytes = self._next_bytes, None
        flow = self._flow
        far_reader, far_writer = await asyncio.open_connection(*self._upstream)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(_copy(reader, far_writer, flow))
                group.create_task(_copy(far_reader, writer, flow, count))
        finally:
            for each in (writer, far_writer):
                each.transport.abort()


def _flowing() -> asyncio.Event:
    flow = asyncio.Event()
    flow.set()
    return flow


async def _copy(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    flow: asyncio.Event,
    count: int | None = None,
) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65536 if count is None else count):
            await flow.wait()
            writer.write(data)
            await writer.drain()
            if count is not None:
                count -= len(data)
        writer.close()


@asynccontextmanager
async def cut_proxy(address: str) -> AsyncIterator[CutProxy]:
    """A proxy in front of `host:port`."""
    host, _, port = address.rpartition(":")
    proxy = CutProxy(host, int(port))
    await proxy.open()
    try:
        yield proxy
    finally:
        await proxy.close()
