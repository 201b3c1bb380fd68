"""Sources and a downloader on a virtual clock: the real planner, a network that is only times.

A source has one uplink, which its requests share in slices, an answer for each chunk, and slots.
The downloader drives Planner and Download as runtime does, checks their invariants at every
step, and keeps what a test asserts on. Everything follows from the seed.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from random import Random
from typing import Protocol

from lanspread_peer.core.assignment import Assignment
from lanspread_peer.core.download import Download
from lanspread_peer.core.failure import Failure
from lanspread_peer.core.planner import Planner
from lanspread_peer.model.download import DownloadState
from lanspread_peer.model.ids import PeerId
from lanspread_peer.model.limits import KIB, MAX_REQUESTS_PER_DOWNLOAD, MAX_UPLOADS, MIB
from support.virtual_clock import VirtualClock

MB = 1_000_000
SLICE_BYTES = 256 * KIB
BUSY_RETRY_S = 0.3


class Answer(Enum):
    """What a source does with a request."""

    HONEST = "honest"
    WRONG = "wrong"
    REFUSE = "refuse"
    BUSY = "busy"
    SILENT = "silent"


AnswerOf = Callable[[int], Answer]


def always(answer: Answer) -> AnswerOf:
    """The same answer to every request."""
    return lambda _chunk: answer


class Receiver(Protocol):
    """Whoever sends a request; told of the chunk's fate in virtual time."""

    def on_bytes(self, peer: PeerId, chunk: int, count: int) -> None: ...

    def on_end(self, peer: PeerId, chunk: int, *, right: bool) -> None: ...

    def on_failure(self, peer: PeerId, chunk: int, failure: Failure) -> None: ...


@dataclass(eq=False)
class Upload:
    """One request at a source; a cut one is served no further."""

    receiver: Receiver
    chunk: int
    length: int
    right: bool = True
    sent: int = 0
    is_cut: bool = False


@dataclass(eq=False)
class SimulatedSource:
    """One peer that serves; `latency_s` is that of one way."""

    clock: VirtualClock
    peer: PeerId
    bytes_per_second: float = 100.0 * MB
    latency_s: float = 0.00015
    answer: AnswerOf = field(default_factory=lambda: always(Answer.HONEST))
    slots: int = MAX_UPLOADS
    is_gone: bool = False
    sent_bytes: int = 0
    _queue: deque[Upload] = field(default_factory=deque)
    _is_sending: bool = False

    def request(self, receiver: Receiver, chunk: int, length: int) -> Upload:
        """Ask for a chunk; the answer comes through the receiver's methods, if at all."""
        upload = Upload(receiver, chunk, length)
        self.clock.after(self.latency_s, lambda: self._serve(upload))
        return upload

    def _serve(self, upload: Upload) -> None:
        if self.is_gone or upload.is_cut:
            return
        answer = self.answer(upload.chunk)
        if answer is Answer.HONEST and len(self._queue) >= self.slots:
            answer = Answer.BUSY
        match answer:
            case Answer.BUSY:
                self._fail(upload, Failure.BUSY)
            case Answer.REFUSE:
                self._fail(upload, Failure.REFUSED)
            case Answer.HONEST | Answer.WRONG:
                upload.right = answer is Answer.HONEST
                self._queue.append(upload)
                self._send_slice()

    def _fail(self, upload: Upload, failure: Failure) -> None:
        def deliver() -> None:
            if not upload.is_cut:
                upload.receiver.on_failure(self.peer, upload.chunk, failure)

        self.clock.after(self.latency_s, deliver)

    def _send_slice(self) -> None:
        while self._queue and self._queue[0].is_cut:
            self._queue.popleft()
        if self._is_sending or not self._queue:
            return
        self._is_sending = True
        upload = self._queue.popleft()
        size = min(SLICE_BYTES, upload.length - upload.sent)
        self.clock.after(size / self.bytes_per_second, lambda: self._sent(upload, size))

    def _sent(self, upload: Upload, size: int) -> None:
        self._is_sending = False
        if self.is_gone:
            return
        self.sent_bytes += size
        upload.sent += size
        if upload.sent < upload.length:
            self._queue.append(upload)
        self.clock.after(self.latency_s, lambda: self._deliver(upload, size, upload.sent))
        self._send_slice()

    def _deliver(self, upload: Upload, size: int, sent: int) -> None:
        if upload.is_cut or self.is_gone:
            return
        upload.receiver.on_bytes(self.peer, upload.chunk, size)
        if sent == upload.length:
            upload.receiver.on_end(self.peer, upload.chunk, right=upload.right)


