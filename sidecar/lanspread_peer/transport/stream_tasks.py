"""Runs one task for each stream that a peer opens; no peer and no fault in one reaches another."""

import asyncio
from collections import Counter

import structlog

from lanspread_peer.model.errors import SourceUnavailable
from lanspread_peer.model.limits import MAX_STREAMS_PER_CONNECTION
from lanspread_peer.transport.base import StreamHandler
from lanspread_peer.transport.quic_connection import PeerConnection
from lanspread_peer.transport.quic_stream import PeerStream
from lanspread_peer.wire.stream_codes import StreamCode

log = structlog.get_logger()


class StreamTasks:
    """The running handler tasks, at most MAX_STREAMS_PER_CONNECTION for one connection."""

    def __init__(self, handler: StreamHandler) -> None:
        self._handler = handler
        self._tasks: set[asyncio.Task[None]] = set()
        self._running: Counter[PeerConnection] = Counter()

    def start(self, connection: PeerConnection, stream: PeerStream) -> None:
        """Handle a stream in its own task, or refuse it when the connection has too many.

        A peer that opens streams and cuts them at once is within QUIC's own limit.
        """
        if self._running[connection] >= MAX_STREAMS_PER_CONNECTION:
            stream.finish(StreamCode.BUSY)
            return
        self._running[connection] += 1
        name = f"stream {stream.id} of {connection.address}"
        task = asyncio.get_running_loop().create_task(self._run(connection, stream), name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Cancel all tasks and wait for their end."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, connection: PeerConnection, stream: PeerStream) -> None:
        try:
            await self._handler(connection, stream)
        except SourceUnavailable as error:
            # The peer went away or stalled; it could fill the log with that.
            log.debug("stream ended early", address=str(connection.address), reason=error.reason)
        except Exception:
            log.exception("answering a stream failed", address=str(connection.address))
        finally:
            stream.finish(StreamCode.REFUSED)
            self._running[connection] -= 1
            if not self._running[connection]:
                del self._running[connection]
