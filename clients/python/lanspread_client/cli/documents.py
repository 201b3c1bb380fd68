"""JSON for scripts: proto3's mapping with our field names, zero values included.

64-bit numbers are strings, as proto3 says. Whatever is not ASCII is escaped, so a name cannot
reach the terminal raw here either.
"""

import json
from collections.abc import Iterable
from typing import Any

import click
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message


def write_document(document: Any) -> None:
    """One value on several lines, as the whole output of a command."""
    click.echo(json.dumps(document, indent=2))


def write_line(message: Message) -> None:
    """One message on one line, at once."""
    click.echo(json.dumps(as_dict(message)))


def as_dict(message: Message) -> dict[str, Any]:
    return MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )


def as_dicts(messages: Iterable[Message]) -> list[dict[str, Any]]:
    return [as_dict(message) for message in messages]
