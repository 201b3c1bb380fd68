"""Hypothesis strategies for messages, read off the bounds in their types."""

import re

import msgspec
from hypothesis import strategies as st
from msgspec import inspect

from lanspread_peer.wire.messages import Message

# Any text that JSON in UTF-8 can carry.
_TEXT = st.characters(exclude_categories=["Cs"])
_ID_FORMS = ("", "0" * 32, "0" * 64, "a" * 52)


def messages_of(message_type: type[Message]) -> st.SearchStrategy[Message]:
    """Every valid value of a message type; lists are kept short."""
    return st.builds(message_type, **_fields_of(inspect.type_info(message_type)))


def _fields_of(info: inspect.Type) -> dict[str, st.SearchStrategy[object]]:
    assert isinstance(info, inspect.StructType)
    return {field.name: _values_of(field.type) for field in info.fields}


def _values_of(info: inspect.Type) -> st.SearchStrategy[object]:
    match info:
        case inspect.IntType():
            return st.integers(info.ge, info.le)
        case inspect.BoolType():
            return st.booleans()
        case inspect.StrType(pattern=str(pattern)):
            return st.from_regex(pattern, fullmatch=True)
        case inspect.StrType():
            return st.text(_TEXT, min_size=info.min_length or 0, max_size=info.max_length)
        case inspect.ListType():
            largest = min(info.max_length or 4, 4)
            return st.lists(
                _values_of(info.item_type), min_size=info.min_length or 0, max_size=largest
            )
        case inspect.StructType():
            return st.builds(info.cls, **_fields_of(info))
        case _:
            raise AssertionError(f"no strategy for {info}")


def smallest_of(message_type: type[Message]) -> Message:
    """A valid value of a message type, always the same."""
    return msgspec.convert(_smallest(inspect.type_info(message_type)), message_type)


def _smallest(info: inspect.Type) -> object:
    match info:
        case inspect.IntType():
            return info.ge
        case inspect.StrType(pattern=str(pattern)):
            return next(text for text in _ID_FORMS if re.search(pattern, text))
        case inspect.StrType():
            return "x" * (info.min_length or 0)
        case inspect.ListType():
            return [_smallest(info.item_type)] * (info.min_length or 0)
        case inspect.StructType():
            return {
                field.encode_name: _smallest(field.type) for field in info.fields if field.required
            }
        case _:
            raise AssertionError(f"no value for {info}")
