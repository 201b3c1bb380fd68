"""Who is served next, and who must make room: fairness among those that ask for game bytes.

A peer alone may use every slot. As soon as others wait, each free slot goes to the peer that has
the fewest, and who waited too long while another has two more than he takes one of the other's.
Addresses count likewise with a wider margin, because ids are free and several honest peers may
share one. As a stranger may have many addresses too, who has fewer slots also gets one that is
used at less than MIN_SOURCE_BYTES_PER_SECOND. Each peer, and each address, has a share of the
queue. Invariant: nobody waits while a slot is free.
"""

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from lanspread_peer.model.ids import PeerId
from lanspread_peer.model.limits import (
    MAX_QUEUED_UPLOADS_PER_ADDRESS,
    MAX_QUEUED_UPLOADS_PER_PEER,
    MAX_UPLOADS,
    MIN_SOURCE_BYTES_PER_SECOND,
    UPLOAD_FAIR_WAIT_S,
    UPLOAD_SLICE_BYTES,
)

# By so many slots another must be ahead before one of his is taken away; an address by half of
# all.
_PEER_LEAD = 2
# What a reader has for the first bytes, and may save up at most.
_SLOW_SLICE_S = UPLOAD_SLICE_BYTES / MIN_SOURCE_BYTES_PER_SECOND
# When our own line is what is slow, all are, and most must get to the end of their chunks.
_SLOW_PERIOD_S = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Upload:
    """One request for game bytes, of a proven peer at an address."""

    peer_id: PeerId
    host: str
    asked_at: float


@dataclass(slots=True)
class _Pace:
    """How a running upload gets on: what it was given, and the time left to take it.

    What is given adds to that time, and what passes while we wait for the reader uses it up.
    """

    left_s: float
    given_bytes: int = 0
    began_at: float = math.inf

    def give(self, size: int, *, now: float) -> None:
        self.rest(now=now)
        self.began_at = now
        self.given_bytes += size
        self.left_s = min(self.left_s + size / MIN_SOURCE_BYTES_PER_SECOND, _SLOW_SLICE_S)

    def rest(self, *, now: float) -> None:
        self.left_s = max(0.0, self.left_s - self._waited_s(now))
        self.began_at = math.inf

    def is_slow(self, *, now: float) -> bool:
        return self.began_at <= now and self._waited_s(now) >= self.left_s

    def _waited_s(self, now: float) -> float:
        return max(0.0, now - self.began_at)


class UploadQueue:
    """The uploads that run, and those that wait.

    `slots` may be changed at any time; what runs beyond it may end.
    """

    def __init__(self, max_queued: int, slots: int = MAX_UPLOADS) -> None:
        self._max_queued = max_queued
        self.slots = slots
        self._running: dict[Upload, _Pace] = {}
        self._waiting: dict[Upload, None] = {}
        self._slow_again_at = 0.0

    @property
    def running_count(self) -> int:
        """How many hold a slot."""
        return len(self._running)

    @property
    def is_waited_for(self) -> bool:
        """Whether anybody waits for a slot."""
        return bool(self._waiting)

    def add(self, upload: Upload, *, goes_on: bool = False) -> bool:
        """Let a request wait for a slot; False when there is no place for it in the queue.

        One that goes on just gave its slot up, so it has a place in any case.
        """
        if not goes_on and not self._has_place(upload):
            return False
        self._waiting[upload] = None
        return True

    def next(self) -> Upload | None:
        """Who gets a slot now, or None; it counts as running until it is removed."""
        if len(self._running) >= self.slots or not self._waiting:
            return None
        # Mostly there is a slot for whoever comes, and nobody else to compare with.
        upload = self._neediest() if len(self._waiting) > 1 else next(iter(self._waiting))
        del self._waiting[upload]
        self._running[upload] = _Pace(_SLOW_SLICE_S)
        return upload

    def slice_began(self, upload: Upload, size: int, *, now: float) -> None:
        """A running upload begins with its next bytes: a slice, or the part that a limit allows."""
        self._running[upload].give(size, now=now)

    def rested(self, upload: Upload, *, now: float) -> None:
        """A running upload waits for our own rate limit, which is no slowness of its reader."""
        self._running[upload].rest(now=now)

    def remove(self, upload: Upload) -> None:
        """A request is over, or nobody waits for it any more."""
        self._running.pop(upload, None)
        self._waiting.pop(upload, None)

    def overdue(self, *, now: float) -> Upload | None:
        """The running upload that must make room for one that waited too long, or None.

        The caller takes its slot back at once, and asks again some time later.
        """
        late = [one for one in self._waiting if now - one.asked_at >= UPLOAD_FAIR_WAIT_S]
        if not late:
            return None
        neediest = self._neediest(late)
        peers, hosts = self._peers(self._running), self._hosts(self._running)
        # The oldest of whoever has the most: it is the slowest, or the largest.
        victim = max(self._running, key=lambda one: (peers[one.peer_id], hosts[one.host]))
        if peers[victim.peer_id] - peers[neediest.peer_id] >= _PEER_LEAD:
            return victim
        victim = max(self._running, key=lambda one: hosts[one.host])
        if hosts[victim.host] - hosts[neediest.host] >= max(_PEER_LEAD, self.slots // 2):
            return victim
        richer = [one for one in self._running if peers[one.peer_id] > peers[neediest.peer_id]]
        return self._slow_one(richer, now=now)

    def _slow_one(self, among: Iterable[Upload], *, now: float) -> Upload | None:
        slow = [one for one in among if self._running[one].is_slow(now=now)]
        if not slow or now < self._slow_again_at:
            return None
        self._slow_again_at = now + _SLOW_PERIOD_S
        # Whoever has the least to lose.
        return min(slow, key=lambda one: self._running[one].given_bytes)

    def _has_place(self, upload: Upload) -> bool:
        if len(self._running) < self.slots:
            return True
        waiting_of_peer = self._peers(self._waiting)[upload.peer_id]
        waiting_at_host = self._hosts(self._waiting)[upload.host]
        return (
            len(self._waiting) < self._max_queued
            and waiting_of_peer < MAX_QUEUED_UPLOADS_PER_PEER
            and waiting_at_host < MAX_QUEUED_UPLOADS_PER_ADDRESS
        )

    def _neediest(self, among: Iterable[Upload] | None = None) -> Upload:
        peers, hosts = self._peers(self._running), self._hosts(self._running)
        # Ties go to who waits longest, as the dictionary keeps the order.
        return min(
            self._waiting if among is None else among,
            key=lambda one: (peers[one.peer_id], hosts[one.host]),
        )

    @staticmethod
    def _peers(uploads: Iterable[Upload]) -> Counter[PeerId]:
        return Counter(one.peer_id for one in uploads)

    @staticmethod
    def _hosts(uploads: Iterable[Upload]) -> Counter[str]:
        return Counter(one.host for one in uploads)
