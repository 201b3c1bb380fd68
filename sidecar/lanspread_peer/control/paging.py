"""Pages of lists: what a page token is, and where a page starts and ends.

A token names the last item that was given, not its place, so a list that changes between two
pages neither repeats nor skips what stayed. It is opaque to clients, and no secret.
"""

import base64
import binascii
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Generic, TypeVar

from google.protobuf.message import Message

from lanspread_peer.model.errors import InvalidField
from lanspread_peer.model.limits import (
    DEFAULT_PAGE_SIZE,
    KIB,
    MAX_CONTROL_MESSAGE_BYTES,
    MAX_PAGE_SIZE,
)

T = TypeVar("T")
M = TypeVar("M", bound=Message)

# Room for the token, the frame of each item, and what a response holds besides its list.
_PAGE_BYTES = MAX_CONTROL_MESSAGE_BYTES - 64 * KIB
_MAX_TOKEN_CHARACTERS = 2048


@dataclass(frozen=True, slots=True)
class Place:
    """Where a list goes on: after the item with key `after`, in the list named `of`."""

    of: str
    after: str


@dataclass(frozen=True, slots=True)
class Page(Generic[M]):
    """The messages of one page; the token is empty on the last one."""

    messages: list[M]
    next_page_token: str


def page_of(
    items: Sequence[T],
    convert: Callable[[T], M],
    *,
    key: Callable[[T], str],
    of: str,
    page_size: int,
    page_token: str,
    is_sorted: bool = True,
) -> Page[M]:
    """One page of `items`, whose keys are unique.

    Of a list that is not sorted by its keys, whatever follows an item that is gone counts as gone
    too. Raises InvalidField for a negative size or a token that is not one of this list.
    """
    size = _size_of(page_size)
    after = _after(page_token, of)
    start = _start(items, key, after, is_sorted=is_sorted)
    messages = _fill(map(convert, islice(items, start, start + size)))
    end = start + len(messages)
    token = _to_token(Place(of, key(items[end - 1]))) if end < len(items) else ""
    return Page(messages, token)


def parse_token(text: str) -> Place:
    """Raises InvalidField unless `text` is a token of some list."""
    wrong = _wrong_token(text)
    if len(text) > _MAX_TOKEN_CHARACTERS:
        raise wrong
    try:
        decoded = base64.b64decode(text.encode("ascii"), altchars=b"-_", validate=True).decode()
    except (UnicodeError, binascii.Error) as error:
        raise wrong from error
    name, separator, after = decoded.partition("\n")
    if not separator:
        raise wrong
    return Place(name, after)


def _after(page_token: str, of: str) -> str | None:
    if not page_token:
        return None
    place = parse_token(page_token)
    if place.of != of:
        raise _wrong_token(page_token)
    return place.after


def _wrong_token(text: str) -> InvalidField:
    return InvalidField("page_token", "the next_page_token of the previous page", text[:64])


def _to_token(place: Place) -> str:
    return base64.urlsafe_b64encode(f"{place.of}\n{place.after}".encode()).decode("ascii")


def _size_of(page_size: int) -> int:
    if page_size < 0:
        raise InvalidField("page_size", "0 or more", str(page_size))
    return min(page_size or DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE)


def _start(
    items: Sequence[T], key: Callable[[T], str], after: str | None, *, is_sorted: bool
) -> int:
    if after is None:
        return 0
    if is_sorted:
        return bisect_right(items, after, key=key)
    return next((i + 1 for i, item in enumerate(items) if key(item) == after), len(items))


def _fill(messages: Iterable[M]) -> list[M]:
    taken: list[M] = []
    room = _PAGE_BYTES
    for message in messages:
        room -= message.ByteSize() + 8
        if taken and room < 0:
            break
        taken.append(message)
    return taken
