"""The planner's rules, one by one. What they add up to is in tests/simulation."""

from collections.abc import Sequence
from random import Random

import pytest

from lanspread_peer.core.chunk_set import chunk_set
from lanspread_peer.core.failure import Failure
from lanspread_peer.core.planner import Planner
from lanspread_peer.model.ids import PeerId
from lanspread_peer.model.limits import (
    KIB,
    MAX_CHUNK_BYTES,
    MAX_REQUESTS_PER_DOWNLOAD,
    MAX_RETRY_COUNT,
    STALL_TIMEOUT_S,
)
from support.chunkwise import Ask, Came, ChunkwisePlanner

A, B, C, D = (PeerId(name) for name in "abcd")


def make_planner(
    chunks: int = 40, *peers: PeerId, length: int = MAX_CHUNK_BYTES, seed: int = 1
) -> ChunkwisePlanner:
    planner = ChunkwisePlanner([(number, length) for number in range(chunks)], Random(seed))
    for peer in peers:
        planner.add(peer, now=0.0)
    return planner


def chunks_of(assigned: Sequence[Ask], peer: PeerId) -> list[int]:
    return [request.chunk for request in assigned if request.peer == peer]


@pytest.mark.parametrize(("sources", "each"), [(1, 4), (2, 2), (3, 2), (4, 1), (6, 1)])
def test_about_four_large_requests_are_out_over_all_sources(sources: int, each: int) -> None:
    peers = [PeerId(f"peer-{index}") for index in range(sources)]
    assigned = make_planner(40, *peers).assign(now=0.0)
    assert [len(chunks_of(assigned, peer)) for peer in peers] == [each] * sources
    assert len({request.chunk for request in assigned}) == len(assigned)


def test_no_more_than_the_limit_of_requests_is_ever_out() -> None:
    peers = [PeerId(f"peer-{index}") for index in range(MAX_REQUESTS_PER_DOWNLOAD + 5)]
    planner = make_planner(40, *peers)
    assert len(planner.assign(now=0.0)) == MAX_REQUESTS_PER_DOWNLOAD
    assert planner.assign(now=0.0) == []


def test_a_crowd_that_answers_nothing_leaves_most_requests_to_who_gives() -> None:
    silent = [PeerId(f"silent-{index}") for index in range(6)]
    planner = Planner([(number, 4 * KIB) for number in range(20_000)], Random(1))
    for peer in (A, *silent):
        planner.add_source(peer, now=0.0)
    [refused] = [asked for asked in planner.assign(now=0.0) if asked.peer == A]
    planner.failed(refused, Failure.REFUSED, now=0.0)
    # From now on it is asked for one chunk at a time, and more often.
    [asked] = planner.assign(now=1.0)
    planner.received(asked, asked.chunks[0], now=1.01)
    assigned = planner.assign(now=1.01)
    assert [(each.peer, len(each.chunks)) for each in assigned] == [(A, 1)] * (
        MAX_REQUESTS_PER_DOWNLOAD - 6
    )


def test_few_sources_are_asked_in_order() -> None:
    assigned = make_planner(40, A, B).assign(now=0.0)
    assert [request.chunk for request in assigned] == [0, 1, 2, 3]


def test_many_sources_are_asked_at_random_and_the_seed_repeats_it() -> None:
    def chosen(seed: int) -> list[Ask]:
        return make_planner(1000, A, B, C, seed=seed).assign(now=0.0)

    assert chosen(1) == chosen(1)
    assert chosen(1) != chosen(2)
    assert sorted(request.chunk for request in chosen(1)) != list(range(6))


def test_a_partial_source_is_asked_only_for_what_it_holds() -> None:
    planner = make_planner(40)
    planner.add(A, now=0.0, holds=chunk_set([7, 9]))
    assert sorted(chunks_of(planner.assign(now=0.0), A)) == [7, 9]
    planner.add(A, now=0.0, holds=chunk_set([7, 9, 11]))
    assert chunks_of(planner.assign(now=0.0), A) == [11]


def test_the_rarest_chunk_among_the_sources_that_are_there_goes_first() -> None:
    planner = make_planner(10)
    for index in range(4):
        gone = PeerId(f"gone-{index}")
        planner.add(gone, now=0.0, holds=chunk_set([9]))
        planner.remove(gone, now=0.0)
    planner.add(A, now=0.0, holds=chunk_set(range(9)))
    planner.add(B, now=0.0, holds=chunk_set(range(9)))
    planner.add(C, now=0.0, holds=chunk_set(range(10)))
    assert chunks_of(planner.assign(now=0.0), C)[0] == 9


