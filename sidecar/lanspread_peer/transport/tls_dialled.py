"""One dialled connection of the TLS transport: its requests, in order, and the thread that has it.

The next request is sent before the answer to the current one is read, so that the peer always has
one to go on with. As long as there are requests, one worker thread has the line; in between the
event loop watches it, and closes it when it is idle for long.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from threading import Event, Lock
from typing import Any

from lanspread_peer.model import errors
from lanspread_peer.model.limits import (
    BULK_IDLE_TIMEOUT_S,
    MAX_SHORT_ANSWER_BYTES,
    STALL_TIMEOUT_S,
)
from lanspread_peer.transport.tls_line import TlsLine
from lanspread_peer.transport.tls_reader import DataReader, ReadInto
from lanspread_peer.transport.worker_threads import WorkerThreads
from lanspread_peer.wire import messages
from lanspread_peer.wire.codec import decode_answer
from lanspread_peer.wire.frames import LENGTH_BYTES, body_bytes
from lanspread_peer.wire.refusals import error_in

# Requests at the peer at a time: the one that is answered, and the one to go on with. More would
# only be lost with the connection.
MAX_SENT = 2
# Sooner than the other end, so that no request meets a connection that is being closed.
_IDLE_S = BULK_IDLE_TIMEOUT_S - 5.0
# The next request mostly follows at once, and for the loop to have the line in between costs more
# than a small chunk does. Short, as there are few threads.
_LINGER_S = 0.02

Consume = Callable[[DataReader], Any]


class Job:
    """One request: `done` gets what `consume` returns, or an error."""

    def __init__(
        self, frame: bytes, consume: Consume, on_bytes: Callable[[int], None] | None
    ) -> None:
        self.frame = frame
        self.consume = consume
        self.done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        # Whether `consume` was called, and whether nobody wants the result any more.
        self.is_begun = False
        self.is_withdrawn = False
        self._on_bytes = on_bytes
        self._loop = asyncio.get_running_loop()

    def report(self, count: int) -> None:
        """In any thread: so many bytes came, or none and the peer was only reached."""
        if self._on_bytes is not None:
            self._loop.call_soon_threadsafe(self._on_bytes, count)

    def succeed(self, result: object) -> None:
        """In the worker thread: it is over."""
        self._loop.call_soon_threadsafe(self._settle, result, None)

    def fail(self, error: BaseException) -> None:
        """In any thread: it is over."""
        self._loop.call_soon_threadsafe(self._settle, None, error)

    def _settle(self, result: object, error: BaseException | None) -> None:
        if self.done.done():
            return
        if error is None:
            self.done.set_result(result)
        else:
            self.done.set_exception(error)
            # Whoever asked may have gone, and then nobody is to hear of it.
            self.done.exception()


class TlsDialled:
    """`run` does the jobs that are added, until the connection ends."""

    def __init__(self, dial: Callable[[], Awaitable[TlsLine]], threads: WorkerThreads) -> None:
        self._dial = dial
        self._threads = threads
        self._line: TlsLine | None = None
        self._lock = Lock()
        self._unsent: deque[Job] = deque()
        self._sent: deque[Job] = deque()
        self._woken = asyncio.Event()
        self._woken_thread = Event()
        # Why it ends here: something of a job is still to come that nobody wants any more.
        self._is_given_up = False
        self._is_broken = False

    @property
    def job_count(self) -> int:
        """How many requests are not answered yet."""
        return len(self._unsent) + len(self._sent)

    def add(self, job: Job) -> None:
        """Do this job after the others."""
        if self._line is not None:
            job.report(0)
        self._unsent.append(job)
        self._woken.set()
        self._woken_thread.set()

    def withdraw(self, job: Job) -> None:
        """Nobody wants this any more: forget it, or end the connection when it was sent."""
        with self._lock:
            is_unsent = job in self._unsent
            if is_unsent:
                self._unsent.remove(job)
            elif job not in self._sent:
                return
            job.is_withdrawn = True
            if not job.is_begun:
                job.fail(errors.ConnectionLost("nobody waits for it any more"))
            # Behind another one it costs nothing until its own answer comes.
            if not is_unsent and job is self._sent[0] and self._line is not None:
                self._is_given_up = True
                self._line.cut()

    async def run(self) -> tuple[Job, ...]:
        """Do jobs until the connection ends; those that another connection should do.

        When the peer could not be dialled, all fail with what is wrong with it. When a connection
        breaks, those that were sent fail: the current one with what happened, and the next one
        with ConnectionLost. After a job was withdrawn, or not read to its end, none of them fails.
        """
        try:
            self._line = line = await self._dial()
            for job in self._unsent:
                job.report(0)
            while await self._wait_for_jobs(line):
                await self._threads.run(lambda: self._work(line), line.cut)
        except errors.LanspreadError as error:
            if not self._is_given_up:
                self._fail(self._sent, error)
            if self._line is None:
                self._fail(self._unsent, error)
        except BaseException:
            closed = errors.ConnectionLost("the transport is closed")
            self._fail(self._sent, closed)
            self._fail(self._unsent, closed)
            raise
        finally:
            if self._line is not None:
                self._line.close()
        return tuple(job for job in (*self._sent, *self._unsent) if not job.is_withdrawn)

    def _fail(self, jobs: deque[Job], error: errors.LanspreadError) -> None:
        while jobs:
            jobs.popleft().fail(error)
            if self._line is not None:
                error = errors.ConnectionLost("the connection broke before the answer began")

    async def _wait_for_jobs(self, line: TlsLine) -> bool:
        """Whether there is one; False when the line has ended, or was idle for long."""
        if self._unsent:
            return True
        self._woken.clear()
        received = asyncio.ensure_future(line.receive())
        woken = asyncio.ensure_future(self._woken.wait())
        try:
            await asyncio.wait(
                {received, woken}, timeout=_IDLE_S, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            woken.cancel()
            received.cancel()
            # The thread may have the line only after this has let go of it.
            await asyncio.wait({received, woken})
        # Whether it is the end or bytes that nobody asked for: there is nothing to wait for.
        is_over = not received.cancelled()
        if is_over:
            received.exception()
        return bool(self._unsent) and not is_over

    # In the worker thread that has the line.

    def _work(self, line: TlsLine) -> None:
        def read_into(view: memoryview, on_received: Callable[[int], None]) -> int:
            if self._unsent and len(self._sent) < MAX_SENT:
                self._send(line)
            try:
                return line.read_into(view, on_received)
            except errors.LanspreadError:
                self._is_broken = True
                raise

        with line.in_thread(STALL_TIMEOUT_S):
            self._send(line)
            while self._sent:
                self._finish(self._sent[0], read_into, line)
                if not self._sent:
                    self._linger()
                self._send(line)

    def _linger(self) -> None:
        self._woken_thread.clear()
        if not self._unsent:
            self._woken_thread.wait(_LINGER_S)

    def _send(self, line: TlsLine) -> None:
        frames = []
        with self._lock:
            while self._unsent and len(self._sent) < MAX_SENT:
                job = self._unsent.popleft()
                self._sent.append(job)
                frames.append(job.frame)
        if frames:
            line.write(*frames)

    def _finish(self, job: Job, read_into: ReadInto, line: TlsLine) -> None:
        answer = decode_answer(_read_body(read_into))
        if not isinstance(answer, messages.Data):
            error = error_in(answer)
            if isinstance(error, errors.MalformedMessage):
                raise error
            self._forget(job)
            job.fail(error)
            return
        self._begin(job)
        reader = DataReader(answer.length, read_into, job.report, lambda: line.is_cut)
        try:
            result = job.consume(reader)
        # Whatever it is, it belongs to whoever gave us the consumer.
        except BaseException as error:  # noqa: BLE001
            self._forget(job)
            job.fail(error)
        else:
            self._forget(job)
            job.succeed(result)
        if reader.left:
            self._is_given_up = self._is_given_up or not self._is_broken
            raise errors.ConnectionLost("an answer was not read to its end")

    def _begin(self, job: Job) -> None:
        with self._lock:
            if job.is_withdrawn:
                self._is_given_up = True
                raise errors.ConnectionLost("nobody wants what comes")
            job.is_begun = True

    def _forget(self, job: Job) -> None:
        with self._lock:
            self._sent.remove(job)


def _read_body(read_into: ReadInto) -> bytes:
    length = _read_exactly(LENGTH_BYTES, read_into)
    return _read_exactly(body_bytes(length, MAX_SHORT_ANSWER_BYTES), read_into)


def _read_exactly(count: int, read_into: ReadInto) -> bytes:
    data = bytearray(count)
    view = memoryview(data)
    while view:
        view = view[read_into(view, _ignore) :]
    return bytes(data)


def _ignore(_count: int) -> None:
    """What comes before the bytes of games is not told of."""
