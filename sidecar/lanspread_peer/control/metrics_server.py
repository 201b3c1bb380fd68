"""The little HTTP server that Prometheus scrapes: one path, loopback only, one answer per call.

A page in a browser can reach loopback too, under a name of its own that it has rebound to
127.0.0.1; so the Host header must be the very address that is listened on. Few connections at a
time, each short-lived, whatever callers send.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from ipaddress import ip_address

from lanspread_peer.model.errors import CannotBind, InvalidField
from lanspread_peer.model.limits import (
    MAX_METRICS_CONNECTIONS,
    MAX_METRICS_REQUEST_BYTES,
    METRICS_TIMEOUT_S,
)
from lanspread_peer.runtime.tasks import TaskSet

PATH = "/metrics"
EXPECTED = "a loopback address such as 127.0.0.1:PORT or [::1]:PORT"
_END = b"\r\n\r\n"


@asynccontextmanager
async def serve_metrics(
    address: str, text: Callable[[], bytes], content_type: str
) -> AsyncIterator[str]:
    """Answer scrapes at this address with what `text` makes; gives the address with its port.

    Raises InvalidField for one that is not loopback, and CannotBind.
    """
    host, port = split_loopback(address)
    server = _Server(text, content_type)
    try:
        listening = await asyncio.start_server(
            server.connected, host, port, limit=MAX_METRICS_REQUEST_BYTES
        )
    except OSError as error:
        raise CannotBind(
            f"cannot listen on {address}: {error.strerror}", address=address
        ) from error
    try:
        bound = listening.sockets[0].getsockname()[1]
        server.hosts = _hosts(host, bound)
        yield f"[{host}]:{bound}" if ":" in host else f"{host}:{bound}"
    finally:
        listening.close()
        await server.close()


def split_loopback(address: str) -> tuple[str, int]:
    """Host and port, which may be 0, of a loopback address; raises InvalidField."""
    host, _, port = address.rpartition(":")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    try:
        is_loopback = ip_address(bare).is_loopback and (bare != host) is (":" in bare)
    except ValueError:
        is_loopback = False
    is_port = port.isascii() and port.isdigit() and len(port) <= 5 and int(port) <= 65535
    if not is_loopback or not is_port or "%" in bare:
        raise InvalidField("metrics", EXPECTED, address[:120])
    return bare, int(port)


def _hosts(host: str, port: int) -> frozenset[bytes]:
    shown = f"[{host}]" if ":" in host else host
    return frozenset(f"{name}:{port}".encode() for name in (shown, "localhost"))


class _Server:
    def __init__(self, text: Callable[[], bytes], content_type: str) -> None:
        self._text = text
        self._content_type = content_type
        self._tasks = TaskSet()
        self._open = 0
        self.hosts: frozenset[bytes] = frozenset()

    def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer a caller in a task of its own, unless too many are there."""
        if self._open >= MAX_METRICS_CONNECTIONS:
            writer.transport.abort()
            return
        self._open += 1
        task = self._tasks.spawn("scrape", self._answer(reader, writer))
        # Not in the task: one that is cancelled before its first step runs nothing of it.
        task.add_done_callback(lambda _: self._gone(writer))

    async def close(self) -> None:
        """End all calls."""
        await self._tasks.close()

    def _gone(self, writer: asyncio.StreamWriter) -> None:
        self._open -= 1
        writer.transport.abort()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(METRICS_TIMEOUT_S):
                status, body = self._judge(await _head(reader))
                writer.write(self._response(status, body))
                writer.write_eof()
                await writer.drain()
                # Until the caller has it and hangs up, or the answer could be cut off.
                while await reader.read(MAX_METRICS_REQUEST_BYTES):
                    pass
        except (TimeoutError, OSError):
            return

    def _judge(self, head: bytes | None) -> tuple[HTTPStatus, bytes]:
        if head is None:
            return HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, b""
        request, *lines = head.split(b"\r\n")
        hosts = [
            value.strip().lower()
            for name, _, value in (line.partition(b":") for line in lines)
            if name.lower() == b"host"
        ]
        if len(hosts) != 1:
            return HTTPStatus.BAD_REQUEST, b""
        if hosts[0] not in self.hosts:
            return HTTPStatus.MISDIRECTED_REQUEST, b""
        match request.split(b" "):
            case [b"GET", path, b"HTTP/1.0" | b"HTTP/1.1"] if path == PATH.encode():
                return HTTPStatus.OK, self._text()
            case [b"GET", _, b"HTTP/1.0" | b"HTTP/1.1"]:
                return HTTPStatus.NOT_FOUND, b""
            case [_, _, b"HTTP/1.0" | b"HTTP/1.1"]:
                return HTTPStatus.METHOD_NOT_ALLOWED, b""
        return HTTPStatus.BAD_REQUEST, b""

    def _response(self, status: HTTPStatus, body: bytes) -> bytes:
        head = (
            f"HTTP/1.1 {status.value} {status.phrase}",
            f"Content-Type: {self._content_type}",
            f"Content-Length: {len(body)}",
            "Connection: close",
        )
        return "\r\n".join(head).encode("ascii") + _END + body


async def _head(reader: asyncio.StreamReader) -> bytes | None:
    """A request without its body; None when it is too long. Raises OSError when the caller goes."""
    try:
        return (await reader.readuntil(_END)).removesuffix(_END)
    except asyncio.LimitOverrunError:
        return None
    except asyncio.IncompleteReadError as error:
        raise ConnectionResetError("the caller is gone") from error
