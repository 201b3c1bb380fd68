"""A log that never makes anybody wait, whoever reads it, or does not.

A front end that stops reading its end of the pipe would hold up the thread that logs, which may be
the event loop. So whatever is written goes to a bounded queue, and a daemon thread writes it out.
What finds no room is left out and counted, and the log says how much that was as soon as it flows
again. A stderr that was closed takes everything in silence.
"""

import io
import threading
from collections import deque
from collections.abc import Callable

import structlog

from lanspread_peer.model.limits import LOG_FLUSH_TIMEOUT_S, MAX_LOG_QUEUE_BYTES

# Between tries when the other end made the pipe one that does not block.
_RETRY_S = 0.05

_log = structlog.get_logger(__name__)


class LogWriter(io.TextIOBase):
    """A text stream for any thread; the caller must `end` it.

    `write` takes a part of what it is given, as `os.write` does, and says how many bytes.
    """

    def __init__(self, write: Callable[[memoryview], int]) -> None:
        super().__init__()
        self._write = write
        self._queue: deque[bytes] = deque()
        self._queued_bytes = 0
        self._left_out = 0
        self._is_ending = False
        self._is_broken = False
        self._changed = threading.Condition()
        self._pause = threading.Event()
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    def writable(self) -> bool:
        return True

    def write(self, text: str, /) -> int:
        """Take the text, or leave it out when the queue is full; never waits for a reader."""
        self.write_bytes(text.encode("utf-8", "backslashreplace"))
        return len(text)

    def write_bytes(self, data: bytes) -> None:
        """As `write`, for what is encoded already."""
        with self._changed:
            # The word of what is missing, which its own thread has, is never missing itself.
            is_full = self._queued_bytes + len(data) > MAX_LOG_QUEUE_BYTES
            if is_full and threading.current_thread() is not self._thread:
                self._left_out += data.count(b"\n")
            elif data and not self._is_broken:
                self._queue.append(data)
                self._queued_bytes += len(data)
                self._changed.notify()

    def end(self) -> bool:
        """Write what is queued, for LOG_FLUSH_TIMEOUT_S at most; whether that was enough."""
        with self._changed:
            self._is_ending = True
            self._changed.notify()
        self._thread.join(LOG_FLUSH_TIMEOUT_S)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while taken := self._take():
            data, left_out = taken
            self._write_out(data)
            if left_out:
                _log.error("log lines are missing here, as nobody read them", lines=left_out)

    def _take(self) -> tuple[bytes, int] | None:
        """All that is queued, and how many lines were left out after it; None at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._is_ending)
            if not self._queue:
                return None
            data, left_out = b"".join(self._queue), self._left_out
            self._queue.clear()
            self._queued_bytes = self._left_out = 0
            return data, left_out

    def _write_out(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest and not self._is_broken:
            try:
                rest = rest[self._write(rest) :]
            except BlockingIOError:
                self._pause.wait(_RETRY_S)
            except OSError:
                # Nobody reads it any more, and there is no other place to say so.
                self._is_broken = True
