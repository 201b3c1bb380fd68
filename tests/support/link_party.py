"""The links of one sidecar on a transport that nobody answers, and connections by hand."""

import asyncio
from random import Random

from lanspread_peer.core.peer_db import PeerDb
from lanspread_peer.model.errors import ConnectionLost, NotAMember
from lanspread_peer.model.events import Event
from lanspread_peer.model.ids import PeerId
from lanspread_peer.model.peer import Address
from lanspread_peer.runtime.peer_links import PeerLinks
from lanspread_peer.runtime.refusals import Refusals
from lanspread_peer.runtime.warn_once import WarnOnce
from lanspread_peer.transport.base import Connection, Stream
from lanspread_peer.wire import messages
from support.values import address, instance_id, peer_id

OWN_ID = peer_id(0)


class SilentTransport:
    """Every dial waits until it is given up, but for those that a test answers."""

    port = 1

    def __init__(self) -> None:
        self.dialled: list[Address] = []
        self.running: list[Address] = []
        self.most_at_once = 0
        self.answers: dict[Address, Connection] = {}

    async def dial(self, address: Address, expected: PeerId | None) -> Connection:  # noqa: ARG002 - as the protocol has it
        self.dialled.append(address)
        self.running.append(address)
        self.most_at_once = max(self.most_at_once, len(self.running))
        try:
            if address not in self.answers:
                await asyncio.Event().wait()
        finally:
            self.running.remove(address)
        return self.answers[address]

    async def close(self) -> None:
        return


class HandmadeConnection:
    """A connection that carries nothing, and ends when a test says so."""

    is_idle = True

    def __init__(self, number: int) -> None:
        self.peer_id: PeerId | None = peer_id(number)
        self.address = address(number)
        self._ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    @property
    def is_closed(self) -> bool:
        return self._ended.done()

    def identify(self, peer_id: PeerId) -> None:
        self.peer_id = peer_id

    def offended(self, detail: str) -> None:
        raise AssertionError(detail)

    def open_stream(self) -> Stream:
        raise ConnectionLost("it carries nothing")

    async def wait_closed(self) -> str:
        return await asyncio.shield(self._ended)

    def close(self, detail: str = "") -> None:
        if not self._ended.done():
            self._ended.set_result(detail)


class LinkParty:
    """Links, what they stand on, and what they said."""

    def __init__(self) -> None:
        self.transport = SilentTransport()
        self.peers = PeerDb()
        self.events: list[Event] = []
        self.left_out: set[PeerId] = set()
        warnings = WarnOnce(self.events.append)
        self.links = PeerLinks(
            own_id=OWN_ID,
            own_instance=instance_id(0),
            transport=self.transport,
            is_blocked=lambda _peer: False,
            why_not=lambda peer: NotAMember("left out") if peer in self.left_out else None,
            peers=self.peers,
            hello=_no_hello,
            emit=self.events.append,
            warnings=warnings,
            refusals=Refusals(self.peers, warnings),
            on_titles=lambda _keys: None,
            on_hints=lambda _peer, _hints: None,
            rng=Random(1),
        )
        self.peers.watch_forgotten(self.links.forgotten)

    async def settle(self) -> None:
        """Let all that can run now do so."""
        for _ in range(10):
            await asyncio.sleep(0)


def hello_of(number: int, instance: int) -> messages.Hello:
    """What the peer with this number says in a Hello that is proven already."""
    return messages.Hello(
        peer_id=peer_id(number),
        instance=instance_id(instance),
        name="p",
        proto_min=1,
        proto_max=1,
        listen_port=0,
        certificate_chain=["00"],
        signature="00",
        library_digest="",
    )


def _no_hello(_server: PeerId, _nonce: bytes) -> messages.Hello:
    raise AssertionError
