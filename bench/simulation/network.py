"""Links and flows: every flow gets its max-min fair share of its sender's and receiver's link.

Shares are worked out anew at most every TICK_S, so a flow that begins or ends within a tick changes
nothing until its end; that loses about a hundredth of a link, to our disadvantage.
"""

from collections.abc import Callable
from dataclasses import dataclass
from heapq import heapify, heappop, heappush

from bench.simulation.virtual_clock import VirtualClock

TICK_S = 0.001


@dataclass(eq=False, slots=True)
class Link:
    """One direction of one peer's line."""

    bytes_per_second: float


@dataclass(eq=False, slots=True)
class Flow:
    """Bytes on their way; `on_end` is called once the last has left the sender."""

    up: Link
    down: Link
    left_bytes: float
    on_end: Callable[[], None]
    rate: float = 0.0
    since: float = 0.0
    version: int = 0

    def advance(self, now: float) -> None:
        """Bring what is left up to date."""
        self.left_bytes = max(0.0, self.left_bytes - self.rate * (now - self.since))
        self.since = now


class Network:
    """All flows of one room."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self._flows: dict[Flow, None] = {}
        self._tick_is_set = False

    def send(self, up: Link, down: Link, size: float, on_end: Callable[[], None]) -> Flow:
        """So many bytes go over these two links."""
        flow = Flow(up, down, size, on_end, since=self._clock.now)
        self._flows[flow] = None
        self._changed()
        return flow

    def cut(self, flow: Flow) -> None:
        """The rest of it is not sent."""
        if self._flows.pop(flow, flow) is None:
            flow.version += 1
            self._changed()

    def _changed(self) -> None:
        if not self._tick_is_set:
            self._tick_is_set = True
            self._clock.after(TICK_S, self._tick)

    def _tick(self) -> None:
        self._tick_is_set = False
        now = self._clock.now
        for flow, rate in fair_rates(self._flows).items():
            if rate != flow.rate:
                flow.advance(now)
                flow.rate = rate
                flow.version += 1
                self._plan_end(flow)

    def _plan_end(self, flow: Flow) -> None:
        version = flow.version

        def end() -> None:
            if flow.version == version:
                del self._flows[flow]
                self._changed()
                flow.on_end()

        self._clock.after(flow.left_bytes / flow.rate, end)


def fair_rates(flows: dict[Flow, None]) -> dict[Flow, float]:
    """The max-min fair rate of each flow: the fullest link first, its flows share it equally."""
    on: dict[Link, dict[Flow, None]] = {}
    for flow in flows:
        on.setdefault(flow.up, {})[flow] = None
        on.setdefault(flow.down, {})[flow] = None
    free = {link: link.bytes_per_second for link in on}
    order = [
        (free[link] / len(there), index, link) for index, (link, there) in enumerate(on.items())
    ]
    heapify(order)
    rates: dict[Flow, float] = {}
    while order:
        share, index, link = heappop(order)
        there = on[link]
        if not there:
            continue
        if share < free[link] / len(there) - 1e-9:
            heappush(order, (free[link] / len(there), index, link))
            continue
        for flow in list(there):
            rates[flow] = share
            for other in (flow.up, flow.down):
                del on[other][flow]
                free[other] -= share
    return rates
