"""Dialling back: a peer that cannot reach our bulk port is dialled at its own, and served there.

Nobody can have us dial a third party: only a linked peer is dialled, only at the address that it is
connected from and the port that it announced, and only its own key is greeted. One dial at a time
and peer, and so many in a while.
"""

import asyncio
from collections.abc import Callable

from lanspread_peer.core.token_buckets import TokenBuckets
from lanspread_peer.model import errors
from lanspread_peer.model.ids import PeerId
from lanspread_peer.model.limits import (
    DIAL_BACK_BURST,
    DIAL_BACK_TIMEOUT_S,
    DIAL_BACKS_PER_SECOND,
    MAX_KNOWN_PEERS,
)
from lanspread_peer.model.peer import Address
from lanspread_peer.runtime.clock import monotonic_s
from lanspread_peer.transport.tls_dialling import Dialling
from lanspread_peer.transport.tls_server import TlsServer
from lanspread_peer.wire import messages
from lanspread_peer.wire.messages import Message
from lanspread_peer.wire.refusals import refusal_of

_BUSY_RETRY_MS = 1000


class DialBackServer:
    """`address_of` is where a linked peer's bulk port may be dialled, or None."""

    def __init__(
        self,
        server: TlsServer,
        dialling: Dialling,
        address_of: Callable[[PeerId], Address | None],
    ) -> None:
        self._server = server
        self._dialling = dialling
        self._address_of = address_of
        self._being_dialled: set[PeerId] = set()
        self._rate: TokenBuckets[PeerId] = TokenBuckets(
            per_second=DIAL_BACKS_PER_SECOND, burst=DIAL_BACK_BURST, max_keys=MAX_KNOWN_PEERS
        )

    async def answer(self, peer_id: PeerId) -> Message:
        """Dial this peer; raises Busy when it asks too often."""
        if peer_id in self._being_dialled or not self._rate.take(peer_id, now=monotonic_s()):
            raise errors.Busy(_BUSY_RETRY_MS)
        self._being_dialled.add(peer_id)
        try:
            async with asyncio.timeout(DIAL_BACK_TIMEOUT_S):
                await self._dial(peer_id)
        # What a closed port says is no offence of whoever asked, so that nothing is raised here.
        except (errors.SourceUnavailable, errors.PeerProtocolError) as error:
            return refusal_of(errors.Refused(error.message))
        except TimeoutError:
            return refusal_of(errors.Refused("your bulk port does not answer"))
        finally:
            self._being_dialled.discard(peer_id)
        return messages.DialledBack()

    async def _dial(self, peer_id: PeerId) -> None:
        address = self._address_of(peer_id)
        if address is None:
            raise errors.Refused("there is no bulk port of yours to dial")
        await self._server.serve_dialled(self._dialling, address, peer_id)
