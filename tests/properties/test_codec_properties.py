"""Every message survives the wire, and nothing that arrives raises more than it may."""

import json
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lanspread_peer.model.errors import MalformedMessage, UnknownMessage
from lanspread_peer.wire.codec import decode_answer, decode_request, encode
from lanspread_peer.wire.messages import ANSWERS, REQUESTS, Message
from support.messages import messages_of

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda values: st.lists(values, max_size=4) | st.dictionaries(st.text(), values, max_size=4),
    max_leaves=12,
)
TAGS = [message.__name__ for message in (*REQUESTS, *ANSWERS)]


@pytest.mark.parametrize("message_type", REQUESTS)
@settings(max_examples=25)
@given(data=st.data())
def test_every_request_comes_back_as_it_was(
    message_type: type[Message], data: st.DataObject
) -> None:
    message = data.draw(messages_of(message_type))
    assert decode_request(encode(message)) == message


@pytest.mark.parametrize("message_type", ANSWERS)
@settings(max_examples=25)
@given(data=st.data())
def test_every_answer_comes_back_as_it_was(
    message_type: type[Message], data: st.DataObject
) -> None:
    message = data.draw(messages_of(message_type))
    assert decode_answer(encode(message)) == message


@pytest.mark.parametrize("message_type", [*REQUESTS, *ANSWERS])
@settings(max_examples=5)
@given(data=st.data())
def test_any_json_reader_understands_what_we_encode(
    message_type: type[Message], data: st.DataObject
) -> None:
    value = json.loads(encode(data.draw(messages_of(message_type))).decode("utf-8"))
    tag = value if isinstance(value, str) else next(iter(value))
    assert tag == message_type.__name__


def _decode_both(data: bytes) -> None:
    for decode in (decode_request, decode_answer):
        with suppress(MalformedMessage, UnknownMessage):
            encode(decode(data))


@given(st.binary(max_size=300))
def test_random_bytes_are_refused_or_decoded(data: bytes) -> None:
    _decode_both(data)


@settings(max_examples=200)
@given(st.sampled_from(TAGS), JSON)
def test_a_known_tag_with_any_json_is_refused_or_decoded(tag: str, fields: object) -> None:
    _decode_both(json.dumps({tag: fields}).encode())


@given(st.sampled_from([*REQUESTS, *ANSWERS]), st.data())
def test_a_damaged_message_is_refused_or_decoded(
    message_type: type[Message], data: st.DataObject
) -> None:
    wire = bytearray(encode(data.draw(messages_of(message_type))))
    at = data.draw(st.integers(0, len(wire) - 1))
    end = data.draw(st.integers(at, len(wire)))
    wire[at:end] = data.draw(
        st.binary(max_size=8) | st.sampled_from([b'"', b"{", b"\\ud800", b"]"])
    )
    _decode_both(bytes(wire))
