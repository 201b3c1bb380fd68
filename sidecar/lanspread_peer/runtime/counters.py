"""What a sidecar did since its start, for GetStatus."""

from dataclasses import dataclass

from lanspread_peer.model.status import Counters


@dataclass(slots=True)
class RunningCounters:
    """Counts up only; see Counters in the proto for the meaning of each."""

    received_bytes: int = 0
    received_tls_bytes: int = 0
    sent_bytes: int = 0
    sent_tls_bytes: int = 0
    verified_chunks: int = 0
    bad_chunks: int = 0
    requests_served: int = 0
    requests_refused: int = 0

    def snapshot(self) -> Counters:
        """The counts at this moment; what others count is still to be filled in."""
        return Counters(
            received_bytes=self.received_bytes,
            received_tls_bytes=self.received_tls_bytes,
            received_quic_bytes=self.received_bytes - self.received_tls_bytes,
            sent_bytes=self.sent_bytes,
            sent_tls_bytes=self.sent_tls_bytes,
            sent_quic_bytes=self.sent_bytes - self.sent_tls_bytes,
            verified_chunks=self.verified_chunks,
            bad_chunks=self.bad_chunks,
            requests_served=self.requests_served,
            requests_refused=self.requests_refused,
        )
