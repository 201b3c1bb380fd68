"""One source's books: requests, room, tries, rests and silence."""

import pytest

from lanspread_peer.core.assignment import Assignment
from lanspread_peer.core.chunk_set import chunk_set
from lanspread_peer.core.request import Request
from lanspread_peer.core.source import Fault, Source
from lanspread_peer.model.ids import PeerId
from lanspread_peer.model.limits import (
    KIB,
    MAX_RETRY_COUNT,
    MIB,
    STALL_TIMEOUT_S,
)


def make_source(holds: int | None = None) -> Source:
    source = Source(PeerId("a"))
    source.connect(holds, now=0.0)
    return source


def send(source: Source, length: int, *, now: float, number: int = 0) -> Request:
    request = Request(Assignment(number, source.peer, range(number, number + 1)), length, now)
    source.sent(request)
    return request


def gives_runs(source: Source) -> bool:
    return source.gives_runs


def is_admitted(source: Source) -> bool:
    return source.is_admitted


def test_a_source_is_admitted_while_connected_and_without_fault() -> None:
    source = Source(PeerId("a"))
    assert not is_admitted(source)
    source.connect(None, now=0.0)
    assert is_admitted(source)
    source.fault = Fault.LIED
    assert not is_admitted(source)


def test_it_is_asked_only_for_what_it_holds_and_has_not_failed_on() -> None:
    assert make_source().askable(0b111) == 0b111
    source = make_source(holds=chunk_set([0, 1]))
    assert source.askable(0b111) == 0b011
    for _ in range(MAX_RETRY_COUNT - 1):
        source.count_try(1)
    assert source.askable(0b111) == 0b011
    source.count_try(1)
    assert source.askable(0b111) == 0b001
    assert source.given_up == 0b010


def test_there_is_room_for_data_until_one_large_chunk_is_outstanding() -> None:
    source = make_source()
    for number in range(4):
        assert source.has_room_for_data(is_trusted=True)
        send(source, MIB, now=0.0, number=number)
    assert not source.has_room_for_data(is_trusted=True)


def test_only_those_that_gave_something_have_room_for_data_without_trust() -> None:
    source = make_source()
    send(source, 4 * KIB, now=0.0)
    assert not source.has_room_for_data(is_trusted=False)
    source.note_verified(4 * KIB)
    assert source.has_room_for_data(is_trusted=False)


def test_who_refused_is_asked_for_chunks_alone_until_it_gave_many_or_reconnects() -> None:
    source = make_source()
    assert source.gives_runs
    source.note_refused()
    for _ in range(63):
        source.note_verified(1)
        assert not gives_runs(source)
    source.note_verified(1)
    assert gives_runs(source)
    source.note_refused()
    source.connect(None, now=1.0)
    assert gives_runs(source)


def test_bytes_beyond_a_chunks_length_count_for_nothing() -> None:
    source = make_source()
    request = send(source, 100, now=0.0)
    source.arrived(request, 1000, now=1.0)
    source.arrived(request, -5, now=1.0)
    assert source.speed(now=1.0) == pytest.approx(100, rel=0.3)
    assert source.finish_in(0, now=1.0) == 0.0


def test_the_time_to_finish_counts_what_has_arrived() -> None:
    source = make_source()
    request = send(source, 10 * MIB, now=0.0)
    for tenth in range(1, 51):
        source.arrived(request, 100 * KIB, now=tenth / 10)
    left = 10 * MIB - 50 * 100 * KIB
    assert source.finish_in(0, now=5.0) == pytest.approx(left / (1000 * KIB), rel=0.6)
    assert source.finish_in(MIB, now=5.0) > source.finish_in(0, now=5.0)


def test_an_idle_source_shows_no_speed() -> None:
    source = make_source()
    request = send(source, 100, now=0.0)
    source.arrived(request, 100, now=1.0)
    assert source.speed(now=1.0) > 0
    source.close(request, now=1.0)
    assert source.speed(now=1.0) == 0.0


def test_silence_counts_from_the_last_byte_of_any_request() -> None:
    source = make_source()
    first = send(source, 100, now=10.0)
    second = send(source, 100, now=12.0, number=1)
    assert source.stall_deadline == 10.0 + STALL_TIMEOUT_S
    source.arrived(second, 1, now=13.0)
    assert source.stall_deadline == 13.0 + STALL_TIMEOUT_S
    assert list(source.requests) == [first, second]
    source.close(first, now=14.0)
    source.close(second, now=14.0)
    assert source.stall_deadline is None


def test_rests_after_failures_grow_up_to_a_bound() -> None:
    source = make_source()
    rests = []
    now = 0.0
    for _ in range(8):
        source.rest_after_failure(now=now)
        rests.append(source.rests_until - now)
        now = source.rests_until
    assert rests == [0.25, 0.5, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]


def test_requests_that_fail_together_are_one_failure() -> None:
    source = make_source()
    for _ in range(12):
        source.rest_after_failure(now=1.0)
    assert source.rests_until == 1.25


def test_a_verified_chunk_ends_the_row_of_failures() -> None:
    source = make_source()
    source.rest_after_failure(now=0.0)
    source.rest_after_failure(now=1.0)
    source.note_verified(100)
    source.rest_after_failure(now=10.0)
    assert source.rests_until == 10.25


def test_a_source_that_stalls_again_and_again_is_dropped_until_it_reconnects() -> None:
    source = make_source()
    for minute in range(MAX_RETRY_COUNT):
        assert is_admitted(source)
        source.note_stalled(now=60.0 * minute)
    assert source.fault is Fault.STALLED
    source.connect(None, now=300.0)
    assert is_admitted(source)
    source.note_stalled(now=360.0)
    assert is_admitted(source)


def test_stalls_reported_for_each_request_are_one() -> None:
    source = make_source()
    for _ in range(10):
        source.note_stalled(now=1.0)
    assert is_admitted(source)


def test_a_verified_chunk_forgives_stalls_but_bytes_alone_do_not() -> None:
    source = make_source()
    for minute in range(10):
        source.note_stalled(now=60.0 * minute)
        source.note_verified(1)
    assert is_admitted(source)
    for minute in range(10, 10 + MAX_RETRY_COUNT):
        request = send(source, 100, now=60.0 * minute)
        source.arrived(request, 99, now=60.0 * minute)
        source.close(request, now=60.0 * minute)
        source.note_stalled(now=60.0 * minute)
    assert not is_admitted(source)


def test_a_new_connection_forgives_no_lie() -> None:
    source = make_source()
    source.fault = Fault.LIED
    source.connect(None, now=1.0)
    assert not is_admitted(source)


def test_a_new_connection_forgives_tries() -> None:
    source = make_source()
    for _ in range(MAX_RETRY_COUNT):
        source.count_try(0)
    assert source.given_up == 0b1
    source.connect(None, now=1.0)
    assert source.given_up == 0
    assert source.may_be_asked(0)


def test_a_clock_jump_is_no_silence_of_the_source() -> None:
    source = make_source()
    send(source, 100, now=0.0)
    source.reset_deadlines(now=3600.0)
    assert source.stall_deadline == 3600.0 + STALL_TIMEOUT_S
