"""What a sidecar did since its start, for GetStatus."""

from dataclasses import asdict, dataclass

from lanspread_peer.model.status import Counters


@dataclass(slots=True)
class RunningCounters:
    """Counts up only; see Counters in the proto for the meaning of each."""

    received_bytes: int = 0
    sent_bytes: int = 0
    bad_chunks: int = 0
    requests_served: int = 0
    requests_refused: int = 0

    def snapshot(self) -> Counters:
        """The counts at this moment."""
        return Counters(**asdict(self))
