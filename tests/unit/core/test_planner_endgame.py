"""The planner when nothing is left to ask for, or no request may be added."""

from random import Random

from lanspread_peer.core.chunk_set import chunk_set
from lanspread_peer.model.ids import PeerId
from lanspread_peer.model.limits import MAX_CHUNK_BYTES, MAX_REQUESTS_PER_DOWNLOAD
from support.chunkwise import Ask, Came, ChunkwisePlanner

A, B = PeerId("a"), PeerId("b")


def make_planner(chunks: int, *peers: PeerId) -> ChunkwisePlanner:
    planner = ChunkwisePlanner([(number, MAX_CHUNK_BYTES) for number in range(chunks)], Random(1))
    for peer in peers:
        planner.add(peer, now=0.0)
    return planner


def chunks_of(assigned: list[Ask], peer: PeerId) -> list[int]:
    return [request.chunk for request in assigned if request.peer == peer]


def test_the_last_chunk_of_a_slow_source_is_asked_of_a_faster_one_too() -> None:
    planner = make_planner(3, A, B)
    out = planner.assign(now=0.0)
    late = next(r.chunk for r in out if r.peer == A)
    for chunk in chunks_of(out, A)[1:]:
        planner.received(A, chunk, now=1.0)
    for chunk in chunks_of(out, B):
        planner.received(B, chunk, now=1.0)
    copies = planner.assign(now=2.0)
    assert copies == [Ask(B, late, copy=True)]
    received = planner.received(B, late, now=2.1)
    assert received == Came(is_new=True, cancel=(Ask(A, late),))
    assert planner.planner.is_complete
    assert planner.next_deadline() is None
    assert planner.received(A, late, now=2.2) == Came(is_new=False)


def test_the_loss_of_one_of_two_owners_leaves_the_other() -> None:
    planner = make_planner(1, A)
    planner.assign(now=0.0)
    planner.add(B, now=1.0)
    assert planner.assign(now=1.0) == [Ask(B, 0, copy=True)]
    assert planner.remove(A, now=1.0) == ()
    assert planner.received(B, 0, now=2.0) == Came(is_new=True)


def test_an_idle_source_looks_again_as_time_passes() -> None:
    planner = make_planner(1, A, B)
    (first,) = planner.assign(now=0.0)
    deadline = planner.next_deadline()
    assert deadline is not None
    assert deadline < 1.0
    (copy,) = planner.assign(now=deadline)
    assert copy.copy
    assert copy.peer != first.peer


def test_nothing_is_copied_while_another_source_can_be_asked_for_what_is_missing() -> None:
    planner = make_planner(40, A)
    assert chunks_of(planner.assign(now=0.0), A) == [0, 1, 2, 3]
    planner.add(B, now=3.0, holds=chunk_set([0, 1, 2, 3]))
    assert planner.assign(now=3.0) == []


def test_a_fast_source_takes_over_from_dripping_ones_that_fill_the_limit() -> None:
    drips = [PeerId(f"drip-{index}") for index in range(MAX_REQUESTS_PER_DOWNLOAD)]
    planner = make_planner(40, *drips)
    assert len(planner.assign(now=0.0)) == MAX_REQUESTS_PER_DOWNLOAD
    planner.add(A, now=4.0)
    (taken,) = planner.assign(now=4.0)
    assert taken.peer == A
    assert taken.replaces in drips
    assert not taken.copy
    assert planner.received(A, taken.chunk, now=4.1) == Came(is_new=True)


def test_a_look_that_found_nothing_to_take_over_is_not_repeated_at_once() -> None:
    peers = [PeerId(f"peer-{index}") for index in range(MAX_REQUESTS_PER_DOWNLOAD + 1)]
    planner = make_planner(40, *peers)
    assert len(planner.assign(now=0.0)) == MAX_REQUESTS_PER_DOWNLOAD
    assert planner.assign(now=0.24) == []
    assert planner.next_deadline() == 0.25
    assert len(planner.assign(now=0.25)) == 1
