import base64

import pytest

from lanspread.peer.v1 import types_pb2
from lanspread_peer.control.paging import Page, page_of, parse_token
from lanspread_peer.model.errors import InvalidField
from lanspread_peer.model.limits import (
    DEFAULT_PAGE_SIZE,
    MAX_CONTROL_MESSAGE_BYTES,
    MAX_PAGE_SIZE,
)


def page(
    items: list[str], size: int = 0, token: str = "", *, of: str = "list", is_sorted: bool = True
) -> Page[types_pb2.GameFile]:
    return page_of(
        items,
        lambda item: types_pb2.GameFile(path=item),
        key=lambda item: item[:20],
        of=of,
        page_size=size,
        page_token=token,
        is_sorted=is_sorted,
    )


def paths(found: Page[types_pb2.GameFile]) -> list[str]:
    return [message.path for message in found.messages]


def test_a_page_of_size_zero_has_the_default_size() -> None:
    items = [f"{number:05}" for number in range(3000)]
    assert len(page(items).messages) == DEFAULT_PAGE_SIZE
    assert len(page(items, MAX_PAGE_SIZE + 1).messages) == MAX_PAGE_SIZE


def test_the_last_page_has_no_token() -> None:
    first = page(["a", "b", "c"], 2)
    second = page(["a", "b", "c"], 2, first.next_page_token)
    assert (paths(first), paths(second)) == (["a", "b"], ["c"])
    assert not second.next_page_token
    assert not page(["a", "b"], 2).next_page_token
    assert not page([]).next_page_token


def test_a_list_that_changes_between_pages_neither_repeats_nor_skips() -> None:
    first = page(["b", "d", "f"], 2)
    assert paths(page(["a", "c", "e", "f"], 9, first.next_page_token)) == ["e", "f"]


def test_a_list_in_its_own_order_goes_on_after_the_item_it_gave() -> None:
    first = page(["c", "a", "b"], 2, is_sorted=False)
    again = page(["d", "c", "a", "b"], 2, first.next_page_token, is_sorted=False)
    assert paths(again) == ["b"]
    assert paths(page(["d"], 2, first.next_page_token, is_sorted=False)) == []


def test_a_page_is_cut_before_it_is_too_large_for_a_message() -> None:
    items = [f"{number:05}" + "x" * 20_000 for number in range(100)]
    seen: list[str] = []
    token = ""
    while True:
        found = page(items, 100, token)
        assert sum(message.ByteSize() for message in found.messages) < MAX_CONTROL_MESSAGE_BYTES
        seen += paths(found)
        token = found.next_page_token
        if not token:
            break
    assert seen == items


@pytest.mark.parametrize(
    "token",
    [
        "?",
        "a",
        "\u00e4",
        "A" * 2052,
        base64.urlsafe_b64encode(b"no separator").decode(),
        base64.urlsafe_b64encode(b"list\n\xff").decode(),
        page(["a", "b"], 1, of="another").next_page_token,
    ],
)
def test_a_token_of_nothing_or_of_another_list_is_a_wrong_field(token: str) -> None:
    with pytest.raises(InvalidField) as caught:
        page(["a"], 0, token)
    assert caught.value.field == "page_token"


def test_a_negative_size_is_a_wrong_field() -> None:
    with pytest.raises(InvalidField) as caught:
        page(["a"], -1)
    assert caught.value.field == "page_size"


def test_a_token_tells_its_list_and_the_last_item() -> None:
    place = parse_token(page(["a\nb", "c"], 1).next_page_token)
    assert (place.of, place.after) == ("list", "a\nb")
