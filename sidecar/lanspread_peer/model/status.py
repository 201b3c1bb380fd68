"""The sidecar itself, as a front end is shown it, and the answer to its most detailed question."""

from dataclasses import dataclass

from lanspread_peer.model.game import Description, Title
from lanspread_peer.model.ids import InstanceId, PeerId
from lanspread_peer.model.manifest import Totals
from lanspread_peer.model.peer import Address


@dataclass(frozen=True, slots=True)
class Counters:
    """What the sidecar did since its start; bytes are those of game files.

    The last four are numbers of this moment. See Counters in the proto for the meaning of each.
    """

    received_bytes: int = 0
    sent_bytes: int = 0
    bad_chunks: int = 0
    requests_served: int = 0
    requests_refused: int = 0
    received_tls_bytes: int = 0
    received_quic_bytes: int = 0
    sent_tls_bytes: int = 0
    sent_quic_bytes: int = 0
    verified_chunks: int = 0
    refused_callers: int = 0
    events: int = 0
    quic_connections: int = 0
    tls_connections: int = 0
    event_streams: int = 0
    active_uploads: int = 0


@dataclass(frozen=True, slots=True)
class DelayBucket:
    """How many delays of the event loop were at most so long, and longer than those before."""

    up_to_s: float
    count: int


@dataclass(frozen=True, slots=True)
class SidecarStatus:
    """A sidecar at one moment; `addresses` are those it announces."""

    version: str
    peer_id: PeerId
    instance_id: InstanceId
    name: str
    game_dir: str
    state_dir: str
    addresses: tuple[Address, ...]
    uptime_seconds: float
    peer_count: int
    game_count: int
    indexing: bool
    counters: Counters
    loop_delays: tuple[DelayBucket, ...]
    loop_delay_sum_s: float = 0.0


@dataclass(frozen=True, slots=True)
class GameAnswer:
    """What the peers answered about one game.

    `totals` is None when no variant is to be taken by itself; `description` is empty when no
    peer tells one.
    """

    title: Title
    totals: Totals | None
    description: Description
