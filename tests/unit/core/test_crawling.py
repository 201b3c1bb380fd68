"""A source that crawls is left behind beside others that run, and never when it is needed."""

from collections.abc import Sequence
from random import Random

from lanspread_peer.core.assignment import Assignment
from lanspread_peer.core.chunk_set import chunk_set
from lanspread_peer.core.crawling import CRAWL_AFTER_S
from lanspread_peer.core.planner import Planner
from lanspread_peer.model.ids import PeerId
from lanspread_peer.model.limits import KIB, MAX_CHUNK_BYTES, MIB, MIN_SOURCE_BYTES_PER_SECOND

DRIP, FAST, OTHER = PeerId("drip"), PeerId("fast"), PeerId("other")
STEP_S = 0.25


class Run:
    """A download of a thousand large chunks; a source gives so many bytes per second for each."""

    def __init__(self, chunks: int = 1000, /, **speeds: float) -> None:
        self.planner = Planner([(number, MAX_CHUNK_BYTES) for number in range(chunks)], Random(1))
        self.speeds = {PeerId(name): speed for name, speed in speeds.items()}
        self.out: dict[Assignment, float] = {}
        self.cut: list[Assignment] = []
        self.sent: list[Assignment] = []
        self.now = 0.0

    def add(self, peer: PeerId, holds: Sequence[int] | None = None) -> None:
        wanted = None if holds is None else chunk_set(holds)
        self.planner.add_source(peer, now=self.now, holds=wanted)

    def go_on(self, seconds: float) -> None:
        end = self.now + seconds
        while self.now < end:
            self.step()

    def step(self) -> None:
        for assignment in self.planner.assign(now=self.now):
            self.out = {out: n for out, n in self.out.items() if out.id != assignment.replaces}
            self.sent.append(assignment)
            self.out[assignment] = 0.0
        self.now += STEP_S
        for assignment, came in list(self.out.items()):
            peer = assignment.peer
            share = sum(1 for other in self.out if other.peer == peer)
            count = int(self.speeds[peer] * STEP_S / share)
            self.planner.progressed(assignment, count, now=self.now)
            self.out[assignment] = came + count
        for assignment, came in list(self.out.items()):
            if came >= MAX_CHUNK_BYTES and assignment in self.out:
                del self.out[assignment]
                [chunk] = assignment.chunks
                received = self.planner.received(assignment, chunk, now=self.now)
                for cut in received.cancel:
                    del self.out[cut]
        for cut in self.planner.handle_timeout(now=self.now):
            self.cut.append(cut)
            del self.out[cut]

    def asked(self, peer: PeerId) -> set[int]:
        return {out.chunks[0] for out in self.out if out.peer == peer}


def test_a_dripping_source_is_left_behind_beside_a_fast_one() -> None:
    run = Run(drip=100, fast=16 * MIB)
    run.add(DRIP)
    run.add(FAST)
    run.go_on(CRAWL_AFTER_S / 2)
    assert run.asked(DRIP)
    run.go_on(3)
    assert {cut.peer for cut in run.cut} == {DRIP}
    assert not run.asked(DRIP)
    run.go_on(5)
    assert not run.asked(DRIP)


def test_it_is_tried_again_in_time_and_then_left_longer() -> None:
    run = Run(5000, drip=100, fast=16 * MIB)
    run.add(DRIP)
    run.add(FAST)
    run.go_on(CRAWL_AFTER_S + 2)
    once = len([each for each in run.sent if each.peer == DRIP])
    run.go_on(20)
    assert len([each for each in run.sent if each.peer == DRIP]) == 2 * once
    run.go_on(15)
    assert len([each for each in run.sent if each.peer == DRIP]) == 2 * once


def test_a_slow_source_is_kept_while_it_is_the_only_one_and_left_when_another_comes() -> None:
    run = Run(drip=100, fast=16 * MIB)
    run.add(DRIP)
    run.go_on(60)
    assert run.asked(DRIP)
    assert run.cut == []
    run.add(FAST)
    run.go_on(3)
    assert not run.asked(DRIP)


def test_when_the_fast_one_goes_the_slow_one_is_asked_again_at_once() -> None:
    run = Run(drip=100, fast=16 * MIB)
    run.add(DRIP)
    run.add(FAST)
    run.go_on(CRAWL_AFTER_S + 2)
    run.planner.remove_source(FAST, now=run.now)
    run.out = {out: came for out, came in run.out.items() if out.peer != FAST}
    run.step()
    assert run.asked(DRIP)


def test_what_only_the_slow_one_holds_goes_on_to_come_from_it() -> None:
    run = Run(4000, drip=1000, fast=16 * MIB)
    run.add(DRIP)
    run.add(FAST, holds=range(1, 4000))
    run.go_on(60)
    assert run.asked(DRIP) == {0}
    assert 0 not in {cut.chunks[0] for cut in run.cut}


def test_several_slow_ones_do_not_leave_each_other_behind() -> None:
    run = Run(drip=1000, other=2000)
    run.add(DRIP)
    run.add(OTHER)
    run.go_on(60)
    assert run.cut == []


def test_a_source_above_the_minimum_is_no_crawler_however_fast_others_are() -> None:
    run = Run(4000, drip=MIN_SOURCE_BYTES_PER_SECOND * 1.1, fast=16 * MIB)
    run.add(DRIP)
    run.add(FAST)
    run.go_on(60)
    assert run.cut == []


def test_a_source_that_only_promises_does_not_replace_a_slow_one() -> None:
    # It was never measured, so it is believed to be fast, and gave nothing.
    run = Run(drip=10 * KIB, other=9 * KIB)
    run.add(DRIP)
    run.go_on(10)
    run.add(OTHER)
    run.go_on(30)
    assert run.cut == []


def test_a_crowd_of_drippers_does_not_fill_the_limit_of_requests() -> None:
    names = [f"drip{number}" for number in range(20)]
    run = Run(1000, fast=12 * MIB, **dict.fromkeys(names, 100.0))
    for name in names:
        run.add(PeerId(name))
    run.add(FAST)
    run.go_on(CRAWL_AFTER_S / 2)
    assert len({out.peer for out in run.out} - {FAST}) > 5
    run.go_on(5)
    assert {out.peer for out in run.out} == {FAST}


def test_the_planner_names_the_moment_to_look() -> None:
    run = Run(drip=100, fast=16 * MIB)
    run.add(DRIP)
    run.add(FAST)
    run.step()
    deadline = run.planner.next_deadline()
    assert deadline is not None
    assert deadline <= CRAWL_AFTER_S
