"""What is known of every peer, and what the network holds of every game.

Invariants: a peer has a library only while it is connected; the index by game holds exactly the
games of connected peers; there are at most MAX_KNOWN_PEERS peers; a connected one is never
forgotten for a new one, nor one that we saw for one that others told of. What strangers say never
displaces an address that a connection proved. Every method that can change a title returns the
keys of those it may have changed. Whether a peer's word is true is not judged here, only bounded.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from itertools import islice

from lanspread_peer.core.partial_holders import PartialHolders
from lanspread_peer.model.game import GameSummary
from lanspread_peer.model.ids import ContentId, GameKey, InstanceId, PeerId
from lanspread_peer.model.limits import (
    MAX_ADDRESSES_PER_PEER,
    MAX_DOWNLOADING_GAMES,
    MAX_HINTED_ADDRESSES_PER_PEER,
    MAX_KNOWN_GAME_LINES,
    MAX_KNOWN_PEERS,
    MAX_LIBRARY_GAMES,
)
from lanspread_peer.model.peer import Address, PeerState, PeerStatus, Sighting

# A peer that left is remembered so long, for the front end's list.
FORGET_AFTER_S = 600.0

_CONNECTED = (PeerState.CONNECTED, PeerState.SUSPECT)


class _Trust(IntEnum):
    """What speaks for an address; the lower one is dialled first and forgotten last."""

    # A connection: ours to where a person or a record sent us, or the peer's own word on one.
    PROVED = 0
    SEEN = 1
    HINTED = 2


@dataclass(slots=True)
class _Peer:
    id: PeerId
    seen_at: float
    name: str = ""
    instance: InstanceId | None = None
    state: PeerState = PeerState.DISCOVERED
    # Best first.
    addresses: dict[Address, _Trust] = field(default_factory=dict)
    address: Address | None = None
    rtt_s: float | None = None
    refusal: str = ""
    digest: str = ""
    library: dict[GameKey, GameSummary] = field(default_factory=dict)
    served_bytes: int = 0

    @property
    def is_connected(self) -> bool:
        return self.state in _CONNECTED


class PeerDb:
    """The peers of one network as one sidecar sees them."""

    def __init__(self) -> None:
        self._peers: dict[PeerId, _Peer] = {}
        self._by_game: dict[GameKey, dict[PeerId, GameSummary]] = defaultdict(dict)
        self._lines = 0
        self._partial = PartialHolders()
        # Those that only other peers told of, the oldest hint first.
        self._hinted: dict[PeerId, None] = {}
        self._on_forgotten: Callable[[PeerId], None] = lambda _peer_id: None

    def watch_forgotten(self, on_forgotten: Callable[[PeerId], None]) -> None:
        """Tell who is not known any more; `on_forgotten` must not change the database."""
        self._on_forgotten = on_forgotten

    # Membership.

    def sighted(self, peer_id: PeerId, sighting: Sighting, *, now: float) -> bool:
        """Remember where a peer may be reached; whether it was not known before."""
        peer = self._peers.get(peer_id)
        is_new = peer is None
        if peer is None:
            if not self._make_room(is_hint=sighting.told_by is not None):
                return False
            peer = self._peers[peer_id] = _Peer(peer_id, now)
        peer.seen_at = now
        self._note_hint(peer_id, is_hint=sighting.told_by is not None, is_new=is_new)
        _add_addresses(peer, sighting.addresses, _trust_in(sighting))
        return is_new

    def connected(
        self,
        peer_id: PeerId,
        instance: InstanceId,
        name: str,
        address: Address | None,
        *,
        now: float,
    ) -> None:
        """The peer proved its id and said its name; `address` is where it can be dialled, if so."""
        peer = self._peers.setdefault(peer_id, _Peer(peer_id, now))
        peer.state, peer.refusal = PeerState.CONNECTED, ""
        peer.instance, peer.name, peer.address, peer.seen_at = instance, name, address, now
        self._hinted.pop(peer_id, None)
        if address is not None:
            _add_addresses(peer, (address,), _Trust.PROVED)

    def refused(self, peer_id: PeerId, reason: str) -> None:
        """A party keeps us and a peer apart; of no account for one that is connected."""
        peer = self._peers.get(peer_id)
        if peer is not None and not peer.is_connected:
            peer.refusal = reason

    def suspected(self, peer_id: PeerId, is_suspect: bool) -> None:
        """A connected peer missed a ping, or answers again."""
        peer = self._peers.get(peer_id)
        if peer is not None and peer.is_connected:
            peer.state = PeerState.SUSPECT if is_suspect else PeerState.CONNECTED

    def answered(self, peer_id: PeerId, *, rtt_s: float, now: float) -> None:
        """A ping was answered after this many seconds."""
        peer = self._peers.get(peer_id)
        if peer is not None:
            peer.rtt_s, peer.seen_at = rtt_s, now

    def lost(self, peer_id: PeerId, *, now: float) -> frozenset[GameKey]:
        """The peer is gone, and its library with it."""
        peer = self._peers.get(peer_id)
        if peer is None:
            return frozenset()
        changed = self._set_library(peer, {}) | self._partial.replace(peer_id, ())
        peer.state, peer.digest, peer.seen_at = PeerState.LOST, "", now
        return changed

    def forget(self, peer_id: PeerId) -> None:
        """Drop a peer that is not connected; nothing happens when it is, or is not known."""
        peer = self._peers.get(peer_id)
        if peer is not None and not peer.is_connected:
            self._forget(peer_id)

    def forget_stale(self, *, now: float) -> None:
        """Drop peers that have been gone for FORGET_AFTER_S."""
        for peer in list(self._peers.values()):
            if not peer.is_connected and now - peer.seen_at > FORGET_AFTER_S:
                self._forget(peer.id)

    # Libraries.

    def library_digest(self, peer_id: PeerId) -> str:
        """The digest of the library that is known of this peer, or empty."""
        peer = self._peers.get(peer_id)
        return peer.digest if peer else ""

    def library_replaced(
        self,
        peer_id: PeerId,
        digest: str,
        games: Iterable[GameSummary],
        downloading: Iterable[GameSummary] = (),
    ) -> frozenset[GameKey]:
        """The whole library of a connected peer; all but the first MAX_LIBRARY_GAMES is cut.

        `downloading` is what it can serve in part, MAX_DOWNLOADING_GAMES at most.
        """
        peer = self._peers.get(peer_id)
        if peer is None or not peer.is_connected:
            return frozenset()
        bounded = list(games)[:MAX_LIBRARY_GAMES]
        peer.digest = digest
        parts = islice(downloading, MAX_DOWNLOADING_GAMES)
        changed = self._set_library(peer, {game.key: game for game in bounded})
        return changed | self._partial.replace(peer_id, parts)

    def library_changed(
        self,
        peer_id: PeerId,
        digest: str,
        games: Iterable[GameSummary],
        removed: Iterable[GameKey],
        downloading: Iterable[GameSummary] = (),
    ) -> frozenset[GameKey]:
        """The library of a connected peer as it changed since the digest that is known of it."""
        peer = self._peers.get(peer_id)
        if peer is None:
            return frozenset()
        gone = frozenset(removed)
        library = {key: game for key, game in peer.library.items() if key not in gone}
        library |= {game.key: game for game in games}
        return self.library_replaced(peer_id, digest, library.values(), downloading)

    def game_answered(
        self, peer_id: PeerId, key: GameKey, game: GameSummary | None
    ) -> frozenset[GameKey]:
        """What a connected peer said of one game when asked; None when it has it no longer."""
        peer = self._peers.get(peer_id)
        if peer is None or not peer.is_connected:
            return frozenset()
        library = dict(peer.library)
        library.pop(key, None)
        if game is not None and len(library) < MAX_LIBRARY_GAMES:
            library[key] = game
        changed = self._set_library(peer, library)
        if changed:
            # This is no library that the peer ever told as a whole: the next ping asks for it.
            peer.digest = ""
        return changed

    def served(self, peer_id: PeerId, count: int) -> None:
        """A peer gave this many bytes of a game."""
        peer = self._peers.get(peer_id)
        if peer is not None:
            peer.served_bytes += count

    # Questions.

    def holders(self, key: GameKey) -> Mapping[PeerId, GameSummary]:
        """What each connected peer that has the game says of it."""
        return self._by_game.get(key, {})

    def sources(self, key: GameKey, content_id: ContentId) -> frozenset[PeerId]:
        """The connected peers that offer this content."""
        return frozenset(
            peer for peer, game in self.holders(key).items() if game.content_id == content_id
        )

    def partial_sources(self, content_id: ContentId) -> frozenset[PeerId]:
        """The connected peers that download this content now; some may have all of it too."""
        return self._partial.of(content_id)

    def game_keys(self) -> frozenset[GameKey]:
        """The games that any connected peer has."""
        return frozenset(self._by_game)

    def addresses(self, peer_id: PeerId) -> tuple[Address, ...]:
        """Where the peer may be reached, best first."""
        peer = self._peers.get(peer_id)
        return tuple(peer.addresses) if peer else ()

    def hinted_addresses(self, peer_id: PeerId) -> frozenset[Address]:
        """Those of its addresses that only other peers told of."""
        peer = self._peers.get(peer_id)
        known = peer.addresses if peer else {}
        return frozenset(one for one, trust in known.items() if trust is _Trust.HINTED)

    def is_connected(self, peer_id: PeerId) -> bool:
        peer = self._peers.get(peer_id)
        return peer is not None and peer.is_connected

    def name(self, peer_id: PeerId) -> str:
        """The name a peer gives itself, or empty."""
        peer = self._peers.get(peer_id)
        return peer.name if peer else ""

    @property
    def connected_count(self) -> int:
        return sum(peer.is_connected for peer in self._peers.values())

    def connected_addresses(self) -> Mapping[PeerId, Address]:
        """The address in use of each connected peer."""
        return {
            peer.id: peer.address
            for peer in self._peers.values()
            if peer.is_connected and peer.address is not None
        }

    def status(self, peer_id: PeerId) -> PeerStatus | None:
        """What a front end is shown of the peer, or None when it is not known."""
        peer = self._peers.get(peer_id)
        return _status_of(peer) if peer else None

    def statuses(self) -> list[PeerStatus]:
        """All known peers in order of their ids."""
        return [_status_of(peer) for _, peer in sorted(self._peers.items())]

    def _make_room(self, *, is_hint: bool) -> bool:
        if len(self._peers) < MAX_KNOWN_PEERS:
            return True
        oldest = next(iter(self._hinted), None)
        if oldest is None and not is_hint:
            gone = [peer for peer in self._peers.values() if not peer.is_connected]
            oldest = min(gone, key=lambda peer: peer.seen_at).id if gone else None
        if oldest is None:
            return False
        self._forget(oldest)
        return True

    def _forget(self, peer_id: PeerId) -> None:
        del self._peers[peer_id]
        self._hinted.pop(peer_id, None)
        self._on_forgotten(peer_id)

    def _note_hint(self, peer_id: PeerId, *, is_hint: bool, is_new: bool) -> None:
        was_hinted = peer_id in self._hinted
        self._hinted.pop(peer_id, None)
        if is_hint and (is_new or was_hinted):
            self._hinted[peer_id] = None

    def _set_library(self, peer: _Peer, library: dict[GameKey, GameSummary]) -> frozenset[GameKey]:
        changed = self._index_library(peer, library)
        while self._lines > MAX_KNOWN_GAME_LINES:
            # The largest gives way, so that no number of made-up games hides those of a peer that
            # lists no more than its share.
            largest = max(self._peers.values(), key=lambda each: len(each.library))
            share = MAX_KNOWN_GAME_LINES // self.connected_count
            kept = dict(islice(largest.library.items(), share))
            changed |= self._index_library(largest, kept)
        return changed

    def _index_library(
        self, peer: _Peer, library: dict[GameKey, GameSummary]
    ) -> frozenset[GameKey]:
        old, peer.library = peer.library, library
        self._lines += len(library) - len(old)
        changed = {key for key in old.keys() | library.keys() if old.get(key) != library.get(key)}
        for key in changed:
            if key in library:
                self._by_game[key][peer.id] = library[key]
                continue
            del self._by_game[key][peer.id]
            if not self._by_game[key]:
                del self._by_game[key]
        return frozenset(changed)


def _trust_in(sighting: Sighting) -> _Trust:
    if sighting.told_by is not None:
        return _Trust.HINTED
    return _Trust.PROVED if sighting.origin == "dialled" else _Trust.SEEN


def _add_addresses(peer: _Peer, addresses: Iterable[Address], trust: _Trust) -> None:
    known = peer.addresses
    added = {address: min(trust, known.get(address, trust)) for address in addresses}
    # What is known already keeps its place, unless more speaks for it now.
    fresh = {one: rank for one, rank in added.items() if known.get(one) != rank}
    newest_first = fresh | {one: rank for one, rank in known.items() if one not in fresh}
    in_use_first = sorted(newest_first, key=lambda one: (newest_first[one], one != peer.address))
    hinted = [one for one in in_use_first if newest_first[one] is _Trust.HINTED]
    cut = frozenset(hinted[MAX_HINTED_ADDRESSES_PER_PEER:])
    kept = [one for one in in_use_first if one not in cut][:MAX_ADDRESSES_PER_PEER]
    peer.addresses = {one: newest_first[one] for one in kept}


def _status_of(peer: _Peer) -> PeerStatus:
    return PeerStatus(
        id=peer.id,
        name=peer.name,
        state=peer.state,
        address=peer.address or next(iter(peer.addresses), None),
        transport="quic" if peer.is_connected else "",
        rtt_s=peer.rtt_s if peer.is_connected else None,
        games=len(peer.library),
        library_bytes=sum(game.bytes for game in peer.library.values()),
        served_bytes=peer.served_bytes,
        refusal=peer.refusal,
    )
