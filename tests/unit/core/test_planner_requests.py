"""What a request asks for: runs, groups, and any chunk at a source that chooses."""

from random import Random

import pytest

from lanspread_peer.core.assignment import Assignment
from lanspread_peer.core.chunk_set import chunk_set
from lanspread_peer.core.failure import Failure
from lanspread_peer.core.planner import Planner
from lanspread_peer.model.ids import PeerId
from lanspread_peer.model.limits import (
    KIB,
    MAX_ANY_CHUNKS,
    MAX_CHUNK_BYTES,
    MAX_CHUNKS_PER_REQUEST,
    MAX_REQUESTS_PER_DOWNLOAD,
    MIB,
    MIN_CHUNK_BYTES,
)

A, B, C, SEEDER = PeerId("a"), PeerId("b"), PeerId("c"), PeerId("seeder")
RUN = MAX_CHUNK_BYTES // MIN_CHUNK_BYTES


def make_planner(chunks: int, *peers: PeerId, length: int = MIN_CHUNK_BYTES) -> Planner:
    planner = Planner([(number, length) for number in range(chunks)], Random(1))
    for peer in peers:
        planner.add_source(peer, now=0.0)
    return planner


def make_swarm(chunks: int = 400, length: int = MIN_CHUNK_BYTES) -> Planner:
    """A seeder that chooses, and a partial source that has nothing yet."""
    planner = make_planner(chunks, length=length)
    planner.add_source(SEEDER, now=0.0, chooses=True)
    planner.add_source(A, now=0.0, holds=0)
    return planner


@pytest.mark.parametrize("peers", [(A,), (A, B)])
def test_few_sources_are_asked_for_long_runs_in_order(peers: tuple[PeerId, ...]) -> None:
    assigned = make_planner(1000, *peers).assign(now=0.0)
    assert [asked.chunks for asked in assigned] == [
        range(start, start + RUN) for start in range(0, 4 * RUN, RUN)
    ]


def test_many_sources_are_asked_for_whole_groups_at_random() -> None:
    assigned = make_planner(10_000, A, B, C).assign(now=0.0)
    assert len(assigned) == 6
    assert all(len(a.chunks) == RUN and a.chunks[0] % RUN == 0 for a in assigned)
    assert sorted(a.chunks[0] for a in assigned) != list(range(0, 6 * RUN, RUN))


def test_small_files_come_many_at_a_time_also_in_a_swarm() -> None:
    [first, *_] = make_planner(100_000, A, length=KIB).assign(now=0.0)
    assert len(first.chunks) == MAX_CHUNKS_PER_REQUEST
    planner = make_planner(100_000, A, B, C, length=4 * KIB)
    assert {len(asked.chunks) for asked in planner.assign(now=0.0)} == {1024}
    planner = make_planner(100_000, length=4 * KIB)
    planner.add_source(A, now=0.0, holds=chunk_set(range(100_000)))
    planner.add_source(B, now=0.0)
    assert {len(asked.chunks) for asked in planner.assign(now=0.0)} == {64}


def test_who_does_not_know_runs_is_asked_for_small_chunks_one_by_one_but_many_at_once() -> None:
    planner = make_planner(1000, length=4 * KIB)
    for peer in (A, B):
        planner.add_source(peer, now=0.0, runs=False)
    assigned = planner.assign(now=0.0)
    assert [len(asked.chunks) for asked in assigned] == [1] * MAX_REQUESTS_PER_DOWNLOAD
    assert sum(asked.peer == A for asked in assigned) == MAX_REQUESTS_PER_DOWNLOAD // 2


def test_in_a_swarm_a_request_is_for_one_chunk_of_the_usual_size() -> None:
    planner = make_planner(400, B)
    planner.add_source(A, now=0.0, holds=chunk_set(range(300)))
    assigned = planner.assign(now=0.0)
    assert len(assigned) == 4
    assert all(len(asked.chunks) == 1 for asked in assigned)
    assert sorted(asked.chunks[0] for asked in assigned) != [0, 1, 2, 3]


def test_a_seeder_in_a_swarm_chooses_among_all_that_is_missing() -> None:
    planner = make_swarm()
    first, second = planner.assign(now=0.0)
    assert first.peer == second.peer == SEEDER
    assert first.wanted == second.wanted == chunk_set(range(400))
    assert not first.chunks
    assert planner.chosen(first, 7, now=0.0)
    planner.progressed(first, 1000, now=0.0)
    assert planner.received(first, 7, now=0.1).is_new
    [third] = planner.assign(now=0.1)
    assert third.wanted == chunk_set(set(range(400)) - {7})


