"""The lines of an availability: what is told arrives, and nonsense costs little."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanspread_peer.core.chunk_news import ranges_of, set_of_ranges
from lanspread_peer.core.chunk_set import chunk_set
from lanspread_peer.model.errors import MalformedMessage
from lanspread_peer.model.limits import MAX_AVAILABILITY_LINE_BYTES
from lanspread_peer.wire.availability import (
    SIGN_OF_LIFE,
    AvailabilityReader,
    encode_added,
    encode_held,
)

COUNT = 1000


def reader(held: int = 0, count: int = COUNT) -> AvailabilityReader:
    """One that has read its first line."""
    made = AvailabilityReader(count)
    assert made.add(encode_held(held, count)) == held
    return made


@given(st.sets(st.integers(0, 499)), st.sets(st.integers(500, 999), min_size=1), st.data())
def test_what_is_told_arrives_in_any_pieces(
    held: set[int], added: set[int], data: st.DataObject
) -> None:
    lines = encode_held(chunk_set(held), COUNT) + b"".join(encode_added(ranges_of(added)))
    cut = data.draw(st.integers(0, len(lines)))
    taker = AvailabilityReader(COUNT)
    first, then = taker.add(lines[:cut]), taker.add(lines[cut:])
    assert first | then == chunk_set(held | added)
    assert not first & then
    assert taker.held == chunk_set(held | added)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 70)), min_size=1, max_size=8))
def test_ranges_of_any_length_are_whole(gaps: list[tuple[int, int]]) -> None:
    ranges, at = [], 0
    for gap, count in gaps:
        ranges.append((at + gap + 1, count))
        at += gap + 1 + count
    [line] = encode_added(ranges)
    assert reader().add(line) == set_of_ranges(ranges)


def test_ranges_are_written_with_both_ends() -> None:
    assert list(encode_added([(5, 5), (12, 1)])) == [b"5-9,12\n"]
    assert list(encode_added([])) == []


def test_what_does_not_fit_a_line_goes_on_in_the_next() -> None:
    ranges = [(number, 1) for number in range(0, 4000, 2)]
    lines = list(encode_added(ranges))
    assert len(lines) > 1
    assert all(len(line) <= MAX_AVAILABILITY_LINE_BYTES for line in lines)
    taker = reader(count=4000)
    assert taker.add(b"".join(lines)) == set_of_ranges(ranges)
    assert taker.held == set_of_ranges(ranges)


def test_a_sign_of_life_tells_nothing() -> None:
    taker = reader(held=0b1)
    assert taker.add(SIGN_OF_LIFE * 3) == 0
    assert taker.held == 0b1


NONSENSE = "x 1, ,1 1- -1 9-5 5,5 5-9,9 2,1 1000 990-1000 +1 0x1 1--2 12345678".encode(
    "ascii"
).split()


@pytest.mark.parametrize("line", [*NONSENSE, b" 1", b"1 ", b"1\r", b"\xd9\xa1"])
def test_other_lines_are_refused(line: bytes) -> None:
    with pytest.raises(MalformedMessage):
        reader().add(line + b"\n")


@pytest.mark.parametrize("line", [b"\n", b"AAAA\n"])
def test_a_peer_may_hold_nothing_at_first(line: bytes) -> None:
    taker = AvailabilityReader(9)
    assert taker.add(line) == 0
    assert taker.held == 0


def test_ranges_are_no_first_line() -> None:
    with pytest.raises(MalformedMessage):
        AvailabilityReader(9).add(b"1-2\n")


def test_who_tells_nothing_new_is_refused_so_that_the_answer_ends() -> None:
    taker = reader(held=0b111)
    with pytest.raises(MalformedMessage, match="not told before"):
        taker.add(b"0-2\n")
    assert reader(held=0b111).add(b"0-3\n") == 0b1000


@pytest.mark.parametrize("lines", [b"5\n5\n", b"1-9\n2-3\n1-9\n", b"0-3\n4\n4\n2-4\n\n5\n"])
def test_lines_that_come_at_once_tell_of_as_many_new_chunks_at_least(lines: bytes) -> None:
    with pytest.raises(MalformedMessage, match="not told before"):
        reader(held=0b1111111110).add(lines)


@given(st.lists(st.tuples(st.integers(0, 999), st.integers(1, 999)), min_size=1, max_size=30))
def test_lines_that_come_at_once_tell_what_they_tell_one_by_one(
    ranges: list[tuple[int, int]],
) -> None:
    one_by_one = reader()
    lines = []
    for first, count in ranges:
        last = min(first + count, COUNT) - 1
        wanted = one_by_one.held | set_of_ranges([(first, last - first + 1)])  # type: ignore[operator]
        if wanted == one_by_one.held:
            continue
        lines.append(b"%d-%d\n" % (first, last))
        one_by_one.add(lines[-1])
        assert one_by_one.held == wanted
    assert reader().add(b"".join(lines)) == one_by_one.held


def test_a_line_may_be_as_long_as_the_limit_and_no_longer() -> None:
    line = b",".join(b"%07d" % number for number in range(MAX_AVAILABILITY_LINE_BYTES // 8))
    full = line.removesuffix(b"0000511") + b"511,5120"
    assert len(full) == MAX_AVAILABILITY_LINE_BYTES
    assert reader(count=6000).add(full + b"\n")
    with pytest.raises(MalformedMessage, match="too long"):
        reader(count=6000).add(full + b"9\n")
    with pytest.raises(MalformedMessage, match="too long"):
        reader().add(b"1" * (MAX_AVAILABILITY_LINE_BYTES + 1))


def test_a_first_line_longer_than_the_bitmap_is_refused_before_its_end() -> None:
    taker = AvailabilityReader(24)
    assert taker.add(b"AAAA") == 0
    assert taker.held is None
    with pytest.raises(MalformedMessage, match="too long"):
        taker.add(b"A")
    with pytest.raises(MalformedMessage, match="too long"):
        AvailabilityReader(24).add(b"AAAAA\n")
