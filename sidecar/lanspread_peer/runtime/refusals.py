"""Refusals at a party: who is not let in, and who does not let us in.

Each is told once, with its reason, and noted with the peer. A stranger is nothing to warn of: it
may be at another party, and only its own front end should say why it sees nobody.
"""

import structlog

from lanspread_peer.core.peer_db import PeerDb
from lanspread_peer.model.errors import NotAMember
from lanspread_peer.model.ids import PeerId
from lanspread_peer.model.peer import Sighting
from lanspread_peer.runtime.clock import monotonic_s
from lanspread_peer.runtime.logs import LogOnce
from lanspread_peer.runtime.warn_once import WarnOnce

_log = structlog.get_logger(__name__)


class Refusals:
    """Those of one sidecar."""

    def __init__(self, peers: PeerDb, warnings: WarnOnce) -> None:
        self._peers = peers
        self._warnings = warnings
        self._said = LogOnce()

    def refused(self, error: NotAMember) -> PeerId:
        """We do not let in a peer, whose proved id is in the error; its id."""
        peer_id = PeerId(error.metadata["peer_id"])
        if self._said.first_time(peer_id, error.reason):
            _log.info("peer not let in", peer=peer_id, reason=error.reason, detail=error.message)
        if error.reason != NotAMember.reason:
            # It was a member or will be one, so a person will look for it.
            self._peers.sighted(peer_id, Sighting((), "refused", peer_id), now=monotonic_s())
            self._warnings.warn(
                error.reason, peer_id, message=f"peer {peer_id} is not let in: {error.message}"
            )
        self._peers.refused(peer_id, error.reason)
        return peer_id

    def refused_by(self, peer_id: PeerId, error: NotAMember) -> None:
        """A peer does not let us in."""
        if self._said.first_time("own", error.reason):
            _log.warning("not let in", peer=peer_id, reason=error.reason, detail=error.message)
        self._peers.refused(peer_id, error.reason)
        # Everybody else there will say the same.
        self._warnings.warn(
            error.reason, "own", message=f"peer {peer_id} does not let us in: {error.message}"
        )
