"""The dialler: opens connections, a bounded number at once, those that matter most first."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from contextlib import asynccontextmanager

import structlog

from lanspread_peer.core.dial_queue import DialQueue, Wish
from lanspread_peer.model import errors
from lanspread_peer.model.ids import PeerId
from lanspread_peer.model.limits import DIAL_STAGGER_S, MAX_HANDSHAKES_PER_DIAL
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
        self,
        addresses: Iterable[Address],
        expected: PeerId | None,
        wish: Wish,
        hinted: Collection[Address] = (),
    ) -> Connection | None:
        """The first connection that one of the addresses gives, or None.

        They are dialled in their order, a few at a time, those that are `hinted` one by one.
        Raises NotAMember when there is none and somebody answered who is not let in.
        """
        async with self._turn(wish):
            return await self._dial(addresses, expected, hinted)

    async def _dial(
        self, addresses: Iterable[Address], expected: PeerId | None, hinted: Collection[Address]
    ) -> Connection | None:
        queue = deque(addresses)
        dials: list[asyncio.Future[Connection]] = []
        running: set[asyncio.Future[Connection]] = set()
        winner: Connection | None = None
        refusal: errors.NotAMember | None = None
        try:
            while winner is None and (queue or running):
                if _may_begin(queue, running, hinted):
                    dials.append(
                        asyncio.ensure_future(self._transport.dial(queue.popleft(), expected))
                    )
                    running.add(dials[-1])
                stagger_s = DIAL_STAGGER_S if _may_begin(queue, running, hinted) else None
                ended, running = await asyncio.wait(
                    running, timeout=stagger_s, return_when=asyncio.FIRST_COMPLETED
                )
                winner = self._winner_of(ended, expected)
                refusal = refusal or _refusal_in(ended)
        finally:
            await _close_others(dials, winner)
        if winner is None and refusal is not None:
            raise refusal
        return winner

    def _winner_of(
        self, ended: Iterable[asyncio.Future[Connection]], expected: PeerId | None
    ) -> Connection | None:
        for dial in ended:
            try:
                return dial.result()
            except errors.LanspreadError as error:
                if self._said.first_time(expected, error.reason):
                    _log.info("dial failed", peer=expected, detail=error.message)
        return None

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


def _refusal_in(ended: Iterable[asyncio.Future[Connection]]) -> errors.NotAMember | None:
    failures = (dial.exception() for dial in ended if not dial.cancelled())
    return next((error for error in failures if isinstance(error, errors.NotAMember)), None)


def _may_begin(
    queue: Sequence[Address],
    running: Collection[asyncio.Future[Connection]],
    hinted: Collection[Address],
) -> bool:
    if not queue:
        return False
    most = 1 if queue[0] in hinted else MAX_HANDSHAKES_PER_DIAL
    return len(running) < most


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
