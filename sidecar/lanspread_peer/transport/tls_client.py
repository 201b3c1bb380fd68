"""The dialling end of the TLS transport: a few connections to each peer, and what is asked on them.

A request goes to the connection with the fewest; another connection is opened while each has as
many as may be sent, so that one request alone opens one, and a download fills four.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar
from weakref import WeakSet

from lanspread_peer.model.errors import ConnectionLost
from lanspread_peer.model.ids import PeerId
from lanspread_peer.model.limits import MAX_BULK_CONNECTIONS_PER_PEER, MAX_REQUEST_BUFFERS
from lanspread_peer.model.peer import Address
from lanspread_peer.transport.credentials import Credentials
from lanspread_peer.transport.tls_context import client_context
from lanspread_peer.transport.tls_dialled import MAX_SENT, Job, TlsDialled
from lanspread_peer.transport.tls_dialling import Dialling, OwnHello
from lanspread_peer.transport.tls_line import TlsLine
from lanspread_peer.transport.tls_reader import DataReader
from lanspread_peer.transport.worker_threads import WorkerThreads
from lanspread_peer.wire.frames import encode_frame
from lanspread_peer.wire.messages import Message

_Result = TypeVar("_Result")


class TlsPeer:
    """One peer, and one way to connect to it; made by `TlsClient.peer` or `peer_by`."""

    def __init__(
        self, name: str, dial: Callable[[], Awaitable[TlsLine]], threads: WorkerThreads
    ) -> None:
        self._name = name
        self._dial = dial
        self._threads = threads
        self._connections: dict[TlsDialled, asyncio.Task[None]] = {}
        self._is_closed = False

    @property
    def connection_count(self) -> int:
        """Connections that are open or being opened."""
        return len(self._connections)

    async def fetch(
        self,
        request: Message,
        consume: Callable[[DataReader], _Result],
        on_bytes: Callable[[int], None] | None = None,
    ) -> _Result:
        """Ask for bytes; `consume` takes them in a worker thread, and what it returns is returned.

        `on_bytes` hears of progress in the loop, first of 0 bytes when the peer is reached. When a
        request is cancelled after it was sent, or its consumer does not read to the end, its
        connection is closed, and the requests behind it are sent again on another. Cancelling waits
        until `consume` has returned.

        Raises what `consume` raises, the error that the peer refuses with, ConnectionLost,
        Stalled, MalformedMessage, IdentityMismatch, or NotAMember and its kin. When a connection
        breaks, the requests that were sent on it fail, the second of them with ConnectionLost.
        """
        if self._is_closed:
            raise ConnectionLost("the transport is closed")
        job = Job(encode_frame(request), consume, on_bytes)
        self._assign(job)
        try:
            result: _Result = await asyncio.shield(job.done)
        except asyncio.CancelledError:
            for connection in self._connections:
                connection.withdraw(job)
            while not job.done.done():
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.wait({job.done})
            raise
        return result

    async def close(self) -> None:
        """Close all connections; what is asked fails with ConnectionLost. Twice is no error."""
        self._is_closed = True
        while tasks := list(self._connections.values()):
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    def _assign(self, job: Job) -> None:
        connection = min(self._connections, key=lambda one: one.job_count, default=None)
        is_full = connection is None or connection.job_count >= MAX_SENT
        if connection is None or (
            is_full and len(self._connections) < MAX_BULK_CONNECTIONS_PER_PEER
        ):
            connection = self._open()
        connection.add(job)

    def _open(self) -> TlsDialled:
        connection = TlsDialled(self._dial, self._threads)
        self._connections[connection] = asyncio.get_running_loop().create_task(
            self._run(connection), name=f"bulk connection to {self._name}"
        )
        return connection

    async def _run(self, connection: TlsDialled) -> None:
        try:
            left = await connection.run()
        finally:
            del self._connections[connection]
        for job in left:
            if self._is_closed:
                job.fail(ConnectionLost("the transport is closed"))
            else:
                self._assign(job)


class TlsClient:
    """Dials peers by TLS; the caller must `close` it."""

    def __init__(self, credentials: Credentials, own_hello: OwnHello, *, bind: str = "") -> None:
        self._dialling = Dialling(client_context(), credentials, own_hello, bind)
        # A thread without a buffer for its chunk could do nothing.
        self._threads = WorkerThreads("tls-fetch", MAX_REQUEST_BUFFERS)
        self._peers: WeakSet[TlsPeer] = WeakSet()

    def peer(self, address: Address, peer_id: PeerId) -> TlsPeer:
        """A peer to ask; it connects when it is asked. Its user closes it."""
        return self.peer_by(str(address), partial(self._dialling.dial, address, peer_id))

    def peer_by(self, name: str, dial: Callable[[], Awaitable[TlsLine]]) -> TlsPeer:
        """A peer to ask, on lines that `dial` brings and on which it waits for requests."""
        peer = TlsPeer(name, dial, self._threads)
        self._peers.add(peer)
        return peer

    @property
    def connection_count(self) -> int:
        """Connections that are open or being opened."""
        return sum(peer.connection_count for peer in self._peers)

    async def close(self) -> None:
        """Close all peers and end all threads; twice is no error."""
        for peer in list(self._peers):
            await peer.close()
        self._threads.close()
