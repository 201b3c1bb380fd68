"""Who may connect by TCP, and for how many connections there is room.

Pure of I/O. A TCP connection's address is proved, so that offences and rates count by address.
Invariant: who has proved nothing holds at most half of all places, and one address half of them.
"""

from lanspread_peer.core.offences import Offences
from lanspread_peer.core.token_buckets import TokenBuckets
from lanspread_peer.model.ids import PeerId
from lanspread_peer.model.limits import (
    HANDSHAKE_BURST,
    HANDSHAKES_PER_SECOND,
    MAX_BULK_CONNECTIONS,
    MAX_BULK_CONNECTIONS_PER_ADDRESS,
    MAX_BULK_CONNECTIONS_PER_PEER,
    MAX_REMEMBERED_ADDRESSES,
    MAX_UNAUTHENTICATED_BULK_CONNECTIONS,
    MAX_UNAUTHENTICATED_PER_ADDRESS,
)


class Place:
    """One connection's; its peer id is None until the caller proved one.

    `is_asked_for` when it comes because this end asked the peer to dial, and then takes none of the
    peer's places.
    """

    def __init__(self, host: str) -> None:
        self.host = host
        self.peer_id: PeerId | None = None
        self.is_asked_for = False


class TlsAdmission:
    """The places of the accepted connections of one sidecar."""

    def __init__(self, offences: Offences) -> None:
        self._offences = offences
        self._places: set[Place] = set()
        self._handshakes: TokenBuckets[str] = TokenBuckets(
            per_second=HANDSHAKES_PER_SECOND,
            burst=HANDSHAKE_BURST,
            max_keys=MAX_REMEMBERED_ADDRESSES,
        )

    @property
    def count(self) -> int:
        """How many places are taken."""
        return len(self._places)

    def admit(self, host: str, *, now: float) -> Place | None:
        """A place for a caller at this address, or None when it is to be sent away."""
        if self._offences.waits(host, now=now) or not self._has_room(host):
            return None
        if not self._handshakes.take(host, now=now):
            return None
        place = Place(host)
        self._places.add(place)
        return place

    def admit_dialled(self, host: str, peer_id: PeerId) -> Place | None:
        """A place for a connection that this end opens to serve the peer, or None without room."""
        if not self._has_room(host):
            return None
        place = Place(host)
        if not self.prove(place, peer_id):
            return None
        self._places.add(place)
        return place

    def prove(self, place: Place, peer_id: PeerId) -> bool:
        """The caller proved its id; False when that peer has all its places already."""
        taken = sum(one.peer_id == peer_id and not one.is_asked_for for one in self._places)
        if taken >= MAX_BULK_CONNECTIONS_PER_PEER and not place.is_asked_for:
            return False
        place.peer_id = peer_id
        return True

    def free(self, place: Place) -> None:
        """A connection is gone."""
        self._places.discard(place)

    def _has_room(self, host: str) -> bool:
        here = [one for one in self._places if one.host == host]
        unproven = sum(one.peer_id is None for one in self._places)
        unproven_here = sum(one.peer_id is None for one in here)
        return (
            len(self._places) < MAX_BULK_CONNECTIONS
            and len(here) < MAX_BULK_CONNECTIONS_PER_ADDRESS
            and unproven < MAX_UNAUTHENTICATED_BULK_CONNECTIONS
            and unproven_here < MAX_UNAUTHENTICATED_PER_ADDRESS
        )
