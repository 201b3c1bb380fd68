"""Whether the front end that spawned us still lives: its end of our stdin, and its process.

Both are watched by daemon threads, as no loop can wait for a pipe on every system, and a loop that
is busy must not keep an orphan alive. Whoever is told that the front end is gone has a short while
to end in order; then the process ends anyhow, which every state on disk survives. A front end that
closed our stdin and lives may wait as long as it likes.
"""

import os
import threading
from collections.abc import Callable
from contextlib import suppress

import psutil
import structlog

from lanspread_peer.model.errors import HandshakeRefused
from lanspread_peer.model.limits import (
    KIB,
    MANAGED_LINE_TIMEOUT_S,
    MAX_HANDSHAKE_BYTES,
    ORPHAN_GRACE_S,
)

_STDIN = 0
_READ_BYTES = 64 * KIB
_POLL_S = 0.25

_log = structlog.get_logger(__name__)


class StdinReader:
    """Reads stdin to its end: one line that counts, and nothing else that does."""

    def __init__(self, descriptor: int = _STDIN) -> None:
        self._descriptor = descriptor
        self.closed = threading.Event()
        self._line = b""
        self._has_line = threading.Event()
        threading.Thread(target=self._read, name="stdin", daemon=True).start()

    def line(self) -> bytes:
        """The first line, without its end; raises HandshakeRefused when none comes in time.

        One that is longer than MAX_HANDSHAKE_BYTES comes cut, and is longer still.
        """
        if not self._has_line.wait(MANAGED_LINE_TIMEOUT_S):
            raise HandshakeRefused(f"no line on stdin within {MANAGED_LINE_TIMEOUT_S:.0f} s")
        line, end, _ = self._line.partition(b"\n")
        if not end and len(line) <= MAX_HANDSHAKE_BYTES:
            raise HandshakeRefused("stdin closed before a whole line")
        return line

    def _read(self) -> None:
        while data := self._read_some():
            if self._has_line.is_set():
                continue
            self._line += data
            if b"\n" in data or len(self._line) > MAX_HANDSHAKE_BYTES:
                self._has_line.set()
        self.closed.set()
        self._has_line.set()

    def _read_some(self) -> bytes:
        try:
            return os.read(self._descriptor, _READ_BYTES)
        except OSError:
            # A pipe that broke says the same as one that was closed.
            return b""


class ParentWatch:
    """Waits for the end of the front end; `start` begins that."""

    def __init__(self, stdin_closed: threading.Event, parent_pid: int | None) -> None:
        self._stdin_closed = stdin_closed
        self._parent = None if parent_pid is None else _Parent(parent_pid)
        self._pause = threading.Event()

    def start(self, on_gone: Callable[[], None], on_orphaned: Callable[[], None]) -> None:
        """Call these from another thread, each once.

        The second one, when nobody is left who may wait: the process soon ends with 0 anyhow.
        """
        threading.Thread(
            target=self._watch, args=(on_gone, on_orphaned), name="parent", daemon=True
        ).start()

    def _watch(self, on_gone: Callable[[], None], on_orphaned: Callable[[], None]) -> None:
        poll_s = None if self._parent is None else _POLL_S
        while not self._is_gone() and not self._stdin_closed.wait(poll_s):
            pass
        _log.info("the front end is gone", stdin_closed=self._stdin_closed.is_set())
        on_gone()
        while self._parent is not None and self._parent.is_alive():
            self._pause.wait(_POLL_S)
        on_orphaned()
        self._pause.wait(ORPHAN_GRACE_S)
        os._exit(0)

    def _is_gone(self) -> bool:
        return self._parent is not None and not self._parent.is_alive()


class _Parent:
    """A process by its id and the time it was created, so that an id used again is no parent."""

    def __init__(self, pid: int) -> None:
        self._process = _older_process(pid)

    def is_alive(self) -> bool:
        """Also where nobody can tell: when we may not look, or have no descriptor free to look."""
        if self._process is None:
            return False
        try:
            # A dead one whom nobody waited for still has its id.
            return self._process.is_running() and self._process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False
        except (psutil.AccessDenied, OSError):
            return True


def _older_process(pid: int) -> psutil.Process | None:
    """The process with this id, unless it is younger than we are: then it did not start us."""
    try:
        process = psutil.Process(pid)
        with suppress(psutil.AccessDenied):
            if process.create_time() > psutil.Process().create_time():
                return None
    except psutil.NoSuchProcess:
        return None
    return process
