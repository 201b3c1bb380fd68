"""Rate limits: tasks and threads share one line, never pass it faster, and can be cancelled."""

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator

from lanspread_peer.core.byte_rate import BURST_S
from lanspread_peer.model.limits import (
    MAX_REQUEST_BUFFERS,
    MIN_RATE_LIMIT_BYTES_PER_SECOND,
    QUIC_ANSWER_WINDOW_BYTES,
    STALL_TIMEOUT_S,
)
from lanspread_peer.runtime.chunk_fetch import _most_requests
from lanspread_peer.runtime.rate_limits import RateLimit

KIB = 1024
RATE = 1000 * KIB
# So slow that nobody who waits is let through while a test runs.
STUCK = 1


def limited(rate: int) -> RateLimit:
    limit = RateLimit()
    limit.set_rate(rate)
    return limit


async def test_without_a_limit_nobody_waits() -> None:
    limit = RateLimit()
    assert not limit.is_on
    assert limit.part_bytes(10**9) == 10**9
    await limit.wait(10**12)
    assert limit.wait_in_thread(10**12)


def test_parts_are_a_burst_at_most_and_never_nothing() -> None:
    limit = limited(RATE)
    assert limit.is_on
    assert limit.part_bytes(10**9) == RATE * BURST_S / 4
    assert limit.part_bytes(5) == 5
    assert limited(STUCK).part_bytes(5) == 1


async def test_tasks_and_threads_together_are_not_faster_than_the_rate() -> None:
    limit = limited(RATE)
    part = limit.part_bytes(RATE)
    began = time.monotonic()
    waits = [asyncio.to_thread(limit.wait_in_thread, part) for _ in range(3)]
    passed = await asyncio.gather(*waits, *(limit.wait(part) for _ in range(3)))
    assert passed == [True, True, True, None, None, None]
    assert time.monotonic() - began >= (6 * part) / RATE - BURST_S


async def test_a_changed_rate_counts_for_those_who_wait() -> None:
    limit = limited(STUCK)
    thread = asyncio.ensure_future(asyncio.to_thread(limit.wait_in_thread, RATE))
    task = asyncio.ensure_future(limit.wait(RATE))
    await asyncio.sleep(0)
    assert not task.done()
    limit.set_rate(None)
    async with asyncio.timeout(10):
        assert await thread
        await task


async def test_a_task_that_is_cancelled_leaves_the_line() -> None:
    limit = limited(STUCK)
    task = asyncio.ensure_future(limit.wait(100 * RATE))
    await asyncio.sleep(0)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    limit.set_rate(RATE)
    async with asyncio.timeout(10):
        await limit.wait(limit.part_bytes(RATE))


async def test_a_thread_that_is_cancelled_leaves_the_line() -> None:
    limit, is_cancelled = limited(STUCK), threading.Event()
    thread = asyncio.ensure_future(
        asyncio.to_thread(limit.wait_in_thread, 100 * RATE, is_cancelled.is_set)
    )
    is_cancelled.set()
    async with asyncio.timeout(10):
        assert not await thread
    limit.set_rate(RATE)
    async with asyncio.timeout(10):
        await limit.wait(limit.part_bytes(RATE))


def test_a_download_limit_keeps_no_source_waiting_until_it_takes_us_for_gone() -> None:
    assert _most_requests(RateLimit()) == MAX_REQUEST_BUFFERS
    for rate in (MIN_RATE_LIMIT_BYTES_PER_SECOND, 10**6, 4 * 10**6, 10**9):
        count = _most_requests(limited(rate))
        assert count >= 1
        assert count * QUIC_ANSWER_WINDOW_BYTES / rate <= STALL_TIMEOUT_S / 2


async def test_pieces_come_whole_and_in_order() -> None:
    async def given() -> AsyncIterator[bytes]:
        for piece in (b"ab", bytes(250), b"c"):
            yield piece

    limit = limited(1000)
    parts = [part async for part in limit.pieces(given())]
    assert b"".join(parts) == b"ab" + bytes(250) + b"c"
    assert max(map(len, parts)) == 1000 * BURST_S / 4
    assert [part async for part in RateLimit().pieces(given())] == [b"ab", bytes(250), b"c"]
