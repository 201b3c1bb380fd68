"""A link: what the tasks around one peer share."""

import asyncio
from dataclasses import dataclass, field

from lanspread_peer.core.connection_choice import ConnectionChoice
from lanspread_peer.core.dial_policy import DialPolicy
from lanspread_peer.core.dial_queue import DialRank, Wish
from lanspread_peer.model.ids import InstanceId, PeerId
from lanspread_peer.model.peer import Address, Sighting
from lanspread_peer.runtime.clock import monotonic_s
from lanspread_peer.transport.base import Connection
from lanspread_peer.wire import messages


@dataclass(frozen=True, slots=True, eq=False)
class Proven:
    """A connection whose other end proved its id, and what it said of itself.

    `address` is where the peer can be dialled, None when it says that nobody can.
    """

    connection: Connection
    dialled: bool
    instance: InstanceId
    name: str
    library_digest: str
    address: Address | None
    features: frozenset[str]
    bulk_port: int

    @classmethod
    def by_answer(cls, connection: Connection, ack: messages.HelloAck) -> "Proven":
        """One that we dialled."""
        return cls._of(connection, ack, dialled=True, address=connection.address)

    @classmethod
    def by_call(
        cls, connection: Connection, hello: messages.Hello, address: Address | None
    ) -> "Proven":
        """One that the peer dialled."""
        return cls._of(connection, hello, dialled=False, address=address)

    @classmethod
    def _of(
        cls,
        connection: Connection,
        word: messages.Hello | messages.HelloAck,
        *,
        dialled: bool,
        address: Address | None,
    ) -> "Proven":
        return cls(
            connection=connection,
            dialled=dialled,
            instance=InstanceId(word.instance),
            name=word.name,
            library_digest=word.library_digest,
            address=address,
            features=frozenset(word.features),
            bulk_port=word.bulk_port,
        )

    @property
    def bulk_address(self) -> Address | None:
        """Where its bulk port is, if it has one."""
        return Address(self.connection.address.host, self.bulk_port) if self.bulk_port else None


@dataclass(slots=True)
class Link:
    """One peer and the connections to it, if any.

    `woken` tells whoever waits on the link to look again; `greeted` is set while there is a
    connection; `linked` while the peer counts as connected, else `lost`. `offered_digest` is that
    of a library which is not fetched yet. `told_by` is the only peer that knows of this one, if
    nobody else does. `keeper` is the task that dials the peer and follows it. `greeting` are
    the connections that we dialled and that are not greeted yet.
    """

    peer_id: PeerId
    policy: DialPolicy
    choice: ConnectionChoice[Proven]
    told_by: PeerId | None
    heard_at: float = 0.0
    keeper: asyncio.Task[None] | None = None
    offered_digest: str | None = None
    greeting: set[Connection] = field(default_factory=set)
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    greeted: asyncio.Event = field(default_factory=asyncio.Event)
    linked: asyncio.Event = field(default_factory=asyncio.Event)
    lost: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def connection(self) -> Connection | None:
        """The one to ask the peer on, or None."""
        return self.choice.current.connection if self.choice.current else None

    @property
    def wish(self) -> Wish:
        """How urgent it is to dial the peer."""
        rank = DialRank.SEEN if self.told_by is None else DialRank.HINTED
        return Wish(rank, self.told_by, self.policy.failures)

    def sighted(self, sighting: Sighting) -> None:
        """The peer was seen again: dial it at once.

        Not for what costs others nothing to repeat: a hint, or a call that may end at once.
        """
        if sighting.told_by is not None:
            return
        self.told_by = None
        if sighting.origin != "hello":
            self.policy.sighted()
            self.woken.set()

    def proven(self, proven: Proven) -> None:
        """There is a connection; older ones that it replaces end."""
        for over in self.choice.proven(proven, dialled=proven.dialled, instance=proven.instance):
            over.connection.close("another connection took its place")
        self.heard()
        self.greeted.set()
        self.woken.set()

    def ended(self, proven: Proven) -> None:
        """A connection is over."""
        self.choice.ended(proven)
        if self.choice.current is None:
            self.greeted.clear()
        self.woken.set()

    def close(self, detail: str) -> None:
        """End all connections to the peer, greeted or not."""
        for connection in (*self.greeting, *(proven.connection for proven in self.choice.all)):
            connection.close(detail)

    async def sleep(self, seconds: float) -> None:
        """Waits so long, or until it is woken."""
        self.woken.clear()
        try:
            async with asyncio.timeout(seconds):
                await self.woken.wait()
        except TimeoutError:
            return

    def heard(self) -> None:
        """A message came from the peer."""
        self.heard_at = monotonic_s()

    def library_hint(self, digest: str) -> None:
        """The peer's library has this digest now, so it says."""
        self.offered_digest = digest
        self.woken.set()
