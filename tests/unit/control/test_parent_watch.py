"""Stdin as front ends write it: in pieces, too much, too late, or not at all."""

import os
import sys
from collections.abc import Iterator

import pytest

from lanspread_peer.control import parent_watch
from lanspread_peer.control.handshake import parse_handshake
from lanspread_peer.control.parent_watch import StdinReader
from lanspread_peer.model.errors import HandshakeRefused
from lanspread_peer.model.limits import MAX_HANDSHAKE_BYTES


class Stdin:
    """A pipe, and the reader at its end."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe()
        self.reader = StdinReader(self._read)

    def write(self, data: bytes) -> None:
        with os.fdopen(os.dup(self._write), "wb") as file:
            file.write(data)

    def close(self) -> None:
        """Once for all; the reader has seen it then."""
        if not self.reader.closed.is_set():
            os.close(self._write)
            assert self.reader.closed.wait(30)
            os.close(self._read)


@pytest.fixture
def stdin() -> Iterator[Stdin]:
    made = Stdin()
    yield made
    made.close()


def test_a_line_may_come_in_pieces_and_what_follows_counts_for_nothing(stdin: Stdin) -> None:
    for piece in (b'{"a"', b": 1}", b"\nmore", b"\nand more"):
        stdin.write(piece)
    assert stdin.reader.line() == b'{"a": 1}'
    assert not stdin.reader.closed.is_set()
    stdin.write(b"x" * MAX_HANDSHAKE_BYTES)
    stdin.close()
    assert stdin.reader.line() == b'{"a": 1}'


def test_the_longest_line_is_read_whole(stdin: Stdin) -> None:
    stdin.write(b"x" * MAX_HANDSHAKE_BYTES + b"\n")
    assert stdin.reader.line() == b"x" * MAX_HANDSHAKE_BYTES


def test_a_line_without_an_end_is_refused_while_it_still_comes(stdin: Stdin) -> None:
    stdin.write(b" " * (MAX_HANDSHAKE_BYTES + 1))
    with pytest.raises(HandshakeRefused, match="at most"):
        parse_handshake(stdin.reader.line())
    stdin.write(b" " * 2**20)
    stdin.close()
    assert len(stdin.reader._line) <= MAX_HANDSHAKE_BYTES + parent_watch._READ_BYTES


@pytest.mark.parametrize("data", [b"", b'{"game_dir": '])
def test_a_stdin_that_closes_before_is_refused(stdin: Stdin, data: bytes) -> None:
    stdin.write(data)
    stdin.close()
    with pytest.raises(HandshakeRefused, match="closed"):
        stdin.reader.line()


def test_a_front_end_that_says_nothing_is_not_waited_for_for_ever(
    stdin: Stdin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parent_watch, "MANAGED_LINE_TIMEOUT_S", 0.01)
    with pytest.raises(HandshakeRefused, match="no line"):
        stdin.reader.line()


def test_a_stdin_that_is_not_open_is_one_that_closed() -> None:
    reader = StdinReader(-1)
    assert reader.closed.wait(30)
    with pytest.raises(HandshakeRefused, match="closed"):
        reader.line()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
def test_a_parent_that_cannot_be_looked_at_lives() -> None:
    import resource

    parent = parent_watch._Parent(os.getpid())
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, before[1]))
    try:
        is_alive = parent.is_alive()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert is_alive