def test_holdings_that_were_replaced_count_no_more() -> None:
    planner = make_planner(10)
    for _ in range(4):
        planner.add(A, now=0.0, holds=chunk_set([9]))
    planner.add(A, now=0.0, holds=chunk_set(range(9)))
    planner.add(B, now=0.0, holds=chunk_set(range(9)))
    planner.add(C, now=0.0, holds=chunk_set(range(10)))
    assert chunks_of(planner.assign(now=0.0), C)[0] == 9


def test_a_source_with_fewer_requests_out_comes_first() -> None:
    planner = make_planner(40, A)
    assert len(planner.assign(now=0.0)) == 4
    planner.add(B, now=0.0)
    assert [request.peer for request in planner.assign(now=0.0)] == [B, B]


def test_a_slow_source_comes_last() -> None:
    planner = make_planner(60, A, B)
    out = planner.assign(now=0.0)
    for chunk in chunks_of(out, B):
        planner.received(B, chunk, now=0.01)
    late, *others = chunks_of(out, A)
    planner.received(A, late, now=1.0)
    for chunk in others:
        planner.failed(A, chunk, Failure.CANCELLED, now=1.0)
    assert [request.peer for request in planner.assign(now=1.0)] == [B] * 2 + [A] * 2


def test_a_lost_connection_requeues_its_chunks_without_a_try() -> None:
    planner = make_planner(1, A)
    for _ in range(3 * MAX_RETRY_COUNT):
        assert len(planner.assign(now=0.0)) == 1
        assert planner.remove(A, now=0.0) == (0,)
        planner.add(A, now=0.0)
    assert list(planner.planner.exhausted) == []


def test_removing_a_source_that_is_not_there_does_nothing() -> None:
    planner = make_planner(1, A)
    assert planner.remove(B, now=0.0) == ()
    planner.remove(A, now=0.0)
    assert planner.remove(A, now=0.0) == ()


def test_a_verified_chunk_is_new_once_and_frees_its_source() -> None:
    planner = make_planner(5, A)
    planner.assign(now=0.0)
    assert planner.received(A, 0, now=1.0) == Came(is_new=True)
    assert planner.received(A, 0, now=1.0) == Came(is_new=False)
    assert planner.planner.missing_count == 4
    assert planner.assign(now=1.0) == [Ask(A, 4)]


def test_a_chunk_that_came_without_being_asked_for_counts() -> None:
    planner = make_planner(2, A)
    assert planner.received(B, 1, now=0.0).is_new
    assert [request.chunk for request in planner.assign(now=0.0)] == [0]


def test_wrong_bytes_drop_the_source_for_the_download() -> None:
    planner = make_planner(40, A, B)
    out = chunks_of(planner.assign(now=0.0), A)
    cut = planner.failed(A, out[0], Failure.WRONG_BYTES, now=1.0)
    assert cut == (Ask(A, out[1]),)
    assert planner.planner.dropped_liars == {A}
    assert planner.planner.admitted_sources == (B,)
    planner.remove(A, now=1.0)
    planner.add(A, now=2.0)
    assert {request.peer for request in planner.assign(now=2.0)} == {B}


def test_a_lie_that_is_found_after_the_connection_was_lost_counts() -> None:
    planner = make_planner(40, A)
    planner.assign(now=0.0)
    planner.remove(A, now=0.0)
    planner.failed(A, 0, Failure.WRONG_BYTES, now=0.0)
    planner.add(A, now=1.0)
    assert planner.assign(now=1.0) == []


def test_when_all_of_several_sources_lied_the_fault_may_be_here() -> None:
    planner = make_planner(40, A, B)
    planner.assign(now=0.0)
    planner.failed(A, 0, Failure.WRONG_BYTES, now=1.0)
    before = planner.planner.all_lied
    planner.failed(B, 1, Failure.WRONG_BYTES, now=1.0)
    assert (before, planner.planner.all_lied) == (False, True)
    assert planner.planner.admitted_sources == ()


