"""Which connection between two peers is used, when there is more than one.

Both ends may dial at the same moment, and neither can know what the other does. So both judge by
what both can see: of two connections the one that the lower peer id dialled is used, and the
other is spare, to be closed once nothing runs on it. Of two that the same end dialled the newer
one counts, as nobody dials while he is connected. Invariant: at most one connection per dialler,
all of one instance of the peer.
"""

from typing import Generic, TypeVar

from lanspread_peer.model.ids import InstanceId, PeerId

_Connection = TypeVar("_Connection")


class ConnectionChoice(Generic[_Connection]):
    """The proven connections between this sidecar and one peer."""

    def __init__(self, own: PeerId, peer: PeerId) -> None:
        self._prefers_dialled = own < peer
        self._dialled: _Connection | None = None
        self._accepted: _Connection | None = None
        self._instance: InstanceId | None = None

    @property
    def instance(self) -> InstanceId | None:
        """The peer's instance at the other end, or None without a connection."""
        return self._instance

    @property
    def current(self) -> _Connection | None:
        """The one to open requests on, or None."""
        preferred, other = self._in_order()
        return preferred if preferred is not None else other

    @property
    def spare(self) -> _Connection | None:
        """The one to close once nothing runs on it, or None."""
        preferred, other = self._in_order()
        return other if preferred is not None else None

    @property
    def all(self) -> tuple[_Connection, ...]:
        """Both, or one, or none."""
        return tuple(one for one in self._in_order() if one is not None)

    def proven(
        self, connection: _Connection, *, dialled: bool, instance: InstanceId
    ) -> tuple[_Connection, ...]:
        """The other end of a connection proved its id; returns those that are over by that.

        A new instance is a peer that started again: whether the old one still lives is for the
        caller to find out first.
        """
        over = [self._dialled if dialled else self._accepted]
        if instance != self._instance:
            over = [self._dialled, self._accepted]
            self._dialled = self._accepted = None
        self._instance = instance
        if dialled:
            self._dialled = connection
        else:
            self._accepted = connection
        return tuple(one for one in over if one is not None)

    def ended(self, connection: _Connection) -> None:
        """A connection is gone; nothing happens when it did not count any more."""
        if connection is self._dialled:
            self._dialled = None
        if connection is self._accepted:
            self._accepted = None
        if self._dialled is None and self._accepted is None:
            self._instance = None

    def _in_order(self) -> tuple[_Connection | None, _Connection | None]:
        if self._prefers_dialled:
            return self._dialled, self._accepted
        return self._accepted, self._dialled
