"""Upload slots: so many at once, a short queue, and Busy beyond it."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from lanspread_peer.model.errors import Busy
from lanspread_peer.model.limits import MAX_QUEUED_UPLOADS, MAX_UPLOADS
from lanspread_peer.runtime.uploads import UploadSlots


async def test_beyond_the_slots_and_the_queue_it_is_busy() -> None:
    slots = UploadSlots()
    done = list[int]()

    async def queued(number: int) -> None:
        async with slots.slot():
            done.append(number)

    async with AsyncExitStack() as held:
        for _ in range(MAX_UPLOADS):
            await held.enter_async_context(slots.slot())
        waiting = [asyncio.ensure_future(queued(n)) for n in range(MAX_QUEUED_UPLOADS)]
        await asyncio.sleep(0)
        with pytest.raises(Busy):
            async with slots.slot():
                raise AssertionError("this is one too many")
        assert done == []
    await asyncio.gather(*waiting)
    assert done == list(range(MAX_QUEUED_UPLOADS))


async def test_who_gives_up_waiting_leaves_its_place_in_the_queue() -> None:
    slots = UploadSlots()

    async def wait_for_one() -> None:
        async with slots.slot():
            raise AssertionError("there is none")

    async with AsyncExitStack() as held:
        for _ in range(MAX_UPLOADS):
            await held.enter_async_context(slots.slot())
        for _ in range(3):
            waiting = [asyncio.ensure_future(wait_for_one()) for _ in range(MAX_QUEUED_UPLOADS)]
            await asyncio.sleep(0)
            for task in waiting:
                task.cancel()
            await asyncio.wait(waiting)


async def test_a_failed_upload_frees_its_slot() -> None:
    slots = UploadSlots()
    for _ in range(MAX_UPLOADS + MAX_QUEUED_UPLOADS + 1):
        with pytest.raises(ConnectionError):
            async with slots.slot():
                raise ConnectionError
    async with slots.slot():
        pass
