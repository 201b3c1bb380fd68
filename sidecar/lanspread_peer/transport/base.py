"""What runtime needs of a message transport: connections, and one request per stream.

A transport raises only errors of the tree: SourceUnavailable for whatever the network does,
IdentityMismatch when the dialled certificate has another key, NotAMember and its kin when that is
not let in.
"""

from collections.abc import Awaitable, Callable
from typing import Protocol

from lanspread_peer.model.ids import PeerId
from lanspread_peer.model.peer import Address


class Stream(Protocol):
    """One request and its answer. Use it in one task only."""

    async def receive(self) -> bytes:
        """The next bytes in order, or b"" once the other end has finished.

        Only what is taken here is credited to the sender. Raises StreamReset, ConnectionLost, or
        Stalled when nothing came for STALL_TIMEOUT_S.
        """
        ...

    async def send(self, data: bytes, *, end: bool = False) -> None:
        """Send `data`, and FIN when `end`; returns once little enough is unacknowledged.

        Raises StreamReset, ConnectionLost, or Stalled when the other end takes nothing.
        """
        ...

    async def wait_cut(self) -> None:
        """Waits until the other end wants nothing more of what is sent, or is gone.

        For whoever has a reason to wait before it sends; it may be cancelled.
        """
        ...

    def reset(self, code: int) -> None:
        """Cut both directions with a code; nothing happens when they are over already."""
        ...


class Connection(Protocol):
    """A connection that was dialled or accepted."""

    @property
    def peer_id(self) -> PeerId | None:
        """The id that the other end proved, or None as long as it proved none."""
        ...

    def identify(self, peer_id: PeerId) -> None:
        """Note the id that the other end proved; at most once."""
        ...

    @property
    def address(self) -> Address:
        """Where the other end sends from."""
        ...

    @property
    def is_closed(self) -> bool: ...

    def offended(self, detail: str) -> None:
        """The other end sent what no peer sends; too often, and the connection is over.

        Its address then waits before it may connect again.
        """
        ...

    @property
    def is_idle(self) -> bool:
        """Whether no stream is open, of either end."""
        ...

    def open_stream(self) -> Stream:
        """A stream for one request; raises ConnectionLost, or Busy when too many are open."""
        ...

    async def wait_closed(self) -> str:
        """Waits for the end of the connection, and says why it ended."""
        ...

    def close(self, detail: str = "") -> None:
        """End the connection at once."""
        ...


StreamHandler = Callable[[Connection, Stream], Awaitable[None]]


class Transport(Protocol):
    """Listens and dials; calls the stream handler for each stream that the other end opens."""

    @property
    def port(self) -> int:
        """The UDP port it listens on."""
        ...

    async def dial(self, address: Address, expected: PeerId | None) -> Connection:
        """Connect; insist on this peer id, or take any when None.

        Raises ConnectionLost, IdentityMismatch, or NotAMember and its kin, within
        HANDSHAKE_TIMEOUT_S.
        """
        ...

    async def close(self) -> None:
        """Tell all connections goodbye and free the port."""
        ...
