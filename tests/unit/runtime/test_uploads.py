"""Upload slots: so many at once, a short queue, Busy beyond it, and no slot for a slow reader."""

import asyncio
from contextlib import AsyncExitStack
from typing import cast

import pytest

from lanspread_peer.core import upload_queue
from lanspread_peer.model.errors import Busy, ConnectionLost, Stalled
from lanspread_peer.model.ids import PeerId
from lanspread_peer.model.limits import (
    MAX_QUEUED_UPLOADS_PER_PEER,
    MAX_UPLOADS,
    STALL_TIMEOUT_S,
    UPLOAD_FAIR_WAIT_S,
    UPLOAD_QUEUE_TIMEOUT_S,
    UPLOAD_SLICE_TIMEOUT_S,
)
from lanspread_peer.model.peer import Address
from lanspread_peer.runtime import uploads
from lanspread_peer.runtime.uploads import UploadSlots
from lanspread_peer.transport.base import Connection, Stream
from support.values import peer_id


class Caller:
    """As much of a connection as counts here."""

    def __init__(self, number: int) -> None:
        self.peer_id: PeerId | None = peer_id(number)
        self.address = Address(f"192.0.2.{number}", 1)


def caller(number: int) -> Connection:
    return cast(Connection, Caller(number))


class Asked:
    """As much of a stream as counts here."""

    def __init__(self) -> None:
        self.cut = asyncio.Event()

    async def wait_cut(self) -> None:
        await self.cut.wait()


def asked() -> Stream:
    return cast(Stream, Asked())


async def hold(stack: AsyncExitStack, slots: UploadSlots, count: int, number: int = 1) -> None:
    for _ in range(count):
        await stack.enter_async_context(slots.slot(caller(number), asked()))


async def test_beyond_the_slots_and_the_queue_it_is_busy() -> None:
    slots = UploadSlots()
    done = list[int]()

    async def queued(number: int) -> None:
        async with slots.slot(caller(1), asked()):
            done.append(number)

    async with AsyncExitStack() as held:
        await hold(held, slots, MAX_UPLOADS)
        waiting = [asyncio.ensure_future(queued(n)) for n in range(MAX_QUEUED_UPLOADS_PER_PEER)]
        await asyncio.sleep(0)
        with pytest.raises(Busy):
            async with slots.slot(caller(1), asked()):
                raise AssertionError("this is one too many")
        assert done == []
    await asyncio.gather(*waiting)
    assert done == list(range(MAX_QUEUED_UPLOADS_PER_PEER))


async def test_who_gives_up_waiting_leaves_its_place_in_the_queue() -> None:
    slots = UploadSlots()

    async def wait_for_one() -> None:
        async with slots.slot(caller(1), asked()):
            raise AssertionError("there is none")

    async with AsyncExitStack() as held:
        await hold(held, slots, MAX_UPLOADS)
        for _ in range(3):
            waiting = [
                asyncio.ensure_future(wait_for_one()) for _ in range(MAX_QUEUED_UPLOADS_PER_PEER)
            ]
            await asyncio.sleep(0)
            for task in waiting:
                task.cancel()
            await asyncio.wait(waiting)


async def test_who_waits_too_long_hears_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "UPLOAD_QUEUE_TIMEOUT_S", 0.05)
    slots = UploadSlots()
    async with AsyncExitStack() as held, asyncio.timeout(20):
        await hold(held, slots, MAX_UPLOADS)
        for _ in range(MAX_QUEUED_UPLOADS_PER_PEER + 1):
            with pytest.raises(Busy):
                await hold(held, slots, 1, number=2)


def test_the_answer_comes_well_before_it_would_pass_for_silence() -> None:
    assert UPLOAD_FAIR_WAIT_S < UPLOAD_QUEUE_TIMEOUT_S <= 0.7 * STALL_TIMEOUT_S


async def test_who_is_gone_waits_no_longer() -> None:
    slots = UploadSlots()
    async with AsyncExitStack() as held:
        await hold(held, slots, MAX_UPLOADS)
        ghosts = [Asked() for _ in range(MAX_QUEUED_UPLOADS_PER_PEER)]
        waiting = [asyncio.ensure_future(wait_in_vain(slots, ghost)) for ghost in ghosts]
        await asyncio.sleep(0)
        for ghost in ghosts:
            ghost.cut.set()
        async with asyncio.timeout(20):
            outcomes = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [ConnectionLost] * len(ghosts)


async def wait_in_vain(slots: UploadSlots, stream: Asked) -> None:
    async with slots.slot(caller(2), cast(Stream, stream)):
        raise AssertionError("there is none")


async def test_a_failed_upload_frees_its_slot() -> None:
    slots = UploadSlots()
    for _ in range(MAX_UPLOADS + MAX_QUEUED_UPLOADS_PER_PEER + 1):
        with pytest.raises(ConnectionError):
            async with slots.slot(caller(1), asked()):
                raise ConnectionError
    async with slots.slot(caller(1), asked()):
        pass


