"""The block list: peers that are neither dialled nor answered, nor taken as sources."""

import asyncio
from pathlib import Path

from lanspread_peer.model.errors import TooManyBlocked
from lanspread_peer.model.ids import PeerId
from lanspread_peer.model.limits import MAX_BLOCKED_PEERS
from lanspread_peer.runtime.tasks import run_to_end
from lanspread_peer.storage.blocked_peers import read_blocked, write_blocked


class BlockList:
    """The blocked peers of one state folder; what it says is on the disk. Make it with `load`."""

    def __init__(self, state_dir: Path, peers: frozenset[PeerId]) -> None:
        self._state_dir = state_dir
        self._peers = peers
        self._changing = asyncio.Lock()

    @classmethod
    async def load(cls, state_dir: Path) -> "BlockList":
        """Those of the last launch; raises StorageError."""
        return cls(state_dir, await asyncio.to_thread(read_blocked, state_dir))

    def __contains__(self, peer_id: PeerId) -> bool:
        return peer_id in self._peers

    @property
    def peers(self) -> frozenset[PeerId]:
        """All of them."""
        return self._peers

    async def add(self, peer_id: PeerId) -> None:
        """Block a peer; raises TooManyBlocked or StorageError, and then it is not blocked."""
        await run_to_end(self._change(frozenset({peer_id}), frozenset()))

    async def remove(self, peer_id: PeerId) -> None:
        """Block a peer no more; raises StorageError."""
        await run_to_end(self._change(frozenset(), frozenset({peer_id})))

    async def _change(self, added: frozenset[PeerId], removed: frozenset[PeerId]) -> None:
        async with self._changing:
            changed = (self._peers | added) - removed
            if len(changed) > MAX_BLOCKED_PEERS:
                raise TooManyBlocked(f"at most {MAX_BLOCKED_PEERS} peers can be blocked")
            if changed != self._peers:
                await asyncio.to_thread(write_blocked, self._state_dir, changed)
                self._peers = changed
