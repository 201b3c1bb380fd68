"""Warnings that a peer can cause: each is told once, so that none can flood the events."""

from collections.abc import Callable

from lanspread_peer.core.first_times import FirstTimes, Novelty
from lanspread_peer.model.events import Event, Warned
from lanspread_peer.model.limits import MAX_REMEMBERED_LOG_KEYS, MAX_WARNINGS_PER_MINUTE
from lanspread_peer.runtime.clock import monotonic_s


class WarnOnce:
    """Tells a warning the first time that its code and key come up."""

    def __init__(self, emit: Callable[[Event], None]) -> None:
        self._emit = emit
        # One for each code, so that a flood of one kind hides nothing of another.
        self._said: dict[str, FirstTimes] = {}

    def warn(self, code: str, *key: str, message: str) -> None:
        """Emit `Warned`, unless that was done for this code and key, or for too many."""
        said = self._said.setdefault(code, _first_times())
        match said.judge(key, now=monotonic_s()):
            case Novelty.NEW:
                self._emit(Warned(code, message))
            case Novelty.MORE:
                self._emit(Warned(code, "more of the kind came up, which are left out"))
            case Novelty.NOTHING:
                return

    def other_version(self, peer_id: str, proto_min: int, proto_max: int) -> None:
        """A peer speaks no version of the protocol that we do."""
        self.warn(
            "PROTOCOL_MISMATCH",
            peer_id,
            message=f"peer {peer_id} speaks protocol {proto_min} to {proto_max} only; "
            "one of the two needs an update",
        )


def _first_times() -> FirstTimes:
    return FirstTimes(max_remembered=MAX_REMEMBERED_LOG_KEYS, per_minute=MAX_WARNINGS_PER_MINUTE)
