"""Rate limits: tasks and threads share one line, never pass it faster, and can be cancelled."""

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import cast

import pytest

from lanspread_peer.core.byte_rate import BURST_S, PART_S
from lanspread_peer.model.errors import Busy
from lanspread_peer.model.ids import ContentId
from lanspread_peer.model.limits import (
    MAX_REQUEST_BUFFERS,
    MAX_RUNNING_DOWNLOADS,
    MIB,
    MIN_RATE_LIMIT_BYTES_PER_SECOND,
    QUIC_ANSWER_WINDOW_BYTES,
    STALL_TIMEOUT_S,
)
from lanspread_peer.model.manifest import Manifest
from lanspread_peer.runtime.carrier import Target
from lanspread_peer.runtime.chunk_fetch import ChunkFetcher, _most_requests
from lanspread_peer.runtime.rate_limits import RateLimit
from lanspread_peer.storage.staging import Staging

KIB = 1024
RATE = 1000 * KIB
# So slow that nobody who waits is let through while a test runs.
STUCK = 1


def limited(rate: int) -> RateLimit:
    limit = RateLimit()
    limit.set_rate(rate)
    return limit


def never() -> bool:
    return False


async def test_without_a_limit_nobody_waits() -> None:
    limit = RateLimit()
    assert not limit.is_on
    assert await limit.wait(10**12) == 10**12
    assert limit.wait_in_thread(10**12, never) == 10**12


async def test_tasks_and_threads_together_are_not_faster_than_the_rate() -> None:
    limit = limited(RATE)
    assert limit.is_on
    began = time.monotonic()
    waits = [asyncio.to_thread(limit.wait_in_thread, RATE, never) for _ in range(6)]
    passed = await asyncio.gather(*waits, *(limit.wait(RATE) for _ in range(6)))
    assert passed == [RATE * PART_S] * 12
    assert time.monotonic() - began >= sum(passed) / RATE - BURST_S


async def test_a_changed_rate_counts_for_those_who_wait() -> None:
    limit = limited(STUCK)
    thread = asyncio.ensure_future(asyncio.to_thread(limit.wait_in_thread, RATE, never))
    task = asyncio.ensure_future(limit.wait(RATE))
    await asyncio.sleep(0)
    assert not task.done()
    limit.set_rate(None)
    async with asyncio.timeout(10):
        assert await thread in {1, RATE}
        assert await task in {1, RATE}


async def test_a_task_that_is_cancelled_leaves_the_line() -> None:
    limit = limited(STUCK)
    task = asyncio.ensure_future(limit.wait(RATE))
    await asyncio.sleep(0)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert not limit._bucket._line


async def test_a_thread_that_is_cut_leaves_the_line() -> None:
    limit, is_cut = limited(STUCK), threading.Event()
    ahead = asyncio.ensure_future(limit.wait(RATE))
    await asyncio.sleep(0)
    thread = asyncio.ensure_future(asyncio.to_thread(limit.wait_in_thread, RATE, is_cut.is_set))
    is_cut.set()
    async with asyncio.timeout(10):
        assert not await thread
    ahead.cancel()
    await asyncio.wait({ahead})
    assert not limit._bucket._line


def test_a_download_limit_keeps_no_source_waiting_until_it_takes_us_for_gone() -> None:
    assert _most_requests(None, 2) == MAX_REQUEST_BUFFERS
    for rate in (MIN_RATE_LIMIT_BYTES_PER_SECOND, 10**6, 4 * 10**6, 10**9):
        for downloads in range(1, MAX_RUNNING_DOWNLOADS + 1):
            count = _most_requests(rate, downloads)
            assert count >= 1
            assert downloads * count * QUIC_ANSWER_WINDOW_BYTES / rate < STALL_TIMEOUT_S


async def test_each_download_has_its_share_of_the_requests_that_a_limit_carries() -> None:
    rate = 2 * MIB
    alone = _most_requests(rate, 1)
    fetcher = ChunkFetcher(limited(rate))
    first, second = (
        Target(ContentId(letter * 64), cast(Manifest, None), cast(Staging, None)) for letter in "ab"
    )
    async with AsyncExitStack() as later:
        async with AsyncExitStack() as soon:
            await take_all(fetcher, first, soon, alone)
            # There is a place for it though the first one has them all.
            await take_all(fetcher, second, later, alone // 2)
        await take_all(fetcher, first, later, alone // 2)


async def take_all(
    fetcher: ChunkFetcher, target: Target, held: AsyncExitStack, expected: int
) -> None:
    """Take so many buffers, and no more."""
    for _ in range(expected):
        await held.enter_async_context(fetcher.buffer(target))
    with pytest.raises(Busy):
        await held.enter_async_context(fetcher.buffer(target))


async def test_pieces_come_whole_and_in_order() -> None:
    async def given() -> AsyncIterator[bytes]:
        for piece in (b"ab", bytes(250), b"c"):
            yield piece

    limit = limited(1000)
    parts = [part async for part in limit.pieces(given())]
    assert b"".join(parts) == b"ab" + bytes(250) + b"c"
    assert max(map(len, parts)) == 1000 * PART_S
    assert [part async for part in RateLimit().pieces(given())] == [b"ab", bytes(250), b"c"]
