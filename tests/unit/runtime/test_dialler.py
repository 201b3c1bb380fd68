"""How many handshakes one dial makes at a time, and whom it takes."""

import asyncio

import pytest

from lanspread_peer.core.dial_queue import DialRank, Wish
from lanspread_peer.model.errors import ConnectionLost
from lanspread_peer.model.ids import PeerId
from lanspread_peer.model.limits import (
    MAX_ADDRESSES_PER_PEER,
    MAX_DIALS_AT_ONCE,
    MAX_HANDSHAKES_PER_DIAL,
)
from lanspread_peer.model.peer import Address
from lanspread_peer.runtime import dialler
from lanspread_peer.runtime.dialler import Dialler
from lanspread_peer.transport.base import Connection
from support.link_party import HandmadeConnection, SilentTransport
from support.values import address, peer_id

ADDRESSES = [address(number) for number in range(MAX_ADDRESSES_PER_PEER)]
SEEN = Wish(DialRank.SEEN)


@pytest.fixture(autouse=True)
def no_stagger(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dialler, "DIAL_STAGGER_S", 0.0)


class OneAnswers(SilentTransport):
    """All refuse at once, but one."""

    def __init__(self, answering: Address) -> None:
        super().__init__()
        self.answering = answering
        self.connection = HandmadeConnection(1)

    async def dial(self, address: Address, expected: PeerId | None) -> Connection:  # noqa: ARG002 - as the protocol has it
        self.dialled.append(address)
        if address == self.answering:
            return self.connection
        raise ConnectionLost("nobody is there")


def dialling(transport: SilentTransport, *, hinted: bool) -> asyncio.Future[Connection | None]:
    return asyncio.ensure_future(
        Dialler(transport).first_answer(ADDRESSES, peer_id(1), SEEN, ADDRESSES if hinted else ())
    )


@pytest.mark.parametrize(("hinted", "most"), [(False, MAX_HANDSHAKES_PER_DIAL), (True, 1)])
async def test_a_dial_makes_few_handshakes_at_a_time_best_address_first(
    hinted: bool, most: int
) -> None:
    transport = SilentTransport()
    dial = dialling(transport, hinted=hinted)
    for _ in range(50):
        await asyncio.sleep(0)
    assert transport.running == ADDRESSES[:most]
    dial.cancel()
    await asyncio.wait({dial})
    assert transport.running == []


async def test_the_second_address_has_its_turn_only_after_a_moment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(dialler, "DIAL_STAGGER_S", 60.0)
    transport = SilentTransport()
    dial = dialling(transport, hinted=False)
    for _ in range(50):
        await asyncio.sleep(0)
    assert transport.running == ADDRESSES[:1]
    dial.cancel()
    await asyncio.wait({dial})


@pytest.mark.parametrize("hinted", [False, True])
async def test_addresses_that_fail_make_way_for_the_next(hinted: bool) -> None:
    transport = OneAnswers(ADDRESSES[-1])
    dial = dialling(transport, hinted=hinted)
    assert await dial is transport.connection
    assert transport.dialled == ADDRESSES


async def test_nobody_answers_when_all_addresses_fail() -> None:
    assert await dialling(OneAnswers(address(999)), hinted=False) is None
    assert await Dialler(SilentTransport()).first_answer([], peer_id(1), SEEN) is None


async def test_all_dials_together_make_few_handshakes() -> None:
    transport = SilentTransport()
    shared = Dialler(transport)
    dials = [
        asyncio.ensure_future(shared.first_answer(ADDRESSES, None, Wish(DialRank.TYPED)))
        for _ in range(2 * MAX_DIALS_AT_ONCE)
    ]
    for _ in range(100):
        await asyncio.sleep(0)
    assert transport.most_at_once == MAX_DIALS_AT_ONCE * MAX_HANDSHAKES_PER_DIAL
    for dial in dials:
        dial.cancel()
    await asyncio.wait(dials)
