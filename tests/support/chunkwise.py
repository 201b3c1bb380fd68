"""The planner as tests of its rules see it: every request is for one chunk, and named by it.

For chunks so large that no two fit into one request; one that asked for more would fail the test.
"""

from dataclasses import dataclass
from random import Random

from lanspread_peer.core.assignment import Assignment
from lanspread_peer.core.chunk_set import ChunkSet
from lanspread_peer.core.failure import Failure
from lanspread_peer.core.planner import Planner
from lanspread_peer.model.ids import PeerId


@dataclass(frozen=True, slots=True)
class Ask:
    """A chunk that a source is asked for; `replaces` is who was asked for it until now."""

    peer: PeerId
    chunk: int
    copy: bool = False
    replaces: PeerId | None = None


@dataclass(frozen=True, slots=True)
class Came:
    """What a verified chunk means."""

    is_new: bool
    cancel: tuple[Ask, ...] = ()


class ChunkwisePlanner:
    """`planner` is the real one, for all that has nothing to do with requests."""

    def __init__(self, chunks: list[tuple[int, int]], rng: Random) -> None:
        self.planner = Planner(chunks, rng)
        self._asked: dict[tuple[PeerId, int], Assignment] = {}
        self._owners: dict[int, PeerId] = {}

    def add(self, peer: PeerId, *, now: float, holds: ChunkSet | None = None) -> None:
        self.planner.add_source(peer, now=now, holds=holds)

    def remove(self, peer: PeerId, *, now: float) -> tuple[int, ...]:
        return self.planner.remove_source(peer, now=now)

    def assign(self, *, now: float) -> list[Ask]:
        found = []
        for asked in self.planner.assign(now=now):
            [chunk] = asked.chunks
            self._asked[asked.peer, chunk] = asked
            self._owners[asked.id] = asked.peer
            replaces = None if asked.replaces is None else self._owners[asked.replaces]
            found.append(Ask(asked.peer, chunk, asked.copy, replaces))
        return found

    def progressed(self, peer: PeerId, chunk: int, count: int, *, now: float) -> None:
        self.planner.progressed(self._find(peer, chunk), count, now=now)

    def received(self, peer: PeerId, chunk: int, *, now: float) -> Came:
        received = self.planner.received(self._find(peer, chunk), chunk, now=now)
        return Came(received.is_new, self._asks(received.cancel))

    def failed(
        self, peer: PeerId, chunk: int, failure: Failure, *, now: float, retry_s: float = 0.0
    ) -> tuple[Ask, ...]:
        asked = self._find(peer, chunk)
        return self._asks(self.planner.failed(asked, failure, now=now, retry_s=retry_s))

    def handle_timeout(self, *, now: float) -> list[Ask]:
        return list(self._asks(tuple(self.planner.handle_timeout(now=now))))

    def next_deadline(self) -> float | None:
        return self.planner.next_deadline()

    def _find(self, peer: PeerId, chunk: int) -> Assignment:
        """The last request for it, or one that was never sent."""
        return self._asked.get((peer, chunk), Assignment(0, peer, range(chunk, chunk + 1)))

    def _asks(self, cut: tuple[Assignment, ...]) -> tuple[Ask, ...]:
        return tuple(Ask(asked.peer, asked.chunks[0], asked.copy) for asked in cut)
