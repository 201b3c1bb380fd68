"""Bitmaps of chunks in base64, and what is none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanspread_peer.model.errors import MalformedMessage
from lanspread_peer.model.limits import MAX_ANY_CHUNKS, MAX_WANTED_CHARACTERS
from lanspread_peer.wire.chunk_bitmap import bitmap_characters, decode_bitmap, encode_bitmap


@given(st.sets(st.integers(0, 99)), st.integers(100, 130))
def test_what_is_encoded_is_decoded(chunks: set[int], count: int) -> None:
    bits = sum(1 << chunk for chunk in chunks)
    text = encode_bitmap(bits, count)
    assert len(text) == bitmap_characters(count)
    assert decode_bitmap(text, count) == bits
    assert decode_bitmap(text.encode(), count) == bits


def test_bit_0_comes_first() -> None:
    assert encode_bitmap(0b1, 24) == "AQAA"
    assert encode_bitmap(1 << 23, 24) == "AACA"


def test_a_short_bitmap_holds_the_first_chunks() -> None:
    assert decode_bitmap("AQAA", 10_000) == 1


@pytest.mark.parametrize("text", ["AQA", "AQ=", "A*AA", "AQAA\n", "\u00e9AAA", "====", "AQ==AQ=="])
def test_other_text_is_no_bitmap(text: str) -> None:
    with pytest.raises(MalformedMessage):
        decode_bitmap(text, 100)


def test_chunks_beyond_the_last_one_are_refused() -> None:
    full = encode_bitmap((1 << 20) - 1, 20)
    assert decode_bitmap(full, 20) == (1 << 20) - 1
    with pytest.raises(MalformedMessage):
        decode_bitmap(full, 19)


def test_a_bitmap_longer_than_the_content_is_refused_unread() -> None:
    assert decode_bitmap("AAAA", 24) == 0
    with pytest.raises(MalformedMessage, match="at most 24"):
        decode_bitmap("AAAAAAAA", 24)


def test_a_request_has_room_for_the_most_chunks_that_it_may_name() -> None:
    assert bitmap_characters(MAX_ANY_CHUNKS) == MAX_WANTED_CHARACTERS
