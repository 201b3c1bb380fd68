"""What the planner hands out: requests to send or cut, and what each source has given."""

from dataclasses import dataclass

from lanspread_peer.model.ids import PeerId


@dataclass(frozen=True, slots=True)
class Assignment:
    """One request for one chunk: to be sent when `assign` returns it, to be cut elsewhere.

    `copy` says that another source is asked for the chunk as well. The request for the chunk at
    `replaces`, if any, is to be cut first; the planner knows of that cut already.
    """

    peer: PeerId
    chunk: int
    copy: bool = False
    replaces: PeerId | None = None


@dataclass(frozen=True, slots=True)
class Received:
    """What a verified chunk means: whether it was still wanted, and the requests to cut."""

    is_new: bool
    cancel: tuple[Assignment, ...]


@dataclass(frozen=True, slots=True)
class Share:
    """What one source has given: verified bytes, its speed now, whether it may be asked."""

    peer: PeerId
    bytes: int
    bytes_per_second: float
    is_active: bool
