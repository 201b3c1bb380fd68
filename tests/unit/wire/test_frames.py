"""Frames come out as they went in, however the stream is cut; beyond the bound nothing is held."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanspread_peer.model.errors import MalformedMessage
from lanspread_peer.model.limits import MAX_REQUEST_BYTES
from lanspread_peer.wire.codec import decode_request, encode
from lanspread_peer.wire.frames import LENGTH_BYTES, FrameBuffer, body_bytes, encode_frame
from lanspread_peer.wire.messages import REQUESTS, Message, Ping
from support.messages import messages_of

ANY_REQUESTS = st.lists(st.one_of(*(messages_of(request) for request in REQUESTS)), max_size=4)


def test_a_frame_is_the_length_in_four_bytes_and_the_message() -> None:
    assert encode_frame(Ping()) == b'\x00\x00\x00\x06"Ping"'


@given(requests=ANY_REQUESTS, cuts=st.lists(st.integers(1, 500), min_size=1))
def test_frames_in_pieces_of_any_length_come_out_whole(
    requests: list[Message], cuts: list[int]
) -> None:
    rest = b"".join(map(encode_frame, requests))
    frames = FrameBuffer(MAX_REQUEST_BYTES)
    taken: list[Message] = []
    while rest:
        cut = cuts[len(taken) % len(cuts)]
        frames.add(rest[:cut])
        rest = rest[cut:]
        while (body := frames.take()) is not None:
            taken.append(decode_request(body))
    assert taken == requests
    assert frames.is_empty


def test_a_frame_of_the_largest_size_is_taken() -> None:
    frames = FrameBuffer(MAX_REQUEST_BYTES)
    body = b"x" * MAX_REQUEST_BYTES
    frames.add(MAX_REQUEST_BYTES.to_bytes(LENGTH_BYTES, "big") + body[:-1])
    was_full = [frames.is_full]
    assert frames.take() is None
    frames.add(b"x")
    was_full.append(frames.is_full)
    assert frames.take() == body
    was_full.append(frames.is_full)
    assert was_full == [False, True, False]


def test_one_byte_more_is_refused_before_it_comes() -> None:
    frames = FrameBuffer(MAX_REQUEST_BYTES)
    frames.add((MAX_REQUEST_BYTES + 1).to_bytes(LENGTH_BYTES, "big"))
    with pytest.raises(MalformedMessage):
        frames.take()


def test_an_empty_frame_is_refused() -> None:
    with pytest.raises(MalformedMessage):
        body_bytes(bytes(LENGTH_BYTES), 10)


def test_a_frame_that_began_is_seen() -> None:
    frames = FrameBuffer(MAX_REQUEST_BYTES)
    was_empty = [frames.is_empty]
    frames.add(len(encode(Ping())).to_bytes(LENGTH_BYTES, "big"))
    was_empty.append(frames.is_empty)
    assert was_empty == [True, False]
    assert frames.take() is None
