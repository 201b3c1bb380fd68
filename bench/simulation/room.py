"""A room: seeders and downloaders, who know each other in part, and what became of them.

Each peer runs the product's own planner, upload queue, choice and news of chunks; what is made up
here is only the network, the moment of each message, and the faults. Everything follows from the
seed. No byte is sent, so nothing is hashed: every chunk that comes is right.
"""

from dataclasses import dataclass, field
from itertools import combinations
from math import floor, log2
from random import Random

from bench.simulation.network import Link, Network
from bench.simulation.peer import RoomPeer, Surroundings
from bench.simulation.virtual_clock import VirtualClock
from lanspread_peer.model.limits import MAX_QUEUED_UPLOADS, MIB


@dataclass(frozen=True, slots=True)
class RoomPlan:
    """One seeder and `downloaders` that all want `chunks` of `chunk_bytes`."""

    downloaders: int
    chunks: int
    seed: int = 1
    chunk_bytes: int = MIB
    bytes_per_second: float = 119.0 * MIB
    latency_s: float = 0.00015
    known_peers: int = 32
    max_queued: int = MAX_QUEUED_UPLOADS
    slow: int = 0
    slow_factor: float = 0.1
    leavers: int = 0
    noticed_after_s: float = 0.0
    joined_within_s: float = 0.0
    seeder_leaves_after_copies: float = 0.0

    @property
    def alone_s(self) -> float:
        """What one transfer takes alone."""
        return self.chunks * self.chunk_bytes / self.bytes_per_second

    @property
    def bound(self) -> float:
        """The least that the last download can take, as a multiple of one transfer alone."""
        return (self.chunks + floor(log2(self.downloaders))) / self.chunks


@dataclass(slots=True)
class Result:
    """What became of a room; times are seconds of the virtual clock."""

    plan: RoomPlan
    took_s: list[float] = field(default_factory=list)
    took_slow_s: list[float] = field(default_factory=list)
    seeder_copies: float = 0.0
    duplicates: float = 0.0

    @property
    def ratio(self) -> float:
        """The last of the fast peers, as a multiple of the lower bound."""
        return max(self.took_s) / (self.plan.alone_s * self.plan.bound)

    @property
    def mean_ratio(self) -> float:
        """The average of the fast peers, as a multiple of the lower bound."""
        return sum(self.took_s) / len(self.took_s) / (self.plan.alone_s * self.plan.bound)


class Room:
    """Runs one plan."""

    def __init__(self, plan: RoomPlan) -> None:
        self._plan = plan
        self._rng = Random(plan.seed)
        self._clock = VirtualClock()
        self._done: dict[RoomPeer, float] = {}
        self._joined: dict[RoomPeer, float] = {}
        around = Surroundings(
            self._clock,
            Network(self._clock),
            [(number, plan.chunk_bytes) for number in range(plan.chunks)],
            plan.latency_s,
            plan.max_queued,
            self._on_done,
        )
        self.seeder = self._peer(around, "seeder", 1.0, is_seeder=True)
        self.slow = [
            self._peer(around, f"slow-{number}", plan.slow_factor) for number in range(plan.slow)
        ]
        fast = plan.downloaders - plan.slow
        self.fast = [self._peer(around, f"peer-{number}", 1.0) for number in range(fast)]
        self.leavers = self._rng.sample(self.fast, plan.leavers)

    def run(self, *, limit_s: float = 3600.0) -> Result:
        """Until everybody that stayed is done; fails when that does not happen."""
        self._connect()
        for peer in self.leavers:
            self._at(self._rng.uniform(0.1, 0.8) * self._plan.alone_s, peer)
        waited_for = set(self.fast + self.slow) - set(self.leavers)
        while not waited_for <= self._done.keys():
            assert self._clock.step(), f"seed {self._plan.seed}: nothing happens any more"
            assert self._clock.now < limit_s, f"seed {self._plan.seed}: not done in {limit_s} s"
            self._maybe_lose_seeder()
        content = self._plan.chunks * self._plan.chunk_bytes
        stayed = [peer for peer in self.fast if peer in waited_for]
        wasted = sum(peer.duplicates for peer in self.fast + self.slow)
        return Result(
            self._plan,
            [self._took(peer) for peer in stayed],
            [self._took(peer) for peer in self.slow],
            self.seeder.sent_bytes / content,
            wasted / (self._plan.chunks * len(waited_for)),
        )

    def _peer(
        self, around: Surroundings, name: str, factor: float, *, is_seeder: bool = False
    ) -> RoomPeer:
        rate = self._plan.bytes_per_second * factor
        rng = Random(self._rng.getrandbits(64))
        return RoomPeer(name, around, Link(rate), Link(rate), rng, is_seeder=is_seeder)

    def _connect(self) -> None:
        everybody = self.fast + self.slow
        for peer in everybody:
            joins_at = self._rng.uniform(0.0, self._plan.joined_within_s)
            self._joined[peer] = joins_at
            self._clock.after(joins_at, lambda peer=peer: peer.meet(self.seeder))  # type: ignore[misc]
        pairs = list(combinations(everybody, 2))
        self._rng.shuffle(pairs)
        known = dict.fromkeys(everybody, 0)
        most = self._plan.known_peers
        for one, other in pairs:
            if known[one] < most and known[other] < most:
                known[one] += 1
                known[other] += 1
                self._clock.after(
                    max(self._joined[one], self._joined[other]),
                    lambda one=one, other=other: one.meet(other),  # type: ignore[misc]
                )

    def _at(self, leaves_at: float, peer: RoomPeer) -> None:
        self._clock.after(leaves_at, lambda: peer.leave(self._plan.noticed_after_s))

    def _maybe_lose_seeder(self) -> None:
        copies = self._plan.seeder_leaves_after_copies
        content = self._plan.chunks * self._plan.chunk_bytes
        if copies and not self.seeder.is_gone and self.seeder.sent_bytes >= copies * content:
            self.seeder.leave(self._plan.noticed_after_s)

    def _on_done(self, peer: RoomPeer) -> None:
        self._done[peer] = self._clock.now

    def _took(self, peer: RoomPeer) -> float:
        return self._done[peer] - self._joined[peer]


def run_room(plan: RoomPlan) -> Result:
    """Run one room to its end."""
    return Room(plan).run()
