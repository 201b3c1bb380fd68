"""A request that is out at a source: what it has still to bring."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from lanspread_peer.core.assignment import Assignment
from lanspread_peer.model.ids import PeerId


@dataclass(slots=True, eq=False)
class Request:
    """`left` are the chunks that it has still to bring, in the order in which they come.

    Of `length` bytes in all, `bytes` have arrived, and `verified_bytes` of these were right.
    A source that chooses has nothing `left` until it has chosen.
    """

    asked: Assignment
    length: int
    sent_at: float
    bytes: int = 0
    verified_bytes: int = 0
    left: dict[int, None] = field(default_factory=dict)

    @property
    def id(self) -> int:
        return self.asked.id

    @property
    def peer(self) -> PeerId:
        return self.asked.peer

    @property
    def is_unchosen(self) -> bool:
        """Whether the source has still to choose the chunk."""
        return self.asked.wanted is not None and not self.left

    @property
    def missing_bytes(self) -> int:
        return self.length - self.bytes

    @property
    def unverified_bytes(self) -> int:
        """So much comes again when another source is asked instead."""
        return self.length - self.verified_bytes

    def next_chunk(self) -> int | None:
        """The chunk that comes, or would come, next."""
        return next(iter(self.left), None)

    def brings(self, chunks: Iterable[int]) -> None:
        """These are what it brings."""
        self.left = dict.fromkeys(chunks)
