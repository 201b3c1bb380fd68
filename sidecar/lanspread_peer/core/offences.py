"""Who sends nonsense, and for how long nothing more is taken from there.

An offence is what no peer of ours sends: a request that cannot be decoded or that is cut short, a
breach of the transport's rules. One costs its sender nothing, as versions differ and lines break;
who offends in a row is sent away, and its address waits until its patience has come back. Ids are
free, so addresses count; what may have a forged source must not be noted.
"""

from lanspread_peer.core.token_buckets import TokenBuckets
from lanspread_peer.model.limits import (
    MAX_REMEMBERED_ADDRESSES,
    OFFENCE_BURST,
    OFFENCES_PER_SECOND,
)


class Offences:
    """The patience of one sidecar with each address."""

    def __init__(self) -> None:
        self._patience: TokenBuckets[str] = TokenBuckets(
            per_second=OFFENCES_PER_SECOND,
            burst=OFFENCE_BURST,
            max_keys=MAX_REMEMBERED_ADDRESSES,
        )

    def note(self, host: str, *, now: float) -> bool:
        """Somebody at this host offended; whether it is to be sent away."""
        return not self._patience.take(host, now=now)

    def waits(self, host: str, *, now: float) -> bool:
        """Whether nobody from this host is let in for now."""
        return self._patience.available(host, now=now) < 1.0
