"""Links: one dialled connection to every peer that was seen, kept up as long as it answers.

A link dials, greets, learns the library, and then follows the peer until it is lost; then it
dials again, slower each time, until the peer is seen again or given up. Only what a dialled
connection proved enters the peer database as connected.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from random import Random

import structlog

from lanspread_peer.core.dial_policy import DialPolicy
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
from lanspread_peer.model.limits import MAX_DIALS_AT_ONCE, REQUEST_TIMEOUT_S
from lanspread_peer.model.peer import Address, Sighting
from lanspread_peer.runtime.clock import monotonic_s
from lanspread_peer.runtime.link import Link
from lanspread_peer.runtime.logs import LogOnce
from lanspread_peer.runtime.ping_service import follow
from lanspread_peer.runtime.requests import ask
from lanspread_peer.runtime.tasks import TaskSet
from lanspread_peer.runtime.warn_once import WarnOnce
from lanspread_peer.transport.base import Connection, Transport
from lanspread_peer.wire import messages

_log = structlog.get_logger(__name__)

_GOODBYE_TIMEOUT_S = 0.5


class PeerLinks:
    """All links of one sidecar."""

    def __init__(
        self,
        *,
        own_id: PeerId,
        transport: Transport,
        peers: PeerDb,
        hello: Callable[[PeerId, bytes], messages.Hello],
        emit: Callable[[Event], None],
        warnings: WarnOnce,
        on_titles: Callable[[frozenset[GameKey]], None],
        on_hints: Callable[[messages.Peers], None],
        rng: Random,
    ) -> None:
        self._own_id = own_id
        self._transport = transport
        self._peers = peers
        self._hello = hello
        self._emit = emit
        self._warnings = warnings
        self._on_titles = on_titles
        self._on_hints = on_hints
        self._rng = rng
        self._tasks = TaskSet()
        self._links: dict[PeerId, Link] = {}
        self._dial_slots = asyncio.Semaphore(MAX_DIALS_AT_ONCE)
        self._said = LogOnce()

    def sighted(self, peer_id: PeerId, sighting: Sighting) -> None:
        """Dial this peer at these addresses, unless it is linked already."""
        if peer_id != self._own_id and sighting.addresses:
            self._take(peer_id, sighting, None)

    def _take(self, peer_id: PeerId, sighting: Sighting, connection: Connection | None) -> None:
        is_new = self._peers.sighted(peer_id, sighting, now=monotonic_s())
        status = self._peers.status(peer_id)
        if status is None:
            if connection is not None:
                connection.close("too many peers")
            return
        if is_new:
            self._emit(PeerDiscovered(status))
        if link := self._links.get(peer_id):
            link.policy.sighted()
            link.woken.set()
        else:
            self._begin(peer_id, connection)

    async def dial(self, addresses: Iterable[Address]) -> PeerId:
        """Link whoever answers at one of these addresses; its id once it is greeted.

        Raises PeerUnreachable when nobody does, or when it is this sidecar itself.
        """
        connection = await self._first_answer(addresses, None)
        if connection is None or connection.peer_id is None:
            raise errors.PeerUnreachable("no sidecar answered there")
        peer_id = connection.peer_id
        if peer_id == self._own_id:
            connection.close("own address")
            raise errors.PeerUnreachable("this is the address of this sidecar itself")
        sighting = Sighting((connection.address,), "dialled", peer_id)
        if peer_id in self._links:
            connection.close("linked already")
            self.sighted(peer_id, sighting)
        else:
            self._take(peer_id, sighting, connection)
        await self._wait_greeted(peer_id)
        return peer_id

    async def wait_lost(self, peer_id: PeerId) -> None:
        """Waits until a linked peer is lost; returns at once when it is not linked."""
        link = self._links.get(peer_id)
        if link is not None and link.connection is not None:
            await link.lost.wait()

    def connection(self, peer_id: PeerId) -> Connection | None:
        """The live connection to a peer, or None."""
        link = self._links.get(peer_id)
        return link.connection if link else None

    def heard(self, peer_id: PeerId) -> None:
        """Bytes came from a peer, so it need not be pinged."""
        if link := self._links.get(peer_id):
            link.heard()

    def library_hint(self, peer_id: PeerId, digest: str) -> None:
        """Somebody says that this peer's library changed; ask the peer itself."""
        link = self._links.get(peer_id)
        if link is not None and digest != self._peers.library_digest(peer_id):
            link.library_hint(digest)

    def push_digest(self, digest: str) -> None:
        """Tell all linked peers that our library changed."""
        for link in self._links.values():
            if link.connection is not None:
                self._tasks.spawn("push digest", self._push(link.connection, digest))

    async def close(self) -> None:
        """Say goodbye to all and end all links."""
        live = [link.connection for link in self._links.values() if link.connection]
        await asyncio.gather(*(self._say_goodbye(connection) for connection in live))
        await self._tasks.close()
        for connection in live:
            connection.close("goodbye")

    async def _wait_greeted(self, peer_id: PeerId) -> None:
        link = self._links.get(peer_id)
        if link is None:
            raise errors.PeerUnreachable("too many peers are known")
        try:
            async with asyncio.timeout(REQUEST_TIMEOUT_S):
                await link.greeted.wait()
        except TimeoutError as error:
            raise errors.PeerUnreachable("the sidecar there did not greet") from error

    def _begin(self, peer_id: PeerId, connection: Connection | None) -> None:
        link = self._links[peer_id] = Link(peer_id, DialPolicy(self._rng))
        self._tasks.spawn(f"link {peer_id[:8]}", self._keep_linked(link, connection))

    async def _keep_linked(self, link: Link, connection: Connection | None) -> None:
        try:
            # One that was forgotten for another peer is dialled no more.
            while not link.policy.gives_up and self._peers.status(link.peer_id) is not None:
                connection = connection or await self._dial(link.peer_id)
                if connection is not None:
                    await self._hold(link, connection)
                    connection = None
                await _sleep_unless_woken(link.woken, link.policy.failed())
        finally:
            del self._links[link.peer_id]

    async def _dial(self, peer_id: PeerId) -> Connection | None:
        async with self._dial_slots:
            return await self._first_answer(self._peers.addresses(peer_id), peer_id)

    async def _first_answer(
        self, addresses: Iterable[Address], expected: PeerId | None
    ) -> Connection | None:
        """The first connection that one of the addresses gives, dialled in parallel, or None."""
        dials = [
            asyncio.ensure_future(self._transport.dial(address, expected)) for address in addresses
        ]
        winner: Connection | None = None
        try:
            for dial in asyncio.as_completed(dials):
                try:
                    winner = await dial
                    break
                except errors.LanspreadError as error:
                    if self._said.first_time(expected, error.reason):
                        _log.info("dial failed", peer=expected, detail=error.message)
        finally:
            await _close_others(dials, winner)
        return winner

    async def _hold(self, link: Link, connection: Connection) -> None:
        """Greet, then follow until the connection ends."""
        asked_at = monotonic_s()
        try:
            ack = await self._greet(link.peer_id, connection)
        except errors.LanspreadError as error:
            if self._said.first_time(link.peer_id, error.reason):
                _log.warning("greeting failed", peer=link.peer_id, detail=error.message)
            connection.close("greeting failed")
            return
        link.policy.succeeded()
        now = monotonic_s()
        self._peers.answered(link.peer_id, rtt_s=now - asked_at, now=now)
        self._connected(link, connection, ack)
        detail = "it stopped answering"
        try:
            detail = await follow(link, connection, self._peers, self._on_titles, self._on_hints)
        finally:
            connection.close("link ended")
            self._lost(link, detail)

    async def _greet(self, peer_id: PeerId, connection: Connection) -> messages.HelloAck:
        answer = await ask(connection, messages.Challenge(), messages.Nonce)
        hello = self._hello(peer_id, bytes.fromhex(answer.nonce))
        ack = await ask(connection, hello, messages.HelloAck)
        if ack.peer_id != peer_id:
            raise errors.IdentityMismatch(f"the peer calls itself {ack.peer_id}")
        if not messages.is_common_version(ack):
            self._warnings.other_version(peer_id, ack.proto_min, ack.proto_max)
            raise errors.Unsupported(f"it speaks protocol {ack.proto_min} to {ack.proto_max}")
        return ack

    def _connected(self, link: Link, connection: Connection, ack: messages.HelloAck) -> None:
        link.connection = connection
        link.greeted.set()
        link.lost.clear()
        link.heard()
        link.offered_digest = ack.library_digest
        self._peers.connected(
            link.peer_id, InstanceId(ack.instance), ack.name, connection.address, now=monotonic_s()
        )
        status = self._peers.status(link.peer_id)
        assert status is not None
        self._emit(PeerConnected(status))
        self._emit(PeerCountUpdated(self._peers.connected_count))

    def _lost(self, link: Link, detail: str) -> None:
        link.connection = None
        link.greeted.clear()
        link.lost.set()
        name = self._peers.name(link.peer_id)
        changed = self._peers.lost(link.peer_id, now=monotonic_s())
        self._emit(PeerLost(link.peer_id, name, detail))
        self._emit(PeerCountUpdated(self._peers.connected_count))
        self._on_titles(changed)

    async def _push(self, connection: Connection, digest: str) -> None:
        try:
            await ask(connection, messages.Ping(library_digest=digest), messages.Pong)
        except errors.LanspreadError:
            # The next ping tells the peer as well, and finds out whether it lives.
            return

    async def _say_goodbye(self, connection: Connection) -> None:
        try:
            await ask(connection, messages.Goodbye(), messages.Bye, timeout_s=_GOODBYE_TIMEOUT_S)
        except errors.LanspreadError:
            return


async def _sleep_unless_woken(woken: asyncio.Event, seconds: float) -> None:
    woken.clear()
    try:
        async with asyncio.timeout(seconds):
            await woken.wait()
    except TimeoutError:
        return


async def _close_others(
    dials: Sequence[asyncio.Future[Connection]], winner: Connection | None
) -> None:
    for dial in dials:
        dial.cancel()
    for result in await asyncio.gather(*dials, return_exceptions=True):
        if not isinstance(result, BaseException) and result is not winner:
            result.close("another address answered first")
