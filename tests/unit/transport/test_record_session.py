"""Records: what is sealed comes out as it was, in order, or it is an error."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from lanspread_peer.model.errors import MalformedMessage
from lanspread_peer.model.limits import MAX_RECORD_BYTES, MAX_REQUEST_RECORD_BYTES
from lanspread_peer.transport.record_session import LENGTH_BYTES, TAG_BYTES, RecordSession
from support.record_ends import ACK, HELLO, feed, read_all, record_ends, sealed

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
    there = "0000001579e092b6390f35b70f531d3c8884971af589c07453"
    back = "00000015563bff7d8366c04f72b6aceff51b5e382b4203ccd2"
    assert (sealed(one, b"hello").hex(), sealed(other, b"hello").hex()) == (there, back)


def test_the_largest_is_one_record_and_more_are_several() -> None:
    asker, answerer = record_ends()
    largest = bytes(MAX_RECORD_BYTES)
    assert len(sealed(answerer, largest)) == MAX_RECORD_BYTES + OVERHEAD
    asker, answerer = record_ends()
    wire = sealed(answerer, largest + b"x")
    assert len(wire) == MAX_RECORD_BYTES + 1 + 2 * OVERHEAD
    assert read_all(asker, wire) == largest + b"x"


@pytest.mark.parametrize("dials_back", [False, True])
def test_whoever_answers_takes_no_more_than_a_request(dials_back: bool) -> None:
    one, other = record_ends(replace(HELLO, dials_back=dials_back))
    asker, answerer = (other, one) if dials_back else (one, other)
    request = bytes(MAX_REQUEST_RECORD_BYTES)
    assert read_all(answerer, sealed(asker, request)) == request
    with pytest.raises(MalformedMessage):
        read_all(answerer, sealed(asker, request + b"x"))


def test_an_idle_session_holds_nothing() -> None:
    asker, answerer = record_ends()
    # Once to where it is wanted, and once in small parts.
    for view_bytes in (MAX_RECORD_BYTES, 1000):
        read_all(asker, sealed(answerer, bytes(MAX_RECORD_BYTES)), view_bytes)
        assert memoryview(asker._incoming.obj).nbytes == LENGTH_BYTES
        assert memoryview(asker._rest.obj).nbytes == 0


def test_a_bad_length_costs_nothing_that_came_before_it() -> None:
    one, other = record_ends()
    wire = sealed(one, b"hello") + bytes(LENGTH_BYTES)
    while wire:
        wire = wire[feed(other, wire) :]
    view = memoryview(bytearray(10))
    assert other.read_into(view) == 5
    with pytest.raises(MalformedMessage):
        other.read_into(view)


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
    with pytest.raises(MalformedMessage):
        # What was cut short by a smaller length is found out by what seems to follow.
        read_all(other, bytes(wire) + bytes(MAX_RECORD_BYTES + OVERHEAD))


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
        RecordSession(HELLO, replace(ACK, record_secret="16" * 32), is_dialler=False),
        RecordSession(replace(HELLO, record_secret="d2" * 32), ACK, is_dialler=False),
        RecordSession(HELLO, replace(ACK, peer_id="m" * 52), is_dialler=False),
        RecordSession(replace(HELLO, peer_id="m" * 52), ACK, is_dialler=False),
    ],
)
def test_both_secrets_and_both_ids_count(other: RecordSession) -> None:
    one, _ = record_ends()
    with pytest.raises(MalformedMessage):
        read_all(other, sealed(one, b"hello"))


@pytest.mark.parametrize("size", [0, TAG_BYTES, MAX_RECORD_BYTES + TAG_BYTES + 1, 0xFFFFFFFF])
def test_a_length_that_cannot_be_is_refused_before_room_is_made(size: int) -> None:
    asker, _ = record_ends()
    feed(asker, size.to_bytes(LENGTH_BYTES, "big"))
    with pytest.raises(MalformedMessage, match="expected a record of 17 to"):
        asker.room()


def test_room_is_for_one_record_and_the_length_of_the_next() -> None:
    one, other = record_ends()
    assert len(other.room()) == LENGTH_BYTES
    wire = sealed(one, bytes(1000))
    feed(other, wire)
    assert len(other.room()) == 1000 + TAG_BYTES + LENGTH_BYTES
