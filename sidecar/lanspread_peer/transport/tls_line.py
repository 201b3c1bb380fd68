"""A connected TCP socket with its session: what both ends of the TLS transport talk over.

The session is TLS at first, and whatever both ends have agreed on to go on with after it.
The event loop has a line while it waits for requests, and a worker thread while bytes of games go
over it; never both, as a session has one user at a time. `in_thread` marks that time. Only `cut`
may be called from anywhere: it shuts down the plain socket below the session, which wakes whoever
waits on it.
"""

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from threading import Lock
from typing import Protocol

from lanspread_peer.model.errors import ConnectionLost, MalformedMessage, Stalled
from lanspread_peer.model.limits import KIB
from lanspread_peer.transport.background_marking import mark_as_background
from lanspread_peer.transport.tls_session import TlsSession

# Of the loop, which must not be held long; a request or an answer to it fits many times.
_LOOP_READ_BYTES = 16 * KIB


class Session(Protocol):
    """How plain bytes become what goes over the socket, and back."""

    def room(self) -> memoryview:
        """Where the next bytes from the other end are to be put."""
        ...

    def came(self, count: int) -> None:
        """So many bytes lie where `room` begins."""
        ...

    def read_into(self, view: memoryview) -> int:
        """Plain bytes; 0 when more must come first. Raises ConnectionLost or MalformedMessage.

        After an error nothing in the view may be used.
        """
        ...

    def write(self, data: bytes | memoryview) -> None:
        """Encrypt all of it."""
        ...

    def take_outgoing(self) -> bytes | bytearray:
        """What is to be sent to the other end now."""
        ...


class TlsLine:
    """Owns the socket, which it makes non-blocking; the caller closes it."""

    def __init__(self, connected: socket.socket, tls: TlsSession) -> None:
        connected.setblocking(False)
        mark_as_background(connected)
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = connected
        # None once it has done its part.
        self._tls: TlsSession | None = tls
        self._session: Session = tls
        self._waiting: dict[str, asyncio.Future[None]] = {}
        self._loop_view = memoryview(bytearray(_LOOP_READ_BYTES))
        # Keeps a cut from hitting another socket that got the number of a closed one.
        self._lock = Lock()
        self._is_cut = False
        self._is_closed = False

    @property
    def is_cut(self) -> bool:
        """Whether it was cut or closed from this end."""
        return self._is_cut

    # In the event loop.

    async def shake_hands(self) -> None:
        """Raises ConnectionLost or MalformedMessage; the caller bounds the time."""
        assert self._tls is not None
        while True:
            is_done = self._tls.shake_hands()
            await self._flush()
            if is_done:
                return
            await self._feed()

    def go_on_with(self, session: Session) -> None:
        """From here on, this is what both ends talk by; raises MalformedMessage if more came."""
        assert self._tls is not None
        if not self._tls.is_empty:
            raise MalformedMessage("bytes that nobody asked for")
        self._tls, self._session = None, session

    async def receive(self) -> bytes:
        """The next plain bytes; raises ConnectionLost at the end, or MalformedMessage.

        Cancelling it loses nothing.
        """
        while not (count := self._session.read_into(self._loop_view)):
            if not await self._feed():
                # Others have their turn, however small the pieces are that come.
                await asyncio.sleep(0)
        return bytes(self._loop_view[:count])

    async def send(self, data: bytes) -> None:
        """Send all of it; raises ConnectionLost. The line is of no use once this was cancelled."""
        self._session.write(data)
        await self._flush()

    async def _flush(self) -> None:
        rest = memoryview(self._session.take_outgoing())
        while rest:
            try:
                rest = rest[self._socket.send(rest) :]
            except (BlockingIOError, InterruptedError):
                await self._wait("write")
            except OSError as error:
                raise _lost(error) from error

    async def _feed(self) -> bool:
        """Take what comes next; whether it had to wait for that."""
        room = self._session.room()
        has_waited = False
        while True:
            try:
                count = self._socket.recv_into(room)
                break
            except (BlockingIOError, InterruptedError):
                await self._wait("read")
                has_waited = True
            except OSError as error:
                raise _lost(error) from error
        if not count:
            raise ConnectionLost("the other end closed the connection")
        self._session.came(count)
        return has_waited

    async def _wait(self, direction: str) -> None:
        # Not asyncio's sock_recv: data that it took is lost if it is cancelled at that moment.
        if self._is_closed:
            raise ConnectionLost("the connection is closed")
        loop = asyncio.get_running_loop()
        add = loop.add_reader if direction == "read" else loop.add_writer
        remove = loop.remove_reader if direction == "read" else loop.remove_writer
        ready = self._waiting[direction] = loop.create_future()
        # Not the socket, which asyncio would make a text of each time, with its addresses.
        descriptor = self._socket.fileno()
        add(descriptor, _set_done, ready)
        try:
            await ready
        finally:
            # A task that was cancelled may end after the next one has begun to wait.
            if self._waiting.get(direction) is ready:
                del self._waiting[direction]
                remove(descriptor)

    # In the thread that has it.

    @contextmanager
    def in_thread(self, timeout_s: float) -> Iterator[None]:
        """Use it in this thread; a call that takes longer raises Stalled."""
        self._socket.settimeout(timeout_s)
        try:
            yield
        finally:
            self._socket.settimeout(0.0)

    def read_into(self, view: memoryview, on_received: Callable[[int], None]) -> int:
        """Plain bytes, at least one; raises ConnectionLost, Stalled or MalformedMessage.

        `on_received` hears of bytes as they come, long before they can be read on a slow way.
        """
        while not (count := self._session.read_into(view)):
            room = self._session.room()
            received = self._blocking(partial(self._socket.recv_into, room))
            if not received:
                raise ConnectionLost("the other end closed the connection")
            self._session.came(received)
            on_received(received)
        return count

    def write(self, *parts: bytes | memoryview) -> None:
        """Send all of them, within one timeout; raises ConnectionLost or Stalled."""
        for part in parts:
            self._session.write(part)
        outgoing = self._session.take_outgoing()
        self._blocking(lambda: self._socket.sendall(outgoing))

    def _blocking(self, call: Callable[[], int | None]) -> int:
        if self._is_cut:
            raise ConnectionLost("the connection was cut")
        try:
            return call() or 0
        except TimeoutError as error:
            raise Stalled("no byte went for too long") from error
        except OSError as error:
            raise _lost(error) from error

    # Anywhere.

    def cut(self) -> None:
        """Make every use of it end soon, with ConnectionLost."""
        with self._lock:
            self._is_cut = True
            if not self._is_closed:
                _shut_down(self._socket)

    def close(self) -> None:
        """Free the socket, in the loop and while no thread has it; twice is no error."""
        loop = asyncio.get_running_loop()
        with self._lock:
            if self._is_closed:
                return
            self._is_cut = self._is_closed = True
            loop.remove_reader(self._socket)
            loop.remove_writer(self._socket)
            self._socket.close()
        for ready in self._waiting.values():
            _set_done(ready)
        self._waiting.clear()


def _set_done(ready: "asyncio.Future[None]") -> None:
    if not ready.done():
        ready.set_result(None)


def _shut_down(connected: socket.socket) -> None:
    try:
        connected.shutdown(socket.SHUT_RDWR)
    except OSError:
        # The other end was first, and whoever waits here hears of that.
        return


def _lost(error: OSError) -> ConnectionLost:
    return ConnectionLost(f"the connection broke: {error}")
