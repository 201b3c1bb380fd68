"""Links: one for every peer that was seen, kept connected as long as the peer answers.

A link dials unless the peer called first, learns the library, and then follows the peer until it
is lost; then it dials again, slower each time, until the peer is seen again or given up. Only what
a connection proved enters the peer database as connected. Of two connections to one peer, both
ends use and keep the same one (core/connection_choice.py).
"""

import asyncio
from collections.abc import Callable, Iterable
from random import Random

import structlog

from lanspread_peer.core.connection_choice import ConnectionChoice
from lanspread_peer.core.dial_policy import DialPolicy
from lanspread_peer.core.dial_queue import DialRank, Wish
from lanspread_peer.core.peer_db import PeerDb
from lanspread_peer.model import errors
from lanspread_peer.model.events import (
    Event,
    PeerConnected,
    PeerCountUpdated,
    PeerDiscovered,
    PeerLost,
)
from lanspread_peer.model.ids import GameKey, InstanceId, PeerId
from lanspread_peer.model.limits import REQUEST_TIMEOUT_S
from lanspread_peer.model.peer import Address, Sighting
from lanspread_peer.runtime.clock import monotonic_s
from lanspread_peer.runtime.clones import Clones
from lanspread_peer.runtime.dialler import Dialler
from lanspread_peer.runtime.greeting import Greeter, OwnHello
from lanspread_peer.runtime.link import Link, Proven
from lanspread_peer.runtime.logs import LogOnce
from lanspread_peer.runtime.ping_service import follow
from lanspread_peer.runtime.refusals import Refusals
from lanspread_peer.runtime.requests import is_answering
from lanspread_peer.runtime.short_words import push_digest, say_goodbye
from lanspread_peer.runtime.tasks import TaskSet, first_of
from lanspread_peer.runtime.warn_once import WarnOnce
from lanspread_peer.transport.base import Connection, Transport
from lanspread_peer.wire import messages

_log = structlog.get_logger(__name__)

# A peer that connects and leaves in a loop fills the events no faster than this.
_REST_S = 0.25
# By then the other end knows which of two connections is used, too.
_SPARE_CHECK_S = 1.0