async def test_a_reader_that_takes_a_slice_too_slowly_is_cut_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(uploads, "UPLOAD_SLICE_TIMEOUT_S", 0.05)
    slots = UploadSlots()

    async def send_to_nobody() -> None:
        async with slots.slot(caller(1), asked()) as slot:
            slot.keep(1)
            await asyncio.Event().wait()

    with pytest.raises(Stalled):
        await send_to_nobody()


async def test_each_slice_has_the_whole_time() -> None:
    slots = UploadSlots()
    async with slots.slot(caller(1), asked()) as slot:
        for _ in range(3):
            await asyncio.sleep(0.01)
            began = asyncio.get_running_loop().time()
            slot.keep(1)
            ends_at = slot.limit.when()
            assert ends_at is not None
            assert ends_at >= began + UPLOAD_SLICE_TIMEOUT_S


async def test_another_peer_gets_slots_from_one_that_holds_them_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(upload_queue, "UPLOAD_FAIR_WAIT_S", 0.02)
    monkeypatch.setattr(uploads, "_FAIRNESS_INTERVAL_S", 0.01)
    slots = UploadSlots()
    ends = list[str]()

    async def greedy() -> None:
        try:
            async with slots.slot(caller(1), asked()):
                await asyncio.Event().wait()
        except Busy:
            ends.append("taken back")

    holders = [asyncio.ensure_future(greedy()) for _ in range(MAX_UPLOADS)]
    await asyncio.sleep(0)
    async with AsyncExitStack() as held:
        for count in range(1, MAX_UPLOADS // 2 + 1):
            await hold(held, slots, 1, number=2)
            assert len(ends) == count
        with pytest.raises(TimeoutError):
            # Both have as many now.
            async with asyncio.timeout(0.1):
                await hold(held, slots, 1, number=2)
    for holder in holders:
        holder.cancel()
    await asyncio.gather(*holders, return_exceptions=True)


async def test_peers_at_many_addresses_that_take_next_to_nothing_do_not_keep_others_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(upload_queue, "UPLOAD_FAIR_WAIT_S", 0.02)
    monkeypatch.setattr(upload_queue, "_SLOW_SLICE_S", 0.1)
    monkeypatch.setattr(uploads, "_FAIRNESS_INTERVAL_S", 0.01)
    slots = UploadSlots()
    async with asyncio.timeout(20), AsyncExitStack() as held:
        holders = [asyncio.ensure_future(dawdle(slots, number)) for number in range(MAX_UPLOADS)]
        await asyncio.sleep(0)
        await hold(held, slots, 1, number=99)
        ends = await asyncio.wait(holders, return_when=asyncio.FIRST_COMPLETED)
        assert len(ends[0]) == 1
        for holder in holders:
            holder.cancel()
        await asyncio.gather(*holders, return_exceptions=True)


async def dawdle(slots: UploadSlots, number: int) -> None:
    with pytest.raises(Busy):
        async with slots.slot(caller(number), asked()):
            await asyncio.Event().wait()


async def test_no_time_counts_while_the_holder_waits_for_our_own_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(uploads, "UPLOAD_SLICE_TIMEOUT_S", 0.01)
    slots = UploadSlots()
    async with slots.slot(caller(1), asked()) as slot:
        slot.rest()
        assert slot.limit.when() is None

    async def dawdle_after_a_rest() -> None:
        async with slots.slot(caller(1), asked()) as slot:
            slot.rest()
            slot.keep(1)
            await asyncio.Event().wait()

    with pytest.raises(Stalled):
        await dawdle_after_a_rest()


async def test_a_slot_is_taken_back_from_a_holder_that_waits_for_our_own_limit() -> None:
    slot = uploads.Slot(lambda _: None, lambda: None)

    async def wait_for_the_limit() -> None:
        async with slot.limit:
            slot.begin()
            slot.rest()
            slot.take_back()
            slot.rest()
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        await wait_for_the_limit()


async def test_a_slice_that_begins_meanwhile_keeps_no_slot_that_is_taken_back() -> None:
    slot = uploads.Slot(lambda _: None, lambda: None)

    async def send_on() -> None:
        async with slot.limit:
            slot.begin()
            slot.take_back()
            # Word of a thread, which was on its way.
            slot.keep(1)
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(UPLOAD_SLICE_TIMEOUT_S / 4):
            await send_on()
    assert slot.limit.expired()


async def test_more_slots_are_given_at_once_to_those_who_wait() -> None:
    slots = UploadSlots()
    slots.set_slots(1)

    async def one_more() -> bool:
        async with slots.slot(caller(1), asked()):
            return True

    async with AsyncExitStack() as held:
        await hold(held, slots, 1)
        waiting = asyncio.ensure_future(one_more())
        await asyncio.sleep(0)
        assert not waiting.done()
        slots.set_slots(2)
        assert await waiting


async def test_a_slot_may_be_taken_back_before_its_holder_began() -> None:
    slot = uploads.Slot(lambda _: None, lambda: None)
    slot.take_back()
    slot.take_back()

    async def hold_it() -> None:
        async with slot.limit:
            slot.begin()
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        await hold_it()
    slot.keep(1)
    assert slot.is_taken_back
