"""The dialler: opens connections, a bounded number at once, those that matter most first."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager

import structlog

from lanspread_peer.core.dial_queue import DialQueue, Wish
from lanspread_peer.model import errors
from lanspread_peer.model.ids import PeerId
from lanspread_peer.model.peer import Address
from lanspread_peer.runtime.logs import LogOnce
from lanspread_peer.transport.base import Connection, Transport

_log = structlog.get_logger(__name__)


class Dialler:
    """The dials of one sidecar."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._queue = DialQueue()
        self._turns: dict[Wish, asyncio.Event] = {}
        self._said = LogOnce()

    async def first_answer(
        self, addresses: Iterable[Address], expected: PeerId | None, wish: Wish
    ) -> Connection | None:
        """The first connection that one of the addresses gives, dialled in parallel, or None."""
        async with self._turn(wish):
            return await self._dial(addresses, expected)

    async def _dial(
        self, addresses: Iterable[Address], expected: PeerId | None
    ) -> Connection | None:
        dials = [
            asyncio.ensure_future(self._transport.dial(address, expected)) for address in addresses
        ]
        winner: Connection | None = None
        try:
            for dial in asyncio.as_completed(dials):
                try:
                    winner = await dial
                    break
                except errors.LanspreadError as error:
                    if self._said.first_time(expected, error.reason):
                        _log.info("dial failed", peer=expected, detail=error.message)
        finally:
            await _close_others(dials, winner)
        return winner

    @asynccontextmanager
    async def _turn(self, wish: Wish) -> AsyncIterator[None]:
        turn = self._turns[wish] = asyncio.Event()
        self._queue.add(wish)
        self._let_begin()
        try:
            await turn.wait()
            yield
        finally:
            del self._turns[wish]
            self._queue.remove(wish)
            self._let_begin()

    def _let_begin(self) -> None:
        while (wish := self._queue.next()) is not None:
            self._turns[wish].set()


async def _close_others(
    dials: Sequence[asyncio.Future[Connection]], winner: Connection | None
) -> None:
    for dial in dials:
        dial.cancel()
    try:
        await asyncio.gather(*dials, return_exceptions=True)
    except asyncio.CancelledError:
        # Nobody is left to take the winner.
        winner = None
        raise
    finally:
        for dial in dials:
            connection = _connection_of(dial)
            if connection is not None and connection is not winner:
                connection.close("another address answered first")


def _connection_of(dial: asyncio.Future[Connection]) -> Connection | None:
    is_open = dial.done() and not dial.cancelled() and dial.exception() is None
    return dial.result() if is_open else None