def test_one_liar_alone_is_just_a_liar() -> None:
    planner = make_planner(40, A)
    planner.failed(A, 0, Failure.WRONG_BYTES, now=1.0)
    assert not planner.planner.all_lied


def test_a_source_that_gave_right_chunks_and_left_clears_this_machine() -> None:
    planner = make_planner(40, A, B, C)
    planner.received(C, 5, now=0.0)
    planner.remove(C, now=0.0)
    planner.failed(A, 0, Failure.WRONG_BYTES, now=1.0)
    planner.failed(B, 1, Failure.WRONG_BYTES, now=1.0)
    assert not planner.planner.all_lied


def test_a_refused_chunk_is_tried_again_later_and_then_no_more_at_that_source() -> None:
    planner = make_planner(1, A)
    now = 0.0
    for _ in range(MAX_RETRY_COUNT):
        assert list(planner.planner.exhausted) == []
        assert planner.assign(now=now) == [Ask(A, 0)]
        planner.failed(A, 0, Failure.REFUSED, now=now)
        assert planner.assign(now=now) == []
        deadline = planner.next_deadline()
        assert deadline is not None
        assert deadline > now
        now = deadline
    assert list(planner.planner.exhausted) == [0]
    assert planner.assign(now=now + 100.0) == []
    planner.add(B, now=now)
    assert list(planner.planner.exhausted) == []
    assert planner.assign(now=now) == [Ask(B, 0)]


def test_without_sources_nothing_is_exhausted() -> None:
    planner = make_planner(1, A)
    for now in range(MAX_RETRY_COUNT):
        planner.assign(now=10.0 * now)
        planner.failed(A, 0, Failure.REFUSED, now=10.0 * now)
    planner.remove(A, now=50.0)
    assert list(planner.planner.exhausted) == []
    planner.add(A, now=60.0)
    assert list(planner.planner.exhausted) == []
    assert planner.assign(now=60.0) == [Ask(A, 0)]


def test_sources_that_refuse_everything_are_found_out_within_seconds() -> None:
    planner = make_planner(1000, A, B, C)
    now = 0.0
    while not planner.planner.exhausted:
        assert now < 10.0
        for request in planner.assign(now=now):
            planner.failed(request.peer, request.chunk, Failure.REFUSED, now=now)
        now = planner.next_deadline() or now


def test_a_busy_source_is_left_alone_for_about_as_long_as_it_said() -> None:
    planner = make_planner(1, A)
    for _ in range(3 * MAX_RETRY_COUNT):
        planner.assign(now=0.0)
        planner.failed(A, 0, Failure.BUSY, now=0.0, retry_s=2.0)
        assert planner.assign(now=0.99) == []
        assert 1.0 <= (planner.next_deadline() or 0.0) <= 3.0
        assert planner.assign(now=3.0) == [Ask(A, 0)]
        planner.remove(A, now=0.0)
        planner.add(A, now=0.0)
    assert list(planner.planner.exhausted) == []


def test_a_busy_source_cannot_name_an_endless_time() -> None:
    planner = make_planner(1, A)
    planner.assign(now=0.0)
    planner.failed(A, 0, Failure.BUSY, now=0.0, retry_s=1e12)
    assert planner.assign(now=90.0) == [Ask(A, 0)]


def test_a_lost_request_counts_no_try_but_is_not_repeated_at_once() -> None:
    planner = make_planner(1, A)
    now = 0.0
    for _ in range(3 * MAX_RETRY_COUNT):
        assert planner.assign(now=now) == [Ask(A, 0)]
        planner.failed(A, 0, Failure.LOST, now=now)
        assert planner.assign(now=now) == []
        now += 10.0
    assert list(planner.planner.exhausted) == []


def test_a_stall_before_the_first_byte_counts_no_try() -> None:
    planner = make_planner(40, A)
    for minute in range(3 * MAX_RETRY_COUNT):
        now = 60.0 * minute
        planner.assign(now=now)
        planner.failed(A, 0, Failure.STALLED, now=now)
        # So it does serve, and is not dropped for its silence.
        planner.received(A, 39 - minute, now=now)
    assert Ask(A, 0) in planner.assign(now=3600.0)


