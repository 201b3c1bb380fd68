"""A link: what the tasks around one peer share."""

import asyncio
from dataclasses import dataclass, field

from lanspread_peer.core.dial_policy import DialPolicy
from lanspread_peer.model.ids import PeerId
from lanspread_peer.runtime.clock import monotonic_s
from lanspread_peer.transport.base import Connection


@dataclass(slots=True)
class Link:
    """One peer and the dialled connection to it, if any.

    `woken` tells whoever waits on the link to look again; `greeted` and `lost` are opposites.
    `offered_digest` is that of a library which is not fetched yet.
    """

    peer_id: PeerId
    policy: DialPolicy
    connection: Connection | None = None
    heard_at: float = 0.0
    offered_digest: str | None = None
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    greeted: asyncio.Event = field(default_factory=asyncio.Event)
    lost: asyncio.Event = field(default_factory=asyncio.Event)

    def heard(self) -> None:
        """A message came from the peer."""
        self.heard_at = monotonic_s()

    def library_hint(self, digest: str) -> None:
        """The peer's library has this digest now, so it says."""
        self.offered_digest = digest
        self.woken.set()
