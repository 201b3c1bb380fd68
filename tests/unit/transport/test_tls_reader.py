"""What the loop hears while the bytes of an answer come."""

import itertools
from collections.abc import Callable

import pytest

from lanspread_peer.model.limits import KIB
from lanspread_peer.transport import tls_reader
from lanspread_peer.transport.tls_reader import DataReader


@pytest.fixture(autouse=True)
def slow_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each look at it is a tenth of a second after the last."""
    ticks = itertools.count()
    monkeypatch.setattr(tls_reader, "monotonic", lambda: next(ticks) / 10)


def test_bytes_are_told_as_they_come_long_before_their_record_is_whole() -> None:
    told: list[int] = []

    def read_into(view: memoryview, on_received: Callable[[int], None]) -> int:
        for _ in range(32):
            on_received(8 * KIB)
        assert told == [8 * KIB] * 32
        return len(view)

    reader = DataReader(256 * KIB, read_into, told.append, lambda: False)
    reader.read_into(memoryview(bytearray(256 * KIB)))
    assert sum(told) == 256 * KIB


def test_taking_what_came_before_is_a_sign_of_life() -> None:
    told: list[int] = []

    def read_into(view: memoryview, on_received: Callable[[int], None]) -> int:
        if not told:
            on_received(64 * KIB)
        return len(view)

    reader = DataReader(64 * KIB, read_into, told.append, lambda: False)
    for _ in range(8):
        reader.read_into(memoryview(bytearray(8 * KIB)))
    assert told == [64 * KIB] + [0] * 8


def test_neither_the_head_nor_what_follows_is_told() -> None:
    told: list[int] = []

    def read_into(view: memoryview, on_received: Callable[[int], None]) -> int:
        on_received(len(view) + 20)
        return len(view)

    reader = DataReader(108, read_into, told.append, lambda: False)
    assert reader.read_head(8) == bytes(8)
    reader.read_into(memoryview(bytearray(100)))
    assert sum(told) == 100
