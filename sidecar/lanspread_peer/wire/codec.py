"""Messages to bytes and back.

Decoding takes what a stranger sent: it checks size, depth and the number of values before anything
is built, refuses duplicate keys, and raises MalformedMessage or UnknownMessage, nothing else. Texts
in a decoded message can be encoded in UTF-8.
"""

import json
import re
from collections.abc import Mapping

import msgspec

from lanspread_peer.model.errors import MalformedMessage, UnknownMessage
from lanspread_peer.model.limits import (
    MAX_ANSWER_BYTES,
    MAX_JSON_DEPTH,
    MAX_JSON_VALUES,
    MAX_REQUEST_BYTES,
)
from lanspread_peer.wire.messages import ANSWERS, REQUESTS, Message

# Possessive, and content with an open end: linear in time and constant in memory for any input.
_STRINGS = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?+', re.DOTALL)
_BRACKETS = re.compile(rb"[\[\]{}]")
_REQUEST_TYPES = {request.__name__: request for request in REQUESTS}
_ANSWER_TYPES = {answer.__name__: answer for answer in ANSWERS}


def encode(message: Message) -> bytes:
    """The message as one tagged JSON value."""
    tag = type(message).__name__
    fields = msgspec.to_builtins(message)
    return msgspec.json.encode({tag: fields} if fields else tag)


def decode_request(data: bytes) -> Message:
    """The request in `data`; raises MalformedMessage or UnknownMessage."""
    return _decode(data, _REQUEST_TYPES, MAX_REQUEST_BYTES)


def decode_answer(data: bytes) -> Message:
    """The answer in `data`; raises MalformedMessage or UnknownMessage."""
    return _decode(data, _ANSWER_TYPES, MAX_ANSWER_BYTES)


def _decode(data: bytes, types: Mapping[str, type[Message]], max_bytes: int) -> Message:
    tag, fields = _split_tag(_load_json(data, max_bytes))
    message_type = types.get(tag)
    if message_type is None:
        raise UnknownMessage(f"unknown message {tag[:64]!a}", tag=ascii(tag[:64]))
    try:
        message = msgspec.convert(fields, message_type)
        if b"\\u" in data:
            _refuse_lone_surrogates(message)
    except (msgspec.ValidationError, UnicodeEncodeError) as error:
        raise MalformedMessage(f"{tag}: {error}", tag=tag) from error
    return message


def _load_json(data: bytes, max_bytes: int) -> object:
    if len(data) > max_bytes:
        raise MalformedMessage(f"expected at most {max_bytes} bytes, got {len(data)}")
    _check_structure(data)
    try:
        # As text, because json takes bytes for UTF-16 and more, and lets surrogates through.
        text = data.decode("utf-8")
        return _DECODER.decode(text)
    except (ValueError, RecursionError) as error:
        raise MalformedMessage(f"expected one JSON value: {error}") from error


def _check_structure(data: bytes) -> None:
    # A key and its text have two quotes each. Checked first, because each text costs a match.
    if data.count(b'"') > 4 * MAX_JSON_VALUES:
        raise MalformedMessage(f"expected at most {MAX_JSON_VALUES} values")
    outline = _STRINGS.sub(b"", data)
    if sum(map(outline.count, (b",", b"[", b"{"))) > MAX_JSON_VALUES:
        raise MalformedMessage(f"expected at most {MAX_JSON_VALUES} values")
    depth = 0
    for bracket in _BRACKETS.finditer(outline):
        depth += 1 if bracket.group() in b"[{" else -1
        if depth > MAX_JSON_DEPTH:
            raise MalformedMessage(f"expected a depth of at most {MAX_JSON_DEPTH}")


def _unique_keys(pairs: list[tuple[str, object]]) -> dict[str, object]:
    unique = dict(pairs)
    if len(unique) != len(pairs):
        raise ValueError("a key stands twice")
    return unique


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is no JSON number")


# Made once, as to make one takes longer than to read a short message.
_DECODER = json.JSONDecoder(object_pairs_hook=_unique_keys, parse_constant=_no_constant)


def _refuse_lone_surrogates(message: Message) -> None:
    msgspec.json.encode(message)


def _split_tag(value: object) -> tuple[str, object]:
    match value:
        case str(tag):
            return tag, {}
        case dict() if len(value) == 1:
            [(tag, fields)] = value.items()
            return tag, fields
        case _:
            raise MalformedMessage("expected a tag, or an object with one tag")