class PeerLinks:
    """All links of one sidecar."""

    def __init__(
        self,
        *,
        own_id: PeerId,
        own_instance: InstanceId,
        transport: Transport,
        is_blocked: Callable[[PeerId], bool],
        why_not: Callable[[PeerId], errors.NotAMember | None],
        peers: PeerDb,
        hello: OwnHello,
        emit: Callable[[Event], None],
        warnings: WarnOnce,
        refusals: Refusals,
        on_titles: Callable[[frozenset[GameKey]], None],
        on_hints: Callable[[PeerId, messages.Peers], None],
        rng: Random,
    ) -> None:
        self._own_id = own_id
        self._dialler = Dialler(transport)
        self.greeter = Greeter(hello, warnings)
        self._clones = Clones(own_id, own_instance, self._dialler, self.greeter, warnings)
        self._refusals = refusals
        self._blocked = is_blocked
        self._why_not = why_not
        self._peers = peers
        self._emit = emit
        self._on_titles = on_titles
        self._on_hints = on_hints
        self._rng = rng
        self._tasks = TaskSet()
        self._links: dict[PeerId, Link] = {}
        self._said = LogOnce()

    def sighted(self, peer_id: PeerId, sighting: Sighting) -> None:
        """Dial this peer at these addresses, unless it is linked already."""
        if not sighting.addresses or self.is_blocked(peer_id):
            return
        if peer_id != self._own_id:
            self._link(peer_id, sighting)
        else:
            self._clones.own_id_sighted(sighting)

    async def dial(self, addresses: Iterable[Address]) -> PeerId:
        """Link whoever answers at one of these addresses; its id once it is greeted.

        Raises PeerUnreachable when nobody does, or when it is this sidecar itself.
        """
        try:
            connection = await self._dialler.first_answer(addresses, None, Wish(DialRank.TYPED))
        except errors.NotAMember as error:
            peer_id = self._refusals.refused(error)
            detail = f"the peer there is not let in: {error.reason}"
            raise errors.PeerUnreachable(detail, peer_id=peer_id) from error
        if connection is None or connection.peer_id is None:
            raise errors.PeerUnreachable("no sidecar answered there")
        peer_id = connection.peer_id
        if peer_id == self._own_id:
            await self._clones.own_id_answered(connection)
            raise errors.PeerUnreachable("this is the address of this sidecar itself")
        if self.is_blocked(peer_id):
            connection.close("blocked")
            raise errors.PeerUnreachable("the peer there is blocked", peer_id=peer_id)
        is_linked = peer_id in self._links
        sighting = Sighting((connection.address,), "dialled", peer_id)
        link = self._link(peer_id, sighting, None if is_linked else connection)
        if link is None or is_linked:
            connection.close("linked already" if is_linked else "too many peers")
        await self._wait_linked(link)
        return peer_id

    async def accepted(
        self, peer_id: PeerId, connection: Connection, hello: messages.Hello, sighting: Sighting
    ) -> None:
        """A caller proved its id; raises Refused when there is no room for it, or it is a clone."""
        address = next(iter(sighting.addresses), None)
        proven = Proven.by_call(connection, hello, address)
        if peer_id == self._own_id:
            self._clones.own_id_proven(proven.instance)
            return
        self._require_wanted(peer_id)
        link = self._link(peer_id, sighting)
        if link is None:
            raise errors.Refused("too many peers are known here")
        await self._take(link, proven)

    def dial_again(self) -> None:
        """What kept peers apart may be over: dial at once all that are not connected."""
        for link in self._links.values():
            link.policy.sighted()
            link.woken.set()

    async def wait_lost(self, peer_id: PeerId) -> None:
        """Waits until a linked peer is lost; returns at once when it is not linked."""
        link = self._links.get(peer_id)
        if link is not None and link.linked.is_set():
            await link.lost.wait()

    async def drop(self, peer_id: PeerId, detail: str) -> None:
        """End the connection to a peer; returns once the peer is lost."""
        link = self._links.get(peer_id)
        if link is None:
            return
        link.close(detail)
        link.woken.set()
        await self.wait_lost(peer_id)

    def is_blocked(self, peer_id: PeerId | None) -> bool:
        """Whether a person wants nothing to do with this peer."""
        return peer_id is not None and self._blocked(peer_id)

    def connection(self, peer_id: PeerId) -> Connection | None:
        """The live connection to a peer, or None."""
        link = self._links.get(peer_id)
        return link.connection if link else None

    def current(self, peer_id: PeerId) -> Proven | None:
        """The connection in use and what the peer said on it."""
        return link.choice.current if (link := self._links.get(peer_id)) else None

    def heard(self, peer_id: PeerId) -> None:
        """Bytes came from a peer, so it need not be pinged."""
        if link := self._links.get(peer_id):
            link.heard()

    def library_hint(self, peer_id: PeerId, digest: str) -> None:
        """This peer says that its library changed."""
        link = self._links.get(peer_id)
        if link is not None and digest != self._peers.library_digest(peer_id):
            link.library_hint(digest)

    def push_digest(self, digest: str) -> None:
        """Tell all linked peers that our library changed."""
        for connection in self.live.values():
            self._tasks.spawn("push digest", push_digest(connection, digest))

    async def close(self) -> None:
        """Say goodbye to all and end all links."""
        live = list(self.live.values())
        await asyncio.gather(*(say_goodbye(connection) for connection in live))
        await self._clones.close()
        await self._tasks.close()
        for connection in live:
            connection.close("goodbye")

    @property
    def live(self) -> dict[PeerId, Connection]:
        """The connection in use of each peer that has one."""
        links = self._links.values()
        return {link.peer_id: link.connection for link in links if link.connection}

    @property
    def reached(self) -> frozenset[PeerId]:
        """The peers with a connection, also one that is not greeted yet: they are answered."""
        links = self._links.values()
        return frozenset(link.peer_id for link in links if link.connection or link.greeting)

    def _link(
        self, peer_id: PeerId, sighting: Sighting, dialled: Connection | None = None
    ) -> Link | None:
        """The link to a peer that was seen, a new one if need be; None when too many are known."""
        is_new = self._peers.sighted(peer_id, sighting, now=monotonic_s())
        status = self._peers.status(peer_id)
        if status is None:
            return None
        if is_new:
            self._emit(PeerDiscovered(status))
        if link := self._links.get(peer_id):
            link.sighted(sighting)
            return link
        choice = ConnectionChoice[Proven](self._own_id, peer_id)
        link = Link(peer_id, DialPolicy(self._rng), choice, sighting.told_by)
        self._links[peer_id] = link
        if dialled is not None:
            link.greeting.add(dialled)
        link.keeper = self._tasks.spawn(f"link {peer_id[:8]}", self._keep_linked(link, dialled))
        return link

    def forgotten(self, peer_id: PeerId) -> None:
        """A peer is not known any more: its link, and the dial that may wait, end with that."""
        link = self._links.pop(peer_id, None)
        if link is not None and link.keeper is not None:
            link.keeper.cancel()

    async def _wait_linked(self, link: Link | None) -> None:
        if link is None:
            raise errors.PeerUnreachable("too many peers are known")
        try:
            async with asyncio.timeout(REQUEST_TIMEOUT_S):
                await link.linked.wait()
        except TimeoutError as error:
            raise errors.PeerUnreachable("the sidecar there did not greet") from error

    async def _keep_linked(self, link: Link, dialled: Connection | None) -> None:
        try:
            while self._is_worth_dialling(link):
                await self._connect(link, dialled)
                dialled = None
                if link.choice.current is not None:
                    await self._hold(link)
                    await asyncio.sleep(_REST_S)
                if link.choice.current is None:
                    await link.sleep(link.policy.failed())
        finally:
            if self._links.get(link.peer_id) is link:
                del self._links[link.peer_id]
            link.close("link ended")

    def _is_worth_dialling(self, link: Link) -> bool:
        known = self._peers.status(link.peer_id) is not None
        return known and not link.policy.gives_up and not self.is_blocked(link.peer_id)

    async def _connect(self, link: Link, dialled: Connection | None) -> None:
        """Returns once the peer is greeted, by us or by its own call, or that failed."""
        dialled = dialled or await self._dial_unless_greeted(link)
        if dialled is not None:
            link.greeting.add(dialled)
            greeting = self._tasks.spawn("greeting", self._greet(link, dialled))
            # Its end is not waited for when the peer calls; both ends judge which one stays.
            await first_of(greeting, link.greeted.wait())

    async def _dial_unless_greeted(self, link: Link) -> Connection | None:
        if link.greeted.is_set():
            return None
        addresses = self._peers.addresses(link.peer_id)
        hinted = self._peers.hinted_addresses(link.peer_id)
        dial = asyncio.ensure_future(
            self._dialler.first_answer(addresses, link.peer_id, link.wish, hinted)
        )
        try:
            await first_of(dial, link.greeted.wait())
            return dial.result() if dial.done() else None
        except errors.NotAMember as error:
            self._refusals.refused(error)
            return None
        finally:
            dial.cancel()
            await asyncio.wait({dial})

    async def _greet(self, link: Link, connection: Connection) -> None:
        asked_at = monotonic_s()
        try:
            # Perhaps that has changed while it was dialled.
            self._require_wanted(link.peer_id)
            ack = await self.greeter.greet(connection)
            now = monotonic_s()
            self._peers.answered(link.peer_id, rtt_s=now - asked_at, now=now)
            await self._take(link, Proven.by_answer(connection, ack))
        except errors.LanspreadError as error:
            if isinstance(error, errors.NotAMember):
                self._refusals.refused_by(link.peer_id, error)
            if self._said.first_time(connection.address.host, error.reason):
                _log.warning("greeting failed", peer=link.peer_id, detail=error.message)
            connection.close("greeting failed")
        except asyncio.CancelledError:
            connection.close("ending")
            raise
        finally:
            link.greeting.discard(connection)

    async def _take(self, link: Link, proven: Proven) -> None:
        """Use or keep a connection; raises Refused when another instance of the peer lives."""
        while (older := link.choice.current) is not None and older.instance != proven.instance:
            await self._clones.judge(link.peer_id, older, proven)
            older.connection.close("its peer started again")
            link.ended(older)
        self._require_wanted(link.peer_id)
        if self._links.get(link.peer_id) is not link:
            # It ended while the older instance was asked; nobody would look after the connection.
            raise errors.Refused("the link to this peer ended meanwhile")
        link.proven(proven)
        self._tasks.spawn(f"watch {link.peer_id[:8]}", self._watch(link, proven))
        if link.choice.spare is not None:
            self._tasks.spawn(f"spare {link.peer_id[:8]}", self._end_spare(link))

    def _require_wanted(self, peer_id: PeerId) -> None:
        if self.is_blocked(peer_id):
            raise errors.Refused("this sidecar has blocked the caller")
        if (fault := self._why_not(peer_id)) is not None:
            fault.metadata["peer_id"] = peer_id
            self._refusals.refused(fault)
            raise errors.Refused(f"the party does not let it in any more: {fault.reason}")

    async def _watch(self, link: Link, proven: Proven) -> None:
        await proven.connection.wait_closed()
        link.ended(proven)

    async def _end_spare(self, link: Link) -> None:
        """Close the connection that is not used once nothing runs on it.

        Not before the used one gave an answer: perhaps the peer gave it up and dialled anew.
        """
        while (spare := link.choice.spare) is not None and (used := link.choice.current):
            await asyncio.sleep(_SPARE_CHECK_S)
            if not await is_answering(used.connection):
                used.connection.close("it stopped answering")
            elif link.choice.spare is spare and spare.connection.is_idle:
                spare.connection.close("another connection is used")
                return

    async def _hold(self, link: Link) -> None:
        """Follow one instance of the peer, on whichever connection, until it is lost."""
        proven = link.choice.current
        assert proven is not None
        self._connected(link, proven)
        began = monotonic_s()
        detail = "it stopped answering"
        try:
            while (used := link.choice.current) and used.instance == proven.instance:
                detail = await self._follow(link, used)
        finally:
            link.policy.held(monotonic_s() - began)
            self._lost(link, detail)

    async def _follow(self, link: Link, proven: Proven) -> str:
        def on_hints(answer: messages.Peers) -> None:
            self._on_hints(link.peer_id, answer)

        detail = await follow(link, proven.connection, self._peers, self._on_titles, on_hints)
        if link.choice.current is proven:
            proven.connection.close("link ended")
            link.ended(proven)
        return detail

    def _connected(self, link: Link, proven: Proven) -> None:
        link.lost.clear()
        link.linked.set()
        self._peers.connected(
            link.peer_id, proven.instance, proven.name, proven.address, now=monotonic_s()
        )
        status = self._peers.status(link.peer_id)
        assert status is not None
        self._emit(PeerConnected(status))
        self._emit(PeerCountUpdated(self._peers.connected_count))
        self.library_hint(link.peer_id, proven.library_digest)

    def _lost(self, link: Link, detail: str) -> None:
        link.lost.set()
        link.linked.clear()
        name = self._peers.name(link.peer_id)
        changed = self._peers.lost(link.peer_id, now=monotonic_s())
        self._emit(PeerLost(link.peer_id, name, detail))
        self._emit(PeerCountUpdated(self._peers.connected_count))
        self._on_titles(changed)
