"""The neighbourhood: finding the other sidecars, and being found.

Owns the transport, the discovery loop, and the links. Every hint, be it from mDNS, a caller's
Hello or a peer's list of peers, becomes a sighting here, cut down to addresses worth a dial.
"""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from itertools import islice
from random import SystemRandom

from lanspread_peer.core.address_policy import dialable
from lanspread_peer.core.offences import Offences
from lanspread_peer.core.peer_db import PeerDb
from lanspread_peer.discovery.addresses import listen_addresses
from lanspread_peer.discovery.mdns import MdnsDiscovery
from lanspread_peer.model.errors import InvalidField, NotAMember, PeerNotFound, PeerUnreachable
from lanspread_peer.model.events import Event, PeerRemoved, PeerUpdated, Warned
from lanspread_peer.model.ids import GameKey, InstanceId, PeerId, parse_peer_id
from lanspread_peer.model.limits import MAX_PEER_HINTS
from lanspread_peer.model.peer import Address, PeerStatus, Sighting, is_loopback, split_host_port
from lanspread_peer.runtime.block_list import BlockList
from lanspread_peer.runtime.callers import Callers
from lanspread_peer.runtime.clock import monotonic_s
from lanspread_peer.runtime.identity import QUIC, TLS, Identity
from lanspread_peer.runtime.peer_links import PeerLinks
from lanspread_peer.runtime.pinned_peers import PinnedPeers
from lanspread_peer.runtime.refusals import Refusals
from lanspread_peer.runtime.renewals import Renewals
from lanspread_peer.runtime.tasks import TaskSet
from lanspread_peer.runtime.warn_once import WarnOnce
from lanspread_peer.transport.base import Connection, StreamHandler
from lanspread_peer.transport.quic_endpoint import QuicTransport
from lanspread_peer.wire import messages
from lanspread_peer.wire.announcement import Announcement

# A library that changes goes on changing for a moment; peers hear of it once.
_PUSH_DELAY_S = 0.5
# What goes together with it is there by then.
_SOON_S = 0.02
_UPKEEP_INTERVAL_S = 60.0


@dataclass(frozen=True, slots=True)
class Reach:
    """How the sidecar is reached: see Settings for the meaning of each."""

    bind: str
    port: int | None
    peers: tuple[str, ...]
    mdns: bool