class SimulatedDownload:
    """One download from the given sources, all complete; `run` returns when it is over."""

    def __init__(
        self,
        clock: VirtualClock,
        chunks: Sequence[tuple[int, int]],
        sources: Sequence[SimulatedSource],
        *,
        seed: int,
    ) -> None:
        self.seed = seed
        self.clock = clock
        self.lengths = dict(chunks)
        self.sources = {source.peer: source for source in sources}
        self.planner = Planner(chunks, Random(seed))
        self.download = Download(sum(self.lengths.values()), patience_s=60.0, now=clock.now)
        self.verified_by: dict[int, PeerId] = {}
        self.log: list[tuple[float, PeerId, int]] = []
        self._uploads: dict[tuple[PeerId, int], Upload] = {}
        self._timer_at: float | None = None

    def run(self, *, limit_s: float = 3600.0) -> float:
        """Run to the end; the virtual seconds it took. Fails the test when it does not end."""
        self.download.start(on_disk=0, now=self.clock.now)
        for peer in self.sources:
            self.planner.add_source(peer, now=self.clock.now)
        self._next_requests()
        while not self.planner.is_complete:
            assert self.clock.now < limit_s, f"seed {self.seed}: not done after {limit_s} s"
            assert self.clock.step(), f"seed {self.seed}: nothing happens any more"
        self.download.verify()
        figures = self.download.figures(now=self.clock.now)
        assert figures.done_bytes == figures.total_bytes, f"seed {self.seed}"
        assert set(self.verified_by) == set(self.lengths), f"seed {self.seed}"
        return self.clock.now

    def bytes_from(self, peer: PeerId) -> int:
        """The verified bytes of one source."""
        return sum(self.lengths[c] for c, by in self.verified_by.items() if by == peer)

    def lose(self, peer: PeerId) -> None:
        """The source vanishes and the connection breaks at once."""
        self.sources[peer].is_gone = True
        for key in [key for key in self._uploads if key[0] == peer]:
            self._drop(key)
        self.planner.remove_source(peer, now=self.clock.now)
        self._next_requests()

    def on_bytes(self, peer: PeerId, chunk: int, count: int) -> None:
        self.planner.progressed(peer, chunk, count, now=self.clock.now)

    def on_end(self, peer: PeerId, chunk: int, *, right: bool) -> None:
        upload = self._uploads.pop((peer, chunk))
        if right:
            self._received(peer, chunk)
        else:
            self.download.wasted(upload.sent)
            self._cut(self.planner.failed(peer, chunk, Failure.WRONG_BYTES, now=self.clock.now))
        self._next_requests()

    def on_failure(self, peer: PeerId, chunk: int, failure: Failure) -> None:
        self._uploads.pop((peer, chunk))
        cut = self.planner.failed(peer, chunk, failure, now=self.clock.now, retry_s=BUSY_RETRY_S)
        self._cut(cut)
        self._next_requests()

    def _received(self, peer: PeerId, chunk: int) -> None:
        received = self.planner.received(peer, chunk, now=self.clock.now)
        assert received.is_new == (chunk not in self.verified_by), f"seed {self.seed}"
        if received.is_new:
            self.verified_by[chunk] = peer
            self.download.fetched(self.lengths[chunk], now=self.clock.now)
        self._cut(received.cancel)

    def _cut(self, requests: Sequence[Assignment]) -> None:
        for request in requests:
            self._drop((request.peer, request.chunk))

    def _drop(self, key: tuple[PeerId, int]) -> None:
        upload = self._uploads.pop(key)
        upload.is_cut = True
        self.download.wasted(upload.sent)

    def _next_requests(self) -> None:
        for request in self.planner.assign(now=self.clock.now):
            if request.replaces is not None:
                self._drop((request.replaces, request.chunk))
            assert request.peer not in self.planner.dropped_liars, f"seed {self.seed}"
            key = (request.peer, request.chunk)
            assert key not in self._uploads, f"seed {self.seed}"
            source = self.sources[request.peer]
            self.log.append((self.clock.now, *key))
            self._uploads[key] = source.request(self, request.chunk, self.lengths[request.chunk])
        assert len(self._uploads) <= MAX_REQUESTS_PER_DOWNLOAD, f"seed {self.seed}"
        self._set_timer()

    def _set_timer(self) -> None:
        deadline = self.planner.next_deadline()
        if deadline is None or (self._timer_at is not None and self._timer_at <= deadline):
            return
        self._timer_at = deadline
        self.clock.after(max(0.0, deadline - self.clock.now), lambda: self._on_timer(deadline))

    def _on_timer(self, deadline: float) -> None:
        if self._timer_at != deadline or self.download.state is not DownloadState.RUNNING:
            return
        self._timer_at = None
        self._cut(self.planner.handle_timeout(now=self.clock.now))
        self._next_requests()


def large_chunks(count: int, length: int = 4 * MIB) -> list[tuple[int, int]]:
    """The chunks of one large file."""
    return [(number, length) for number in range(count)]
