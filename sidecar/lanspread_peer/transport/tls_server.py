"""The listening end of the TLS transport: accepts within limits, serves each caller in a task.

It speaks TLS 1.3 with this node's key; callers prove themselves by Challenge and Hello.
"""

import asyncio
import socket
from collections.abc import Coroutine
from typing import Any

import structlog

from lanspread_peer.core.offences import Offences
from lanspread_peer.model.errors import CannotBind, ConnectionLost
from lanspread_peer.model.ids import PeerId
from lanspread_peer.model.limits import MAX_UPLOAD_SLOTS
from lanspread_peer.model.peer import Address
from lanspread_peer.transport.credentials import Credentials
from lanspread_peer.transport.tcp_listening import accept, open_listening
from lanspread_peer.transport.tls_admission import Place, TlsAdmission
from lanspread_peer.transport.tls_caller import RequestHandler, TlsCaller
from lanspread_peer.transport.tls_dialling import Dialling
from lanspread_peer.transport.tls_line import TlsLine
from lanspread_peer.transport.tls_session import TlsSession
from lanspread_peer.transport.worker_threads import WorkerThreads

_log = structlog.get_logger(__name__)


class TlsServer:
    """Made by `open`; the caller must `close` it."""

    def __init__(
        self,
        listening: list[socket.socket],
        credentials: Credentials,
        on_request: RequestHandler,
        offences: Offences,
    ) -> None:
        self._listening = listening
        self._credentials = credentials
        self._on_request = on_request
        self._offences = offences
        self._admission = TlsAdmission(offences)
        # Whoever holds an upload slot needs one, and nobody else.
        self._threads = WorkerThreads("tls-upload", MAX_UPLOAD_SLOTS)
        self._tasks: set[asyncio.Task[None]] = set()
        self._callers: set[TlsCaller] = set()
        self._is_closed = False

    @classmethod
    def open(
        cls,
        *,
        bind: str,
        port: int,
        credentials: Credentials,
        on_request: RequestHandler,
        offences: Offences,
    ) -> "TlsServer":
        """Listen on this TCP port, or on any free one when it is taken; in a running event loop.

        `bind` is an IP address or empty for all interfaces. `on_request` answers each request by
        one `send` or `send_data` of the caller, or raises an error of the tree. Raises CannotBind.
        """
        try:
            credentials.server_context()
        except OSError as error:
            raise CannotBind(f"cannot load the key for TLS: {error}") from error
        server = cls(open_listening(bind, port), credentials, on_request, offences)
        for one in server._listening:
            server._spawn("accept bulk connections", server._accept(one))
        return server

    @property
    def port(self) -> int:
        """The TCP port it listens on."""
        return int(self._listening[0].getsockname()[1])

    @property
    def connection_count(self) -> int:
        """Accepted connections, those in their handshake included."""
        return self._admission.count

    async def serve_dialled(self, dialling: Dialling, address: Address, peer_id: PeerId) -> None:
        """Dial a peer, and answer what it asks there; returns once it has greeted.

        Raises ConnectionLost when there is no room, or what dialling raises.
        """
        place = self._admission.admit_dialled(address.host, peer_id)
        if place is None:
            raise ConnectionLost("there is no room for another connection")
        try:
            line = await self._dial(dialling, address, peer_id)
        except BaseException:
            self._admission.free(place)
            raise
        self._serve(line, address, place)

    def send_away(self, peer_id: PeerId) -> None:
        """End all connections on which this peer is served."""
        for caller in list(self._callers):
            if caller.peer_id == peer_id:
                caller.close("sent away")

    @property
    def served(self) -> frozenset[PeerId]:
        """The peers that have a connection on which they are served."""
        return frozenset(caller.peer_id for caller in self._callers if caller.peer_id is not None)

    def is_serving(self, peer_id: PeerId) -> bool:
        """Whether this peer has a connection, idle or not, on which it is served."""
        return any(caller.peer_id == peer_id for caller in self._callers)

    async def close(self) -> None:
        """End all connections and threads and free the port; twice is no error."""
        self._is_closed = True
        while self._tasks:
            for task in list(self._tasks):
                task.cancel()
            await asyncio.wait(self._tasks)
        for one in self._listening:
            one.close()
        self._threads.close()

    async def _accept(self, listening: socket.socket) -> None:
        while True:
            connected, address = await accept(listening)
            self._welcome(connected, address)

    async def _dial(self, dialling: Dialling, address: Address, peer_id: PeerId) -> TlsLine:
        line = await dialling.dial(address, peer_id)
        if self._is_closed:
            line.close()
            raise ConnectionLost("the transport is closed")
        return line

    def _welcome(self, connected: socket.socket, address: Address) -> None:
        now = asyncio.get_running_loop().time()
        place = self._admission.admit(address.host, now=now)
        if place is None:
            connected.close()
            return
        session = TlsSession(self._credentials.server_context(), is_server=True)
        try:
            line = TlsLine(connected, session)
        except OSError:
            # It was gone before it was looked at.
            self._admission.free(place)
            connected.close()
            return
        self._serve(line, address, place)

    def _serve(self, line: TlsLine, address: Address, place: Place) -> None:
        caller = TlsCaller(line, address, place, self._admission, self._offences, self._threads)
        self._callers.add(caller)
        task = self._spawn(f"bulk connection of {address}", caller.run(self._on_request))
        # Not in the task: one that is cancelled before its first step runs nothing of it.
        task.add_done_callback(lambda _: self._release(caller))

    def _release(self, caller: TlsCaller) -> None:
        self._callers.discard(caller)
        caller.release()

    def _spawn(self, name: str, work: "Coroutine[Any, Any, None]") -> "asyncio.Task[None]":
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("serving a bulk connection failed", task=task.get_name(), exc_info=error)