class Neighbourhood:
    """Everything about other sidecars but what is said to them about games."""

    def __init__(
        self,
        *,
        identity: Identity,
        reach: Reach,
        peers: PeerDb,
        blocked: BlockList,
        library_digest: Callable[[], str],
        emit: Callable[[Event], None],
        on_titles: Callable[[frozenset[GameKey]], None],
    ) -> None:
        self._identity = identity
        self._reach = reach
        self._peers = peers
        self._blocked = blocked
        self._library_digest = library_digest
        self._emit = emit
        self._on_titles = on_titles
        self._rng = SystemRandom()
        self._tasks = TaskSet()
        self.warnings = WarnOnce(emit)
        self.refusals = Refusals(peers, self.warnings)
        self._renewals = Renewals(identity.credentials.certificate)
        # 0 as long as, or if, no bulk transport listens.
        self.bulk_port = 0
        self._callers: Callers[Connection] = Callers(
            identity,
            self.own_ack,
            self._on_proven,
            self.warnings,
            self.refusals,
            transport=QUIC,
        )
        self._push_timer: asyncio.TimerHandle | None = None
        self._mdns: MdnsDiscovery | None = None

    def listen(self, on_stream: StreamHandler, offences: Offences) -> None:
        """Answer callers from now on; raises CannotBind or InvalidField."""
        for address in self._reach.peers:
            split_host_port(address, "peer")
        self._transport = QuicTransport.open(
            bind=self._reach.bind,
            port=self._reach.port,
            credentials=self._identity.credentials,
            on_stream=on_stream,
            on_connection=self._callers.expect_hello,
            offences=offences,
        )
        self._own = frozenset(listen_addresses(self._reach.bind, self._transport.port))
        self.links = PeerLinks(
            own_id=self._identity.peer_id,
            own_instance=self._identity.instance,
            transport=self._transport,
            is_blocked=self._blocked.__contains__,
            why_not=self._identity.credentials.why_not,
            peers=self._peers,
            hello=self._own_hello,
            emit=self._emit,
            warnings=self.warnings,
            refusals=self.refusals,
            on_titles=self._on_titles,
            on_hints=self._take_hints,
            rng=self._rng,
        )
        self._peers.watch_forgotten(self._forgotten)
        self._pinned = PinnedPeers(self.links, self._emit, self._rng)

    async def look_for_others(self) -> None:
        """Begin to announce, to browse, and to dial."""
        self._pinned.pin(self._reach.peers)
        self._tasks.spawn("keep up to date", self._keep_up_to_date())
        if self._reach.mdns:
            await self._open_mdns()

    async def close(self) -> None:
        """Say goodbye, and stop listening."""
        if self._push_timer is not None:
            self._push_timer.cancel()
        if self._mdns is not None:
            await self._mdns.close()
        await self._tasks.close()
        await self._pinned.close()
        await self.links.close()
        await self._transport.close()

    @property
    def addresses(self) -> tuple[Address, ...]:
        """Where this sidecar can be reached."""
        return tuple(sorted(self._own))

    async def add_peer(self, address: str) -> PeerStatus:
        """Link the peer at an address that a person typed; raises InvalidField, PeerUnreachable."""
        peer_id = await self._pinned.add(address)
        status = self._peers.status(peer_id)
        if status is None:
            raise PeerUnreachable("the peer was lost again", address=address)
        return status

    async def block(self, peer_id: PeerId) -> PeerStatus:
        """Have nothing to do with this peer from now on, also after a restart.

        Raises InvalidField for our own id, TooManyBlocked, or StorageError.
        """
        if peer_id == self._identity.peer_id:
            raise InvalidField("peer_id", "the id of another sidecar")
        await self._blocked.add(peer_id)
        await self.links.drop(peer_id, "blocked")
        return self._tell_updated(peer_id)

    async def unblock(self, peer_id: PeerId) -> PeerStatus:
        """Undo `block`, and dial the peer where it was seen last; raises StorageError."""
        await self._blocked.remove(peer_id)
        self.links.sighted(peer_id, Sighting(self._peers.addresses(peer_id), "known", peer_id))
        return self._tell_updated(peer_id)

    async def remove(self, peer_id: PeerId) -> None:
        """Forget a peer, until it calls or is seen again; raises PeerNotFound."""
        if self._peers.status(peer_id) is None:
            raise PeerNotFound(f"no peer {peer_id!r} was seen", peer_id=peer_id)
        self._pinned.unpin(peer_id)
        await self.links.drop(peer_id, "removed")
        self._peers.forget(peer_id)

    @property
    def connection_count(self) -> int:
        """QUIC connections that others or we have opened."""
        return self._transport.connection_count

    @property
    def refused_callers(self) -> int:
        """How many were sent away."""
        return self._callers.refused_count

    async def send_away(self, peer_id: PeerId, error: NotAMember) -> None:
        """A party does not let this peer in any more; returns once it is lost."""
        try:
            await self.links.drop(peer_id, error.reason)
        finally:
            # Also when the caller waits no longer for the loss.
            self.refusals.refused(error)

    async def renew(self) -> None:
        """Show a party's new certificate to those who are linked and have not seen it."""
        certificate = self._identity.credentials.certificate
        await self._renewals.show(certificate, self.links.live.values(), self.links.greeter)

    @property
    def blocked(self) -> frozenset[PeerId]:
        """The peers that are blocked."""
        return self._blocked.peers

    def statuses(self) -> list[PeerStatus]:
        """All peers that are known or blocked, in order of their ids."""
        known = {status.id for status in self._peers.statuses()}
        return [self._status(peer_id) for peer_id in sorted(known | self.blocked)]

    def _status(self, peer_id: PeerId) -> PeerStatus:
        status = self._peers.status(peer_id) or PeerStatus.unseen(peer_id)
        return replace(status, blocked=peer_id in self._blocked)

    def _tell_updated(self, peer_id: PeerId) -> PeerStatus:
        status = self._status(peer_id)
        is_listed = status.blocked or self._peers.status(peer_id) is not None
        self._emit(PeerUpdated(status) if is_listed else PeerRemoved(peer_id))
        return status

    def _forgotten(self, peer_id: PeerId) -> None:
        self.links.forgotten(peer_id)
        self._tell_updated(peer_id)

    def library_changed(self) -> None:
        """Tell all linked peers soon that our library changed."""
        if self._push_timer is None:
            self._push_in(_PUSH_DELAY_S)

    def downloading_changed(self) -> None:
        """Tell all linked peers at once what we download, as they may begin with the same."""
        self._push_in(_SOON_S)

    def _push_in(self, delay_s: float) -> None:
        if self._push_timer is not None:
            self._push_timer.cancel()
        self._push_timer = asyncio.get_running_loop().call_later(delay_s, self._push)

    # What is said to and by those who ask, as peer_server.Askers wants it.

    def challenge(self, connection: Connection) -> messages.Nonce:
        """What a caller must sign; raises Refused."""
        return self._callers.challenge(connection)

    async def greet(self, connection: Connection, hello: messages.Hello) -> messages.HelloAck:
        """Who we are, for a caller that proved who it is; raises Refused or IdentityMismatch."""
        return await self._callers.greet(connection, hello)

    def on_library_hint(self, peer_id: PeerId, digest: str) -> None:
        """A peer says that its library changed."""
        self.links.library_hint(peer_id, digest)

    def heard(self, peer_id: PeerId) -> None:
        """A peer asked something, so it lives."""
        self.links.heard(peer_id)

    def known_peers(self) -> messages.Peers:
        """The peers we are connected to, for those who ask."""
        known = islice(self._peers.connected_addresses().items(), MAX_PEER_HINTS)
        return messages.Peers(
            peers=[
                messages.PeerHint(peer_id=peer, host=address.host, port=address.port)
                for peer, address in known
            ]
        )

    async def _on_proven(self, connection: Connection, hello: messages.Hello) -> None:
        peer_id = parse_peer_id(hello.peer_id)
        announced = [Address(connection.address.host, hello.listen_port)]
        allowed = self._dialable(announced if hello.listen_port else [], allow_public=True)
        sighting = Sighting(allowed, "hello", peer_id, InstanceId(hello.instance))
        await self.links.accepted(peer_id, connection, hello, sighting)
        if peer_id == self._identity.peer_id:
            self._callers.send_away(connection, "own peer id")

    @property
    def port(self) -> int:
        """The port that others dial."""
        return self._transport.port

    def own_ack(self) -> messages.HelloAck:
        """Who we are, for a caller."""
        return self._identity.hello_ack(self.port, self._library_digest(), self.bulk_port)

    def own_bulk_hello(
        self, server: PeerId, nonce: bytes, *, dials_back: bool = False
    ) -> messages.Hello:
        """Who we are, with the proof for a bulk connection."""
        return self._hello(server, nonce, TLS, dials_back=dials_back)

    def bulk_address(self, peer_id: PeerId) -> Address | None:
        """Where the bulk port of a linked peer is, if that is worth a dial."""
        said = self.links.current(peer_id)
        announced = said.bulk_address if said is not None else None
        allowed = self._dialable([announced] if announced else [], allow_public=True)
        return next(iter(allowed), None)

    def _own_hello(self, server: PeerId, nonce: bytes) -> messages.Hello:
        return self._hello(server, nonce, QUIC)

    def _hello(
        self, server: PeerId, nonce: bytes, transport: str, *, dials_back: bool = False
    ) -> messages.Hello:
        return self._identity.hello(
            server=server,
            nonce=nonce,
            listen_port=self.port,
            library_digest=self._library_digest(),
            bulk_port=self.bulk_port,
            transport=transport,
            dials_back=dials_back,
        )

    async def _open_mdns(self) -> None:
        announcement = Announcement(
            self._identity.peer_id,
            self._identity.instance,
            messages.PROTOCOL_VERSION,
            self._transport.port,
        )
        self._mdns = MdnsDiscovery(
            announcement,
            bind=self._reach.bind,
            on_sighting=self._on_sighting,
            on_goodbye=lambda _peer, _instance: None,
            on_trouble=lambda detail: self._emit(Warned("MDNS_TROUBLE", detail)),
        )
        await self._mdns.start()

    def _on_sighting(self, sighting: Sighting) -> None:
        self._sighted(sighting, allow_public=True)

    def _take_hints(self, told_by: PeerId, answer: messages.Peers) -> None:
        for hint in answer.peers[:MAX_PEER_HINTS]:
            if "%" in hint.host:
                # The name of an interface means nothing on another machine.
                continue
            address = Address(hint.host, hint.port)
            peer_id = parse_peer_id(hint.peer_id)
            self._sighted(
                Sighting((address,), "peer", peer_id, told_by=told_by), allow_public=False
            )

    def _sighted(self, sighting: Sighting, *, allow_public: bool) -> None:
        allowed = self._dialable(sighting.addresses, allow_public=allow_public)
        if allowed and sighting.peer_id is not None:
            self.links.sighted(sighting.peer_id, replace(sighting, addresses=allowed))

    def _dialable(self, addresses: Iterable[Address], *, allow_public: bool) -> tuple[Address, ...]:
        return dialable(
            addresses,
            own=self._own,
            allow_loopback=is_loopback(self._reach.bind),
            allow_public=allow_public,
        )

    def _push(self) -> None:
        self._push_timer = None
        self.links.push_digest(self._library_digest())

    async def _keep_up_to_date(self) -> None:
        while True:
            await asyncio.sleep(_UPKEEP_INTERVAL_S)
            self._peers.forget_stale(now=monotonic_s())
            # A cable was plugged in, or the lease of an address ran out.
            found = await asyncio.to_thread(
                listen_addresses, self._reach.bind, self._transport.port
            )
            self._own = frozenset(found)
            self._sight_again()

    def _sight_again(self) -> None:
        """Whoever is announced without a change is not told of again, but may be forgotten here."""
        for sighting in self._mdns.known if self._mdns is not None else ():
            allowed = self._dialable(sighting.addresses, allow_public=True)
            if sighting.peer_id is None or not allowed:
                continue
            if not frozenset(allowed).issubset(self._peers.addresses(sighting.peer_id)):
                self._on_sighting(sighting)
