"""Being dialled back: how a peer becomes a source by TLS though its firewall drops what comes in.

Whoever cannot reach a peer's bulk port asks it by `DialBack` to dial its own; there the peer proves
itself as any caller does, and then roles are turned: who accepted asks, and who dialled answers. A
connection that nobody waits for is refused. One is asked for at a time and peer, as the other end
grants no more.
"""

import asyncio
from collections.abc import Callable
from weakref import WeakValueDictionary

from lanspread_peer.model import errors
from lanspread_peer.model.ids import PeerId
from lanspread_peer.model.limits import DIAL_BACK_TIMEOUT_S
from lanspread_peer.runtime.link import Proven
from lanspread_peer.runtime.requests import ask
from lanspread_peer.transport.base import Connection
from lanspread_peer.transport.tls_caller import TlsCaller
from lanspread_peer.transport.tls_line import TlsLine
from lanspread_peer.wire import messages
from lanspread_peer.wire.messages import Feature


class DialBacks:
    """Those that one sidecar asks for; `said_by` is what a peer said on its link."""

    def __init__(self, said_by: Callable[[PeerId], Proven | None]) -> None:
        self._said_by = said_by
        self._turns: WeakValueDictionary[PeerId, asyncio.Lock] = WeakValueDictionary()
        self._coming: dict[PeerId, asyncio.Future[TlsLine]] = {}

    def is_possible(self, peer_id: PeerId) -> bool:
        """Whether this peer is linked and knows how to dial back."""
        said = self._said_by(peer_id)
        return said is not None and Feature.DIAL_BACK in said.features

    async def line_from(self, peer_id: PeerId) -> TlsLine:
        """A line that the peer dialled, and on which it waits for requests; the caller closes it.

        Raises SourceUnavailable, or MalformedMessage.
        """
        turn = self._turns.setdefault(peer_id, asyncio.Lock())
        async with turn:
            said = self._said_by(peer_id)
            if said is None:
                raise errors.ConnectionLost("the peer is gone")
            return await self._ask(peer_id, said.connection)

    def require_expected(self, peer_id: PeerId) -> None:
        """Raises Refused unless this peer was asked to dial, and its line has not come yet."""
        coming = self._coming.get(peer_id)
        if coming is None or coming.done():
            raise errors.Refused("nobody here asked to be dialled back")

    def came(self, caller: TlsCaller) -> None:
        """A peer dialled back, and knows that it is welcome; raises Refused, or MalformedMessage.

        Its line goes to whoever asked.
        """
        assert caller.peer_id is not None
        self.require_expected(caller.peer_id)
        self._coming[caller.peer_id].set_result(caller.hand_over())

    async def _ask(self, peer_id: PeerId, connection: Connection) -> TlsLine:
        coming = self._coming[peer_id] = asyncio.get_running_loop().create_future()
        line: TlsLine | None = None
        try:
            async with asyncio.timeout(DIAL_BACK_TIMEOUT_S):
                # The answer is awaited before anything is asked on the line: until then the peer
                # takes what comes there for a part of the greeting.
                await ask(connection, messages.DialBack(), messages.DialledBack)
                line = await coming
        except TimeoutError as error:
            raise errors.Stalled("the peer did not dial back in time") from error
        else:
            return line
        finally:
            del self._coming[peer_id]
            if line is None and coming.done() and not coming.cancelled():
                coming.result().close()
