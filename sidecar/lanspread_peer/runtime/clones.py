"""Clones: two sidecars that run with one key, ours or another peer's, each with its own instance.

A copied state folder makes them. Only what a connection proved is reported, once per peer, as
instances are made up easily; of another peer's, the one that was here first stays.
"""

from collections.abc import Iterable

from lanspread_peer.core.dial_queue import DialRank, Wish
from lanspread_peer.core.first_times import FirstTimes, Novelty
from lanspread_peer.model import errors
from lanspread_peer.model.ids import InstanceId, PeerId
from lanspread_peer.model.limits import MAX_KNOWN_PEERS
from lanspread_peer.model.peer import Address, Sighting
from lanspread_peer.runtime.clock import monotonic_s
from lanspread_peer.runtime.dialler import Dialler
from lanspread_peer.runtime.greeting import Greeter
from lanspread_peer.runtime.link import Proven
from lanspread_peer.runtime.requests import is_answering
from lanspread_peer.runtime.tasks import TaskSet
from lanspread_peer.runtime.warn_once import WarnOnce
from lanspread_peer.transport.base import Connection

# A copied state folder makes one or two clones; the rest is made up.
_MAX_VISITS_PER_MINUTE = 6


class Clones:
    """Tells a clone from a restart, and from this sidecar itself."""

    def __init__(
        self,
        own_id: PeerId,
        own_instance: InstanceId,
        dialler: Dialler,
        greeter: Greeter,
        warnings: WarnOnce,
    ) -> None:
        self._own_id = own_id
        self._own_instance = own_instance
        self._dialler = dialler
        self._greeter = greeter
        self._warnings = warnings
        self._visited = FirstTimes(
            max_remembered=MAX_KNOWN_PEERS, per_minute=_MAX_VISITS_PER_MINUTE
        )
        self._is_visiting = False
        self._tasks = TaskSet()

    async def close(self) -> None:
        """End the visits that go on."""
        await self._tasks.close()

    async def judge(self, peer_id: PeerId, older: Proven, newer: Proven) -> None:
        """Returns when the older instance is dead: the peer started again. Else raises Refused."""
        if not await is_answering(older.connection):
            return
        first, second = sorted((older.instance, newer.instance))
        self._warnings.warn(
            "PEER_CLONED",
            peer_id,
            message=f"two sidecars run with the key of peer {peer_id}, instances {first} and "
            f"{second}; one of them needs a key of its own",
        )
        raise errors.Refused("another instance with this peer id is connected")

    def own_id_sighted(self, sighting: Sighting) -> None:
        """Somebody is said to have our id: visit it, unless it is this sidecar."""
        # Anybody can announce our id, so that only an answer with our key is worth a warning, and
        # one visit at a time enough; whoever is passed over is sighted again.
        if sighting.instance in (None, self._own_instance) or self._is_visiting:
            return
        if self._visited.judge(sighting.instance, now=monotonic_s()) is Novelty.NEW:
            self._is_visiting = True
            self._tasks.spawn("visit clone", self._visit(sighting.addresses))

    async def own_id_answered(self, connection: Connection) -> None:
        """Whoever answered with our own key is this sidecar, or a clone of it."""
        try:
            ack = await self._greeter.greet(connection)
            self.own_id_proven(InstanceId(ack.instance))
        except errors.LanspreadError:
            return
        finally:
            connection.close("own peer id")

    def own_id_proven(self, instance: InstanceId) -> None:
        """Report the clone; raises Refused when it is this sidecar itself."""
        if instance == self._own_instance:
            raise errors.Refused("this is the sidecar itself")
        self._warnings.warn(
            "OWN_ID_CLONED",
            message=f"another sidecar runs with this one's key, instance {instance}; "
            "one of the two needs a key of its own",
        )

    async def _visit(self, addresses: Iterable[Address]) -> None:
        wish = Wish(DialRank.HINTED)
        try:
            connection = await self._dialler.first_answer(addresses, self._own_id, wish)
            if connection is not None:
                await self.own_id_answered(connection)
        except errors.NotAMember:
            # Whoever it is, the party has not made it another of us.
            return
        finally:
            self._is_visiting = False
