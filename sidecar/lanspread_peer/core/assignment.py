"""What the planner hands out: requests to send or cut, and what each source has given."""

from dataclasses import dataclass

from lanspread_peer.core.chunk_set import ChunkSet
from lanspread_peer.model.ids import PeerId


@dataclass(frozen=True, slots=True)
class Assignment:
    """One request: to be sent when `assign` returns it, to be cut where it stands elsewhere.

    It asks for `chunks`, a run of consecutive numbers that come in that order. Or, where `wanted`
    is given, for one chunk of these that the source chooses; then `chunks` is empty.
    `copy` says that other sources are asked for these chunks as well. The request with the id
    `replaces`, if any, is to be cut first; the planner knows of that cut already.
    """

    id: int
    peer: PeerId
    chunks: range
    wanted: ChunkSet | None = None
    copy: bool = False
    replaces: int | None = None


@dataclass(frozen=True, slots=True)
class Received:
    """What a verified chunk means: whether it was still wanted, and the requests to cut.

    The request that brought it is among those when all it has still to bring is here already.
    """

    is_new: bool
    cancel: tuple[Assignment, ...]


@dataclass(frozen=True, slots=True)
class Share:
    """What one source has given: verified bytes, its speed now, whether it may be asked."""

    peer: PeerId
    bytes: int
    bytes_per_second: float
    is_active: bool