def test_alone_with_a_seeder_it_chooses_the_beginning_and_is_then_asked_in_order() -> None:
    planner = make_planner(400)
    planner.add_source(SEEDER, now=0.0, chooses=True)
    [first] = planner.assign(now=0.0)
    assert first.wanted == chunk_set(range(400))
    assert planner.chosen(first, 399, now=0.0)
    assert planner.assign(now=0.0) == []
    for chunk in range(4 * RUN):
        planner.gave(B, chunk, now=0.0)
    planner.received(first, 399, now=0.0)
    assert [asked.chunks for asked in planner.assign(now=0.0)] == [
        range(start, start + RUN) for start in range(4 * RUN, 8 * RUN, RUN)
    ]


def test_where_nobody_else_is_in_sight_a_seeder_is_asked_in_order_at_once() -> None:
    planner = make_planner(400)
    planner.expect_company(False)
    planner.add_source(SEEDER, now=0.0, chooses=True)
    assert [asked.chunks for asked in planner.assign(now=0.0)] == [
        range(start, start + RUN) for start in range(0, 4 * RUN, RUN)
    ]


def test_a_partial_source_never_chooses() -> None:
    planner = make_planner(400)
    planner.add_source(A, now=0.0, holds=chunk_set(range(400)), chooses=True)
    assert all(asked.wanted is None for asked in planner.assign(now=0.0))


def test_what_was_chosen_meanwhile_elsewhere_is_not_fetched_twice() -> None:
    planner = make_swarm()
    first, second = planner.assign(now=0.0)
    assert planner.chosen(first, 7, now=0.0)
    assert not planner.chosen(second, 7, now=0.0)
    # It is over, so another one goes out at once.
    [third] = planner.assign(now=0.0)
    assert third.wanted == chunk_set(set(range(400)) - {7})


def test_a_source_that_chooses_what_nobody_wants_is_left_alone() -> None:
    planner = make_swarm()
    planner.gave(B, 7, now=0.0)
    first, second = planner.assign(now=0.0)
    assert not planner.chosen(first, 7, now=0.0)
    assert planner.assign(now=0.0) == []
    assert not planner.chosen(first, 8, now=0.0)
    assert not planner.chosen(Assignment(99, SEEDER, range(1)), 8, now=0.0)
    assert planner.chosen(second, 8, now=0.0)
    assert not planner.chosen(second, 9, now=0.0)
    # From now on it is told what to give.
    assert all(asked.wanted is None for asked in planner.assign(now=60.0))


def test_no_more_requests_leave_the_choice_than_chunks_are_missing() -> None:
    planner = make_swarm(1)
    [only] = planner.assign(now=0.0)
    assert planner.gave(A, 0, now=0.1).cancel == (only,)
    assert planner.is_complete


def test_a_request_that_leaves_the_choice_names_a_bounded_number_of_chunks() -> None:
    planner = make_swarm(MAX_ANY_CHUNKS + 1000)
    for chunk in range(10):
        planner.gave(B, chunk, now=0.0)
    first, _ = planner.assign(now=0.0)
    assert first.wanted == chunk_set(range(10, 10 + MAX_ANY_CHUNKS))


def test_small_files_are_never_left_to_a_source_to_choose() -> None:
    small, large = [(number, 4 * KIB) for number in range(100)], [(100, MIN_CHUNK_BYTES)]
    planner = Planner([*small, *large], Random(1))
    planner.add_source(SEEDER, now=0.0, chooses=True)
    [first] = planner.assign(now=0.0)
    assert first.wanted == chunk_set([100])
    assert planner.chosen(first, 100, now=0.0)
    assert planner.received(first, 100, now=0.0).is_new
    # Nor does it wait for one request after the other then.
    [run] = planner.assign(now=0.0)
    assert run.chunks == range(100)


def test_a_chunk_that_failed_is_asked_for_by_name_and_alone() -> None:
    planner = make_planner(400, A)
    run, *_ = planner.assign(now=0.0)
    planner.failed(run, Failure.WRONG_BYTES, now=0.0)
    planner.add_source(SEEDER, now=0.0, chooses=True)
    planner.add_source(B, now=0.0, holds=0)
    first, second = planner.assign(now=0.0)
    assert first.chunks == range(1)
    assert second.wanted is not None


def test_news_of_a_partial_source_is_asked_for_and_makes_chunks_less_rare() -> None:
    planner = make_planner(4, length=MAX_CHUNK_BYTES)
    planner.add_source(A, now=0.0, holds=0)
    assert planner.assign(now=0.0) == []
    planner.add_source(B, now=0.0, holds=chunk_set([1, 2]))
    planner.holds_added(A, chunk_set([0, 1, 2]))
    planner.holds_added(A, chunk_set([0, 1]))
    chunks = {asked.peer: asked.chunks for asked in reversed(planner.assign(now=0.0))}
    assert chunks[A] == range(1)


def test_news_of_who_is_no_partial_source_counts_for_nothing() -> None:
    planner = make_planner(4, A)
    planner.holds_added(A, chunk_set([0]))
    planner.holds_added(B, chunk_set([0]))
    planner.remove_source(A, now=0.0)
    planner.holds_added(A, chunk_set([0]))
    assert planner.assign(now=0.0) == []