def test_a_stall_after_the_first_byte_counts_a_try() -> None:
    planner = make_planner(40, A)
    for minute in range(MAX_RETRY_COUNT):
        now = 60.0 * minute
        assert Ask(A, 0) in planner.assign(now=now)
        planner.progressed(A, 0, 1, now=now)
        planner.failed(A, 0, Failure.STALLED, now=now)
        planner.received(A, 39 - minute, now=now)
    assert Ask(A, 0) not in planner.assign(now=3600.0)


def test_a_cancelled_request_has_no_consequences() -> None:
    planner = make_planner(1, A)
    planner.assign(now=0.0)
    assert planner.failed(A, 0, Failure.CANCELLED, now=0.0) == ()
    assert planner.assign(now=0.0) == [Ask(A, 0)]


def test_a_failure_of_a_request_that_is_not_out_counts_for_nothing() -> None:
    planner = make_planner(1, A)
    for _ in range(MAX_RETRY_COUNT):
        assert planner.failed(A, 0, Failure.REFUSED, now=0.0) == ()
    assert list(planner.planner.exhausted) == []
    assert len(planner.assign(now=0.0)) == 1
    planner.progressed(C, 0, 100, now=0.0)


def test_a_silent_source_loses_its_requests_and_rests() -> None:
    planner = make_planner(40, A)
    out = planner.assign(now=0.0)
    assert planner.next_deadline() == STALL_TIMEOUT_S
    assert planner.handle_timeout(now=STALL_TIMEOUT_S - 0.01) == []
    assert planner.handle_timeout(now=STALL_TIMEOUT_S) == out
    assert planner.assign(now=STALL_TIMEOUT_S) == []
    assert [r.chunk for r in planner.assign(now=STALL_TIMEOUT_S + 0.25)] == [0, 1, 2, 3]


def test_bytes_of_any_request_keep_a_source_from_counting_as_silent() -> None:
    planner = make_planner(40, A)
    planner.assign(now=0.0)
    planner.progressed(A, 2, 1, now=4.0)
    assert planner.handle_timeout(now=STALL_TIMEOUT_S) == []
    assert planner.next_deadline() == 4.0 + STALL_TIMEOUT_S


def test_a_source_whose_bytes_wait_for_our_own_limit_is_not_silent() -> None:
    planner = make_planner(40, A)
    planner.assign(now=0.0)
    planner.progressed(A, 2, 0, now=4.0)
    assert planner.next_deadline() == 4.0 + STALL_TIMEOUT_S


def test_a_source_that_goes_silent_again_and_again_is_dropped() -> None:
    planner = make_planner(40, A)
    now = 0.0
    for _ in range(MAX_RETRY_COUNT):
        assert list(planner.planner.admitted_sources) == [A]
        assert planner.assign(now=now)
        now += STALL_TIMEOUT_S
        assert planner.handle_timeout(now=now)
        now += 60.0
    assert list(planner.planner.admitted_sources) == []
    assert planner.planner.dropped_liars == frozenset()
    planner.remove(A, now=now)
    planner.add(A, now=now)
    assert list(planner.planner.admitted_sources) == [A]


def test_a_stall_that_drops_the_source_cuts_its_other_requests() -> None:
    planner = make_planner(40, A)
    for minute in range(1, MAX_RETRY_COUNT):
        planner.assign(now=60.0 * minute)
        assert planner.failed(A, 0, Failure.STALLED, now=60.0 * minute) == ()
    planner.assign(now=600.0)
    cut = planner.failed(A, 0, Failure.STALLED, now=600.0)
    assert sorted(request.chunk for request in cut) == [1, 2, 3]


def test_a_clock_jump_is_nobodys_silence() -> None:
    planner = make_planner(40, A)
    planner.assign(now=0.0)
    planner.planner.deadlines_reset(now=7200.0)
    assert planner.handle_timeout(now=7200.0) == []
    assert planner.next_deadline() == 7200.0 + STALL_TIMEOUT_S


def test_shares_tell_what_each_source_gave() -> None:
    planner = make_planner(5, A, B)
    planner.assign(now=0.0)
    planner.received(A, 0, now=1.0)
    planner.remove(B, now=1.0)
    shares = {share.peer: share for share in planner.planner.shares(now=1.0)}
    assert shares[A].bytes == MAX_CHUNK_BYTES
    assert shares[A].bytes_per_second > 0
    assert shares[A].is_active
    assert (shares[B].bytes, shares[B].bytes_per_second, shares[B].is_active) == (0, 0.0, False)
