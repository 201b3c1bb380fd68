"""The sidecar's figures as Prometheus reads them: made when they are asked for, from its status.

Nothing is kept here, and no label has a value that a peer or a folder name could choose. Only
imported when metrics are asked for, as the library takes 14 MiB.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector, CollectorRegistry

from lanspread_peer.control.commands import Sidecar
from lanspread_peer.model.download import DownloadState
from lanspread_peer.model.peer import PeerState
from lanspread_peer.model.status import DelayBucket

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
_PREFIX = "lanspread_"

COUNTERS = {
    "received_bytes": "Bytes of game files received, wrong ones included.",
    "received_tls_bytes": "Of the bytes received, those that came by TLS.",
    "received_quic_bytes": "Of the bytes received, those that came by QUIC.",
    "sent_bytes": "Bytes of game files sent.",
    "sent_tls_bytes": "Of the bytes sent, those that went by TLS.",
    "sent_quic_bytes": "Of the bytes sent, those that went by QUIC.",
    "verified_chunks": "Chunks that matched their hash.",
    "bad_chunks": "Chunks that did not match their hash.",
    "requests_served": "Requests from peers that were answered.",
    "requests_refused": "Requests from peers that were malformed, unknown or refused.",
    "refused_callers": "Callers that were sent away.",
    "events": "State events that were told.",
}
GAUGES = {
    "quic_connections": "QUIC connections with other sidecars.",
    "tls_connections": "TLS connections with other sidecars.",
    "event_streams": "Event streams of front ends.",
    "active_uploads": "Requests of peers for game files that are being served.",
}


class Metrics:
    """All figures of one sidecar; `text` is for its event loop only."""

    def __init__(self, sidecar: Sidecar) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_Figures(sidecar))

    def text(self) -> bytes:
        """The figures at this moment, in the text format 0.0.4."""
        return generate_latest(self._registry)


class _Figures(Collector):
    def __init__(self, sidecar: Sidecar) -> None:
        self._sidecar = sidecar

    def collect(self) -> Iterator[Metric]:
        status = self._sidecar.status()
        yield InfoMetricFamily(
            f"{_PREFIX}sidecar", "The program that runs.", {"version": status.version}
        )
        yield _gauge("uptime_seconds", "Seconds since the start.", status.uptime_seconds)
        counted = asdict(status.counters)
        for name, text in COUNTERS.items():
            yield CounterMetricFamily(_PREFIX + name, text, counted[name])
        for name, text in GAUGES.items():
            yield _gauge(name, text, counted[name])
        yield _gauge("games", "Games that are offered to others.", status.game_count)
        yield _gauge("indexing", "Whether game files are being hashed.", status.indexing)
        peers = Counter(peer.state for peer in self._sidecar.peers())
        yield _by_state("peers", "Peers that were seen.", {s.value: peers[s] for s in PeerState})
        downloads = Counter(download.state for download in self._sidecar.downloads())
        yield _by_state(
            "downloads",
            "Downloads that are not over, and those that ended last.",
            {state.value: downloads[state] for state in DownloadState},
        )
        yield _delays(status.loop_delays, status.loop_delay_sum_s)

    # At its registration the library would collect once, to learn the names.
    def describe(self) -> list[Metric]:
        return []


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(_PREFIX + name, text, value)


def _by_state(name: str, text: str, counts: dict[str, int]) -> Metric:
    family = GaugeMetricFamily(_PREFIX + name, text, labels=["state"])
    for state, count in counts.items():
        family.add_metric([state], count)
    return family


def _delays(buckets: tuple[DelayBucket, ...], sum_s: float) -> Metric:
    total = 0
    cumulated: list[tuple[str, float]] = []
    for bucket in buckets:
        total += bucket.count
        end = "+Inf" if bucket.up_to_s == float("inf") else repr(bucket.up_to_s)
        cumulated.append((end, total))
    text = "How late the event loop ran what was due."
    return HistogramMetricFamily(f"{_PREFIX}loop_delay_seconds", text, cumulated, sum_s)
