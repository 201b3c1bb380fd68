"""Peers whose address a person typed: dialled until they answer, and again whenever they are lost.

Whoever answers there is taken at first; a different id later is what a person should know of.
"""

import asyncio
from collections.abc import Callable, Iterable
from random import Random

import structlog

from lanspread_peer.core.dial_policy import DialPolicy
from lanspread_peer.discovery.addresses import resolve
from lanspread_peer.model import errors
from lanspread_peer.model.events import Event, Warned
from lanspread_peer.model.ids import PeerId
from lanspread_peer.runtime.clock import monotonic_s
from lanspread_peer.runtime.logs import LogOnce
from lanspread_peer.runtime.peer_links import PeerLinks
from lanspread_peer.runtime.tasks import TaskSet

_log = structlog.get_logger(__name__)


class PinnedPeers:
    """The typed addresses of one sidecar."""

    def __init__(self, links: PeerLinks, emit: Callable[[Event], None], rng: Random) -> None:
        self._links = links
        self._emit = emit
        self._rng = rng
        self._tasks = TaskSet()
        self._pinned: dict[str, asyncio.Task[None]] = {}
        self._ids: dict[str, PeerId] = {}
        self._said = LogOnce()

    def pin(self, addresses: Iterable[str]) -> None:
        """Keep peers at these addresses linked."""
        for address in addresses:
            if address in self._pinned:
                continue
            self._pinned[address] = self._tasks.spawn(f"pinned {address}", self._keep(address))

    async def add(self, address: str) -> PeerId:
        """Link the peer at this address now, and keep it linked; raises PeerUnreachable."""
        peer_id = await self._dial(address)
        self.pin([address])
        return peer_id

    def unpin(self, peer_id: PeerId) -> None:
        """Dial the addresses no more where this peer answered last."""
        for address in [one for one, known in self._ids.items() if known == peer_id]:
            del self._ids[address]
            if (task := self._pinned.pop(address, None)) is not None:
                task.cancel()

    async def close(self) -> None:
        """Stop dialling."""
        await self._tasks.close()

    async def _keep(self, address: str) -> None:
        policy = DialPolicy(self._rng)
        while True:
            if not self._links.is_blocked(self._ids.get(address)):
                await self._link(address, policy)
            # Not at once, or one that hangs up after each greeting would keep both busy.
            await asyncio.sleep(policy.failed())

    async def _link(self, address: str, policy: DialPolicy) -> None:
        """Dial the address, and follow the link to its end."""
        try:
            peer_id = await self._dial(address)
        except errors.LanspreadError as error:
            if who := error.metadata.get("peer_id"):
                # A blocked peer, which need not be dialled to learn that again.
                self._ids[address] = PeerId(who)
            if self._said.first_time(address, error.reason):
                _log.info("pinned peer not reached", address=address, detail=error.message)
        else:
            began = monotonic_s()
            await self._links.wait_lost(peer_id)
            policy.held(monotonic_s() - began)

    async def _dial(self, address: str) -> PeerId:
        peer_id = await self._links.dial(await resolve(address, "peer"))
        known = self._ids.setdefault(address, peer_id)
        if known != peer_id:
            self._ids[address] = peer_id
            self._emit(
                Warned("PEER_ID_CHANGED", f"{address} was peer {known} and now is {peer_id}")
            )
        return peer_id
