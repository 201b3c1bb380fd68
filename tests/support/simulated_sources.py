"""Sources and a downloader on a virtual clock: the real planner, a network that is only times.

A source has one uplink, which its requests share in slices, an answer for each chunk, and slots.
It sends the chunks of a run in order, up to the first that it does not give.
The downloader drives Planner and Download as runtime does, checks their invariants at every
step, and keeps what a test asserts on. Everything follows from the seed.
"""

from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from random import Random
from typing import Protocol

from bench.simulation.virtual_clock import VirtualClock
from lanspread_peer.core.assignment import Assignment
from lanspread_peer.core.download import Download
from lanspread_peer.core.failure import Failure
from lanspread_peer.core.planner import Planner
from lanspread_peer.model.download import DownloadState
from lanspread_peer.model.ids import PeerId
from lanspread_peer.model.limits import KIB, MAX_REQUESTS_PER_DOWNLOAD, MAX_UPLOADS, MIB

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
    """Whoever sends a request; told of its fate in virtual time."""

    def on_bytes(self, upload: "Upload", count: int) -> None: ...

    def on_chunk(self, upload: "Upload", chunk: int, *, right: bool) -> None: ...

    def on_failure(self, upload: "Upload", failure: Failure) -> None: ...


@dataclass(eq=False)
class Upload:
    """One request at a source; a cut one is served no further."""

    receiver: Receiver
    asked: Assignment
    lengths: list[int]
    position: int = 0
    sent: int = 0
    came: int = 0
    is_cut: bool = False

    @property
    def chunk(self) -> int:
        return self.asked.chunks[self.position]

    @property
    def length(self) -> int:
        return self.lengths[self.position]


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
    _queue: deque[tuple[Upload, bool]] = field(default_factory=deque)
    _is_sending: bool = False

    def request(self, receiver: Receiver, asked: Assignment, lengths: list[int]) -> Upload:
        """Ask for chunks; the answer comes through the receiver's methods, if at all."""
        upload = Upload(receiver, asked, lengths)
        self.clock.after(self.latency_s, lambda: self._serve(upload))
        return upload

    def _serve(self, upload: Upload) -> None:
        if self.is_gone or upload.is_cut:
            return
        if len(self._queue) >= self.slots:
            self._fail(upload, Failure.BUSY)
        else:
            self._begin_chunk(upload)

    def _begin_chunk(self, upload: Upload) -> None:
        upload.sent = 0
        match self.answer(upload.chunk):
            case Answer.BUSY:
                self._fail(upload, Failure.BUSY)
            case Answer.REFUSE:
                self._fail(upload, Failure.REFUSED)
            case Answer.HONEST:
                self._queue.append((upload, True))
            case Answer.WRONG:
                self._queue.append((upload, False))
        self._send_slice()

    def _fail(self, upload: Upload, failure: Failure) -> None:
        def deliver() -> None:
            if not upload.is_cut:
                upload.receiver.on_failure(upload, failure)

        self.clock.after(self.latency_s, deliver)

    def _send_slice(self) -> None:
        while self._queue and self._queue[0][0].is_cut:
            self._queue.popleft()
        if self._is_sending or not self._queue:
            return
        self._is_sending = True
        upload, right = self._queue.popleft()
        size = min(SLICE_BYTES, upload.length - upload.sent)
        self.clock.after(size / self.bytes_per_second, lambda: self._sent(upload, size, right))

    def _sent(self, upload: Upload, size: int, right: bool) -> None:
        self._is_sending = False
        if self.is_gone:
            return
        self.sent_bytes += size
        upload.sent += size
        chunk = upload.chunk if upload.sent == upload.length else None
        self.clock.after(self.latency_s, lambda: self._deliver(upload, size, chunk, right))
        if chunk is None:
            self._queue.append((upload, right))
        elif upload.position + 1 < len(upload.lengths):
            upload.position += 1
            self._begin_chunk(upload)
        self._send_slice()

    def _deliver(self, upload: Upload, size: int, chunk: int | None, right: bool) -> None:
        if upload.is_cut or self.is_gone:
            return
        upload.receiver.on_bytes(upload, size)
        if chunk is not None:
            upload.receiver.on_chunk(upload, chunk, right=right)


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
        self.requests_sent = 0
        self.refused: Counter[PeerId] = Counter()
        self._uploads: dict[int, Upload] = {}
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
        for upload in list(self._uploads.values()):
            if upload.asked.peer == peer:
                self._drop(upload.asked.id)
        self.planner.remove_source(peer, now=self.clock.now)
        self._next_requests()

    def on_bytes(self, upload: Upload, count: int) -> None:
        upload.came += count
        self.planner.progressed(upload.asked, count, now=self.clock.now)

    def on_chunk(self, upload: Upload, chunk: int, *, right: bool) -> None:
        if right:
            self._received(upload, chunk)
            if chunk == upload.asked.chunks[-1]:
                self._uploads.pop(upload.asked.id, None)
        else:
            del self._uploads[upload.asked.id]
            upload.is_cut = True
            self.download.wasted(upload.came)
            self._cut(self.planner.failed(upload.asked, Failure.WRONG_BYTES, now=self.clock.now))
        self._next_requests()

    def on_failure(self, upload: Upload, failure: Failure) -> None:
        del self._uploads[upload.asked.id]
        self.refused[upload.asked.peer] += failure is Failure.REFUSED
        self.download.wasted(upload.came)
        now = self.clock.now
        self._cut(self.planner.failed(upload.asked, failure, now=now, retry_s=BUSY_RETRY_S))
        self._next_requests()

    def _received(self, upload: Upload, chunk: int) -> None:
        length = self.lengths[chunk]
        upload.came -= length
        received = self.planner.received(upload.asked, chunk, now=self.clock.now)
        assert received.is_new == (chunk not in self.verified_by), f"seed {self.seed}"
        if received.is_new:
            self.verified_by[chunk] = upload.asked.peer
            self.download.fetched(length, now=self.clock.now)
        else:
            self.download.wasted(length)
        self._cut(received.cancel)

    def _cut(self, requests: Sequence[Assignment]) -> None:
        for request in requests:
            self._drop(request.id)

    def _drop(self, request: int) -> None:
        upload = self._uploads.pop(request)
        upload.is_cut = True
        self.download.wasted(upload.came)

    def _next_requests(self) -> None:
        for asked in self.planner.assign(now=self.clock.now):
            if asked.replaces is not None:
                self._drop(asked.replaces)
            assert asked.peer not in self.planner.dropped_liars, f"seed {self.seed}"
            assert asked.id not in self._uploads, f"seed {self.seed}"
            self.requests_sent += 1
            self.log.extend((self.clock.now, asked.peer, chunk) for chunk in asked.chunks)
            lengths = [self.lengths[chunk] for chunk in asked.chunks]
            self._uploads[asked.id] = self.sources[asked.peer].request(self, asked, lengths)
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