def test_a_run_that_fails_in_the_middle_keeps_what_came_and_frees_the_rest() -> None:
    planner = make_planner(3 * RUN, A)
    first, *_ = planner.assign(now=0.0)
    for chunk in range(3):
        assert planner.received(first, chunk, now=0.1).cancel == ()
    planner.failed(first, Failure.LOST, now=0.1)
    assert planner.missing_count == 3 * RUN - 3
    again, *_ = planner.assign(now=1.0)
    assert again.chunks == range(3, RUN)


def test_only_the_chunk_that_came_next_counts_as_tried() -> None:
    planner = make_planner(RUN, A)
    now = 0.0
    while not planner.exhausted:
        for asked in planner.assign(now=now):
            for chunk in asked.chunks:
                if chunk == 5:
                    planner.failed(asked, Failure.REFUSED, now=now)
                    break
                planner.received(asked, chunk, now=now)
        now += 1.0
        assert now < 10.0
    assert planner.exhausted == (5,)
    assert planner.missing_count == 1


def test_the_rest_of_a_run_is_cut_when_others_gave_it() -> None:
    planner = make_planner(RUN, A)
    [run] = planner.assign(now=0.0)
    for chunk in range(4, RUN):
        assert planner.gave(B, chunk, now=0.1).cancel == ()
    for chunk in range(3):
        assert planner.received(run, chunk, now=0.2).cancel == ()
    assert planner.received(run, 3, now=0.2).cancel == (run,)
    assert planner.is_complete


def test_the_end_of_a_slow_run_is_asked_of_another_too() -> None:
    planner = make_planner(RUN, A)
    [slow] = planner.assign(now=0.0)
    planner.progressed(slow, KIB, now=1.0)
    planner.add_source(B, now=1.0)
    [copy] = planner.assign(now=1.0)
    assert copy.copy
    assert copy.chunks[-1] == slow.chunks[-1]
    for chunk in copy.chunks[:-1]:
        assert planner.received(copy, chunk, now=1.1).cancel == ()
    cancel = planner.received(copy, copy.chunks[-1], now=1.1).cancel
    assert cancel == ((slow,) if len(copy.chunks) == RUN else ())


def test_a_crawler_loses_a_request_of_which_it_has_not_chosen_the_chunk() -> None:
    planner = make_swarm()
    first, second = planner.assign(now=0.0)
    planner.add_source(B, now=0.0, holds=chunk_set(range(400)))
    others: list[Assignment] = []
    for step in range(1, 31):
        now = step / 10
        for asked in others:
            planner.received(asked, asked.chunks[0], now=now)
        others = [asked for asked in planner.assign(now=now) if asked.peer == B]
        planner.progressed(first, 1, now=now)
        if set(planner.handle_timeout(now=now)) == {first, second}:
            return
    raise AssertionError("nothing was cut")


def test_busy_that_says_no_time_is_about_a_third_of_a_second() -> None:
    for seed in range(20):
        planner = Planner([(0, MIB)], Random(seed))
        planner.add_source(A, now=0.0)
        [asked] = planner.assign(now=0.0)
        planner.failed(asked, Failure.BUSY, now=0.0)
        planner.assign(now=0.0)
        assert 0.15 <= (planner.next_deadline() or 0.0) <= 0.45


def test_partial_sources_that_all_lack_the_same_leave_a_download_starved() -> None:
    planner = make_planner(3)
    starved = [planner.is_starved]
    planner.add_source(A, now=0.0, holds=chunk_set([0]))
    starved.append(planner.is_starved)
    [asked] = planner.assign(now=0.0)
    starved.append(planner.is_starved)
    planner.received(asked, 0, now=0.0)
    starved.append(planner.is_starved)
    planner.holds_added(A, chunk_set([1]))
    starved.append(planner.is_starved)
    assert starved == [True, False, False, True, False]


def test_partial_sources_without_anything_take_nothing_from_what_the_seeder_is_asked() -> None:
    planner = make_swarm()
    for number in range(64):
        planner.gave(SEEDER, number, now=0.0)
    planner.assign(now=0.0)
    runs = planner.assign(now=5.0)
    assert runs
    assert all(each.peer == SEEDER and len(each.chunks) > 1 for each in runs)
    planner.holds_added(A, chunk_set([399]))
    [asked] = planner.assign(now=5.1)
    assert (asked.peer, asked.chunks) == (A, range(399, 400))


def test_a_partial_source_that_has_what_we_have_counts_a_moment_longer() -> None:
    planner = make_swarm()
    for number in range(64):
        planner.gave(SEEDER, number, now=0.0)
    first = planner.assign(now=1.9)
    assert {each.wanted is not None for each in first} == {True}
