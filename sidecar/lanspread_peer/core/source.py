"""One source of one download: what it was asked for, what it gave, and how far it is trusted.

Owns the requests that are out at the source, its speed, its tries per chunk, and when it is left
alone. It only keeps the books: the planner decides, and keeps them and the chunk map in step.
"""

from collections.abc import Iterable
from enum import Enum

from lanspread_peer.core.chunk_set import NO_CHUNKS, ChunkSet, contains
from lanspread_peer.core.request import Request
from lanspread_peer.core.throughput import Latency, Rate
from lanspread_peer.model.ids import PeerId
from lanspread_peer.model.limits import MAX_CHUNK_BYTES, MAX_RETRY_COUNT, STALL_TIMEOUT_S

_LATENCY_WEIGHT = 0.3
# A refusal is answered at once, so without a rest a source would be asked in a tight loop. The
# longest is short, so that sources that all refuse are found out soon.
_RESTS_S = (0.25, 0.5, 1.0)
# A link may get better, so one that was left behind is tried again, later each time.
_LEFT_BEHIND_S = (10.0, 30.0, 120.0, 300.0)
# One that refused may lack a part of what it offers. So many right chunks, each asked for alone,
# and it is asked for runs again.
_ALONE_AFTER_REFUSAL = 64
# A part that grows may have nothing for us for a moment; what stays empty is no source.
_USEFUL_FOR_S = 2.0


class Fault(Enum):
    """Why a source is not asked any more, though it may be connected."""

    LIED = "lied"
    STALLED = "stalled"


