"""Warnings that a peer can cause: each is told once, so that none can flood the events."""

from collections.abc import Callable

from lanspread_peer.model.events import Event, Warned
from lanspread_peer.runtime.logs import LogOnce


class WarnOnce:
    """Tells a warning the first time that its code and key come up."""

    def __init__(self, emit: Callable[[Event], None]) -> None:
        self._emit = emit
        self._said = LogOnce()

    def warn(self, code: str, *key: str, message: str) -> None:
        """Emit `Warned`, unless that was done for this code and key."""
        if self._said.first_time(code, *key):
            self._emit(Warned(code, message))

    def other_version(self, peer_id: str, proto_min: int, proto_max: int) -> None:
        """A peer speaks no version of the protocol that we do."""
        self.warn(
            "PROTOCOL_MISMATCH",
            peer_id,
            message=f"peer {peer_id} speaks protocol {proto_min} to {proto_max} only; "
            "one of the two needs an update",
        )
