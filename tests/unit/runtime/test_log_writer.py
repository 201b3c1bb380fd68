"""A reader of the log who stops or goes away holds up nobody, and learns what is missing."""

import os
import re
import threading
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from typing import TextIO, cast

import pytest
import structlog

from lanspread_peer.model.limits import KIB, MAX_LOG_QUEUE_BYTES
from lanspread_peer.runtime import log_writer
from lanspread_peer.runtime.log_writer import LogWriter

LINE = "x" * (KIB - 1) + "\n"
LINES_THAT_FIT = MAX_LOG_QUEUE_BYTES // KIB
# More than any pipe holds and the queue twice, as what is being written is queued no more.
FLOOD = 4 * LINES_THAT_FIT


class Pipe:
    """A log whose reader is the test; its own logger writes there too."""

    def __init__(self) -> None:
        self.reader, self.written = os.pipe()
        self.log = LogWriter(partial(os.write, self.written))

    def read_to_end(self) -> str:
        """End the log while all that comes is read."""
        parts: list[bytes] = []

        def read() -> None:
            while part := os.read(self.reader, MAX_LOG_QUEUE_BYTES):
                parts.append(part)

        reading = threading.Thread(target=read)
        reading.start()
        self.log.end()
        self.log._thread.join()
        os.close(self.written)
        reading.join()
        return b"".join(parts).decode()


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    pipe = Pipe()
    before = structlog.get_config()
    structlog.configure(logger_factory=structlog.WriteLoggerFactory(cast(TextIO, pipe.log)))
    yield pipe
    structlog.configure(**before)
    with suppress(OSError):
        os.close(pipe.reader)
    pipe.log.end()
    with suppress(OSError):
        os.close(pipe.written)


def test_what_is_written_arrives_in_order(pipe: Pipe) -> None:
    for number in range(1000):
        pipe.log.write(f"{number}é\ud800\n")
    assert pipe.read_to_end() == "".join(f"{number}é\\ud800\n" for number in range(1000))


def test_who_does_not_read_holds_up_nobody_and_costs_bounded_memory(pipe: Pipe) -> None:
    for _ in range(FLOOD):
        pipe.log.write(LINE)
        assert pipe.log._queued_bytes <= MAX_LOG_QUEUE_BYTES


def test_who_reads_again_learns_how_many_lines_are_missing(
    pipe: Pipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The end waits for the last word, though the machine be busy.
    monkeypatch.setattr(log_writer, "LOG_FLUSH_TIMEOUT_S", 60.0)
    for _ in range(FLOOD):
        pipe.log.write(LINE)
    text = pipe.read_to_end()
    missing = sum(map(int, re.findall(r"missing here.*lines.*?=.*?(\d+)", text)))
    assert missing > 0
    assert text.count(LINE) + missing == FLOOD


def test_the_word_of_what_is_missing_is_never_missing_itself(pipe: Pipe) -> None:
    written: list[bytes] = []
    begun, filled = threading.Semaphore(0), threading.Semaphore(0)

    def write(data: memoryview) -> int:
        written.append(bytes(data))
        if len(written) <= 2:
            begun.release()
            assert filled.acquire(timeout=30.0)
        return len(data)

    pipe.log.end()
    pipe.log = LogWriter(write)
    structlog.configure(logger_factory=structlog.WriteLoggerFactory(cast(TextIO, pipe.log)))
    pipe.log.write(LINE)
    # So that lines are missing after the second piece, and there is no room when that is told.
    for _ in range(2):
        assert begun.acquire(timeout=30.0)
        for _ in range(LINES_THAT_FIT + 5):
            pipe.log.write(LINE)
        filled.release()
    assert pipe.log.end()
    text = b"".join(written).decode()
    missing = [int(each) for each in re.findall(r"missing here.*lines.*?=.*?(\d+)", text)]
    assert missing == [5, 5]
    assert text.count(LINE) == 1 + 2 * LINES_THAT_FIT


def test_a_queue_takes_so_much_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    # Without its thread nothing leaves the queue.
    monkeypatch.setattr(LogWriter, "_run", lambda _: None)
    log = LogWriter(len)
    for _ in range(LINES_THAT_FIT):
        log.write(LINE)
    assert (log._queued_bytes, log._left_out) == (MAX_LOG_QUEUE_BYTES, 0)
    log.write("\n")
    assert (log._queued_bytes, log._left_out) == (MAX_LOG_QUEUE_BYTES, 1)


def test_a_reader_who_is_gone_is_no_error(pipe: Pipe) -> None:
    os.close(pipe.reader)
    pipe.log.write(LINE)
    pipe.log.end()
    assert pipe.log._is_broken
    for _ in range(FLOOD):
        pipe.log.write(LINE)
    assert (pipe.log._queued_bytes, pipe.log._left_out) == (0, 0)


@pytest.mark.skipif(os.name != "posix", reason="pipes of Windows always block")
def test_a_pipe_that_does_not_block_loses_nothing(pipe: Pipe) -> None:
    os.set_blocking(pipe.written, False)
    for _ in range(LINES_THAT_FIT):
        pipe.log.write(LINE)
    assert pipe.read_to_end() == LINE * LINES_THAT_FIT


def test_the_end_waits_for_a_reader_so_long_only(
    pipe: Pipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_writer, "LOG_FLUSH_TIMEOUT_S", 0.01)
    for _ in range(LINES_THAT_FIT):
        pipe.log.write(LINE)
    pipe.log.end()
    assert pipe.log._thread.is_alive()