class Source:
    """A peer as the planner knows it; `holds` is None when it has every chunk."""

    def __init__(self, peer: PeerId) -> None:
        self.peer = peer
        self.holds: ChunkSet | None = None
        self.knows_runs = True
        self.chooses = False
        self.is_connected = False
        self.fault: Fault | None = None
        self.verified_bytes = 0
        self.rate = Rate()
        self.latency = Latency(_LATENCY_WEIGHT)
        self.rests_until = 0.0
        self.left_behind_until = 0.0
        self._useful_until = 0.0
        self._times_left_behind = 0
        self._requests: dict[int, Request] = {}
        self._asks_alone = 0
        self._heard_at = 0.0
        self._tries: dict[int, int] = {}
        self._given_up: ChunkSet = NO_CHUNKS
        self._failures = 0
        self._stalls = 0

    @property
    def is_admitted(self) -> bool:
        """Whether it may be asked for anything at all."""
        return self.is_connected and self.fault is None

    @property
    def given_up(self) -> ChunkSet:
        """The chunks whose tries are used up here."""
        return self._given_up

    @property
    def requests(self) -> Iterable[Request]:
        """The requests that are out, in the order of sending."""
        return self._requests.values()

    @property
    def request_count(self) -> int:
        return len(self._requests)

    @property
    def refused_lately(self) -> bool:
        """Whether it refused something, and gave little since."""
        return self._asks_alone > 0

    @property
    def gives_runs(self) -> bool:
        """Whether it is asked for several chunks in one request."""
        return self.knows_runs and not self.refused_lately

    @property
    def oldest_request_at(self) -> float | None:
        """When the request that is out longest was sent; None while nothing is asked."""
        return min((request.sent_at for request in self._requests.values()), default=None)

    @property
    def stall_deadline(self) -> float | None:
        """When it counts as stalled unless a byte comes; None while nothing is asked."""
        return self._heard_at + STALL_TIMEOUT_S if self._requests else None

    def askable(self, chunks: ChunkSet) -> ChunkSet:
        """Those of `chunks` that it holds and has tries left for."""
        held = chunks if self.holds is None else chunks & self.holds
        return held & ~self._given_up if self._given_up else held

    def note_missing(self, missing: ChunkSet, *, now: float) -> None:
        """This is what is missing now."""
        if self.askable(missing):
            self._useful_until = now + _USEFUL_FOR_S

    def is_useful(self, *, now: float) -> bool:
        """Whether it has something that is missing, or had a moment ago, or has just come."""
        return now < self._useful_until

    def may_be_asked(self, chunk: int) -> bool:
        """Whether it holds this chunk and has tries left for it."""
        is_held = self.holds is None or contains(self.holds, chunk)
        return is_held and self._tries.get(chunk, 0) < MAX_RETRY_COUNT

    def has_room_for_data(self, *, is_trusted: bool) -> bool:
        """Whether little data is asked in all, so that one more request keeps the link busy.

        A source that gave nothing yet gets it only when it `is_trusted` all the same, or a crowd
        that answers nothing would take every request there may be.
        """
        if not self.verified_bytes and not is_trusted:
            return False
        return sum(request.length for request in self._requests.values()) < MAX_CHUNK_BYTES

    def finish_in(self, extra_bytes: int, *, now: float) -> float:
        """Seconds until all that is asked, and so many bytes more, would be here."""
        waiting = sum(request.missing_bytes for request in self._requests.values())
        return (waiting + extra_bytes) / self.rate.expected(now=now)

    def speed(self, *, now: float) -> float:
        """Bytes per second it gives now; 0 while nothing is asked."""
        return self.rate.measured(now=now) if self._requests else 0.0

    def sent(self, request: Request) -> None:
        """A request goes out."""
        if not self._requests:
            self._heard_at = request.sent_at
            self.rate.resume(now=request.sent_at)
        self._requests[request.id] = request

    def arrived(self, request: Request, count: int, *, now: float) -> None:
        """Bytes of a request that is out here came; none is a sign of life as well."""
        self._heard_at = now
        count = min(count, request.missing_bytes)
        if count > 0:
            request.bytes += count
            self.rate.add(count, now=now)

    def close(self, request: Request, *, now: float) -> None:
        """The request is over, however it ended."""
        del self._requests[request.id]
        if not self._requests:
            self.rate.pause(now=now)

    def note_verified(self, length: int) -> None:
        """It gave a right chunk, so it works."""
        self.verified_bytes += length
        self._asks_alone = max(0, self._asks_alone - 1)
        self._failures = 0
        self._stalls = 0

    def note_refused(self) -> None:
        """It did not give what it offers, so what it does give is found out one by one."""
        self._asks_alone = _ALONE_AFTER_REFUSAL

    def count_try(self, chunk: int) -> None:
        """It failed on this chunk; after MAX_RETRY_COUNT times it is not asked for it again."""
        tries = self._tries.get(chunk, 0) + 1
        self._tries[chunk] = tries
        if tries >= MAX_RETRY_COUNT:
            self._given_up |= 1 << chunk

    def rest(self, seconds: float, *, now: float) -> None:
        """It is left alone for at least so long."""
        self.rests_until = max(self.rests_until, now + seconds)

    def rest_after_failure(self, *, now: float) -> None:
        """It is left alone, longer each time in a row."""
        # Requests that were out together fail together, and are one failure.
        if now >= self.rests_until:
            self._failures += 1
            self.rest(_back_off(self._failures), now=now)

    def note_stalled(self, *, now: float) -> None:
        """It went silent: left alone, and after MAX_RETRY_COUNT times in a row dropped."""
        if now < self.rests_until:
            return
        self._stalls += 1
        self.rest(_back_off(self._stalls), now=now)
        if self._stalls >= MAX_RETRY_COUNT and self.fault is None:
            self.fault = Fault.STALLED

    def leave_behind(self, *, now: float) -> None:
        """It is far too slow beside others: for some time it is asked only what they lack."""
        index = min(self._times_left_behind, len(_LEFT_BEHIND_S) - 1)
        self.left_behind_until = now + _LEFT_BEHIND_S[index]
        self._times_left_behind += 1

    def connect(self, holds: ChunkSet | None, *, now: float) -> None:
        """A new connection ends its rest and forgives silence and tries; lies it does not."""
        self.is_connected = True
        self._asks_alone = 0
        self.holds = holds
        self.rests_until = now
        self._useful_until = now + _USEFUL_FOR_S
        self._stalls = 0
        self._tries.clear()
        self._given_up = NO_CHUNKS
        if self.fault is Fault.STALLED:
            self.fault = None

    def reset_deadlines(self, *, now: float) -> None:
        """The clock jumped: nobody was silent meanwhile."""
        self._heard_at = now
        self.rate.skip_to(now)
        for request in self._requests.values():
            request.sent_at = now


def _back_off(times: int) -> float:
    return _RESTS_S[min(times, len(_RESTS_S)) - 1]
