"""Records: what is sealed comes out as it was, in order, or it is an error."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanspread_peer.model.errors import MalformedMessage
from lanspread_peer.model.limits import MAX_RECORD_BYTES
from lanspread_peer.transport.record_session import LENGTH_BYTES, TAG_BYTES, RecordSession
from support.record_ends import DIALLER, LISTENER, feed, read_all, record_ends, sealed

OVERHEAD = LENGTH_BYTES + TAG_BYTES


@given(
    writes=st.lists(st.binary(max_size=300), max_size=8),
    cuts=st.lists(st.integers(1, 400)),
    view_bytes=st.integers(1, 400),
)
def test_whatever_the_pieces_the_bytes_are_the_same(
    writes: list[bytes], cuts: list[int], view_bytes: int
) -> None:
    one, other = record_ends()
    for write in writes:
        one.write(write)
    wire, plain = bytes(one.take_outgoing()), b""
    for cut in [*cuts, len(wire)]:
        plain += read_all(other, wire[:cut], view_bytes)
        wire = wire[cut:]
    assert plain == b"".join(writes)


def test_both_directions_are_independent() -> None:
    one, other = record_ends()
    for number in range(3):
        assert read_all(other, sealed(one, b"there %d" % number)) == b"there %d" % number
        assert read_all(one, sealed(other, b"back %d" % number)) == b"back %d" % number


def test_a_record_is_what_the_protocol_says() -> None:
    one, other = record_ends()
    # Made with the cryptography of Node.js: programs in other languages must agree.
    there = "0000001551937b85c2770a0635b0b564c2660e869447d85de9"
    back = "00000015f27ed3924fa51d03a42422a6857b895d8641cc2e85"
    assert (sealed(one, b"hello").hex(), sealed(other, b"hello").hex()) == (there, back)


def test_the_largest_is_one_record_and_more_are_several() -> None:
    one, other = record_ends()
    largest = bytes(MAX_RECORD_BYTES)
    assert len(sealed(one, largest)) == MAX_RECORD_BYTES + OVERHEAD
    one, other = record_ends()
    wire = sealed(one, largest + b"x")
    assert len(wire) == MAX_RECORD_BYTES + 1 + 2 * OVERHEAD
    assert read_all(other, wire) == largest + b"x"


def test_a_record_goes_straight_to_where_it_is_wanted() -> None:
    one, other = record_ends()
    data = bytes(range(256)) * 64
    view = memoryview(bytearray(len(data)))
    wire = sealed(one, data)
    while wire:
        wire = wire[feed(other, wire) :]
    assert other.read_into(view) == len(data)
    assert view == data


@given(position=st.integers(0), bit=st.integers(0, 7), data=st.binary(min_size=1, max_size=64))
def test_no_changed_bit_goes_unnoticed(position: int, bit: int, data: bytes) -> None:
    one, other = record_ends()
    wire = bytearray(sealed(one, data) + sealed(one, data))
    wire[position % len(wire)] ^= 1 << bit
    opened = b""
    with pytest.raises(MalformedMessage):
        # What was cut short by a smaller length is found out by what seems to follow.
        opened = read_all(other, bytes(wire) + bytes(MAX_RECORD_BYTES + OVERHEAD))
    assert opened == b""


def records(session: RecordSession, *texts: bytes) -> list[bytes]:
    return [sealed(session, text) for text in texts]


def test_what_is_repeated_swapped_left_out_or_sent_back_is_noticed() -> None:
    for order in ([0, 0], [1], [0, 2], [1, 0]):
        one, other = record_ends()
        sent = records(one, b"first", b"second", b"third")
        with pytest.raises(MalformedMessage):
            read_all(other, b"".join(sent[number] for number in order))
    one, _ = record_ends()
    with pytest.raises(MalformedMessage):
        read_all(one, sealed(one, b"mine"))


@pytest.mark.parametrize(
    "other",
    [
        RecordSession(dialler=DIALLER, listener="16" * 32, is_dialler=False),
        RecordSession(dialler="d2" * 32, listener=LISTENER, is_dialler=False),
    ],
)
def test_both_secrets_count(other: RecordSession) -> None:
    one, _ = record_ends()
    with pytest.raises(MalformedMessage):
        read_all(other, sealed(one, b"hello"))


@pytest.mark.parametrize("size", [0, TAG_BYTES, MAX_RECORD_BYTES + TAG_BYTES + 1, 0xFFFFFFFF])
def test_a_length_that_cannot_be_is_refused_before_room_is_made(size: int) -> None:
    _, other = record_ends()
    with pytest.raises(MalformedMessage, match="expected a record of 17 to"):
        feed(other, size.to_bytes(LENGTH_BYTES, "big"))


def test_room_is_for_one_record_and_the_length_of_the_next() -> None:
    one, other = record_ends()
    assert len(other.room()) == LENGTH_BYTES
    wire = sealed(one, bytes(1000))
    feed(other, wire)
    assert len(other.room()) == 1000 + TAG_BYTES + LENGTH_BYTES
