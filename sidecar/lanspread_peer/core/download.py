"""One download from command to outcome: its state, its figures, its patience.

Invariants: only the transitions of the table happen, and a final state is never left, so there
is exactly one outcome; done bytes are reused bytes plus fetched bytes, and never exceed the
total. A pause keeps the figures. Which chunk comes from where is the planner's; files and events
are runtime's.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from lanspread_peer.core.throughput import SpeedMeter
from lanspread_peer.model.download import DownloadState
from lanspread_peer.model.errors import DownloadFailed

_ENDS = frozenset({DownloadState.FAILED, DownloadState.CANCELLED})

TRANSITIONS: Mapping[DownloadState, frozenset[DownloadState]] = MappingProxyType(
    {
        DownloadState.QUEUED: _ENDS | {DownloadState.RUNNING, DownloadState.PAUSED},
        DownloadState.RUNNING: _ENDS
        | {DownloadState.WAITING, DownloadState.PAUSED, DownloadState.VERIFYING},
        DownloadState.WAITING: _ENDS
        | {DownloadState.RUNNING, DownloadState.PAUSED, DownloadState.VERIFYING},
        DownloadState.PAUSED: _ENDS | {DownloadState.QUEUED},
        DownloadState.VERIFYING: _ENDS | {DownloadState.PUBLISHING, DownloadState.PAUSED},
        DownloadState.PUBLISHING: _ENDS | {DownloadState.FINISHED, DownloadState.PAUSED},
        DownloadState.FINISHED: frozenset(),
        DownloadState.FAILED: frozenset(),
        DownloadState.CANCELLED: frozenset(),
    }
)


@dataclass(frozen=True, slots=True)
class DownloadFigures:
    """The figures of a DownloadStatus at one moment, with the meaning they have there."""

    total_bytes: int
    done_bytes: int
    reused_bytes: int
    fetched_bytes: int
    wasted_bytes: int
    bytes_per_second: float
    eta_s: float | None


class Download:
    """Starts QUEUED; every change of state that the table does not have raises ValueError.

    `reused_bytes` is what an earlier launch is known to have left; `start` tells it exactly.
    `patience_s` is how long it waits without a source before it should fail; it may be changed.
    """

    def __init__(
        self, total_bytes: int, *, reused_bytes: int = 0, patience_s: float, now: float
    ) -> None:
        self._total_bytes = total_bytes
        self.patience_s = patience_s
        self._state = DownloadState.QUEUED
        self._error: DownloadFailed | None = None
        self._waiting_since: float | None = None
        self._reused_bytes = reused_bytes
        self._fetched_bytes = 0
        self._wasted_bytes = 0
        self._meter = SpeedMeter(now=now)

    @property
    def state(self) -> DownloadState:
        return self._state

    @property
    def error(self) -> DownloadFailed | None:
        """Why it failed, or what paused it; None when a command did, and in every other state."""
        return self._error

    @property
    def patience_deadline(self) -> float | None:
        """When the wait for a source has been long enough; None while it does not wait."""
        return None if self._waiting_since is None else self._waiting_since + self.patience_s

    def is_out_of_patience(self, *, now: float) -> bool:
        """Whether it waited so long that the caller should let it fail."""
        return self.patience_deadline is not None and now >= self.patience_deadline

    def start(self, *, on_disk: int, now: float) -> None:
        """Its turn has come; `on_disk` bytes are verified and lie in the game folder already.

        After a pause these may be fewer than were fetched, when the disk lost some.
        """
        self._move_to(DownloadState.RUNNING)
        self._fetched_bytes = min(self._fetched_bytes, on_disk)
        self._reused_bytes = 0
        self.reused(on_disk - self._fetched_bytes)
        self._meter.skip_to(now)

    def pause(self, error: DownloadFailed | None = None) -> None:
        """It stops until it is resumed: by a command, or for the `error` that the disk gave."""
        self._move_to(DownloadState.PAUSED)
        self._error = error

    def resume(self) -> None:
        """A command lets a paused download go on, when its turn comes."""
        self._move_to(DownloadState.QUEUED)

    def no_source(self, *, now: float) -> bool:
        """No source is left; patience counts from the first such call, which returns True."""
        if self._state is DownloadState.WAITING:
            return False
        self._move_to(DownloadState.WAITING)
        self._waiting_since = now
        return True

    def source_found(self, *, now: float) -> bool:
        """There is a source; True when it had waited for one."""
        if self._state is DownloadState.RUNNING:
            return False
        self._move_to(DownloadState.RUNNING)
        # The wait says nothing about how fast the source that came is.
        self._meter.skip_to(now)
        return True

    def verify(self) -> None:
        """Every chunk is here, and goes to the disk for good."""
        self._move_to(DownloadState.VERIFYING)

    def publish(self) -> None:
        """The staging becomes the game."""
        self._move_to(DownloadState.PUBLISHING)

    def finish(self) -> None:
        """The game is there; final."""
        self._move_to(DownloadState.FINISHED)

    def fail(self, error: DownloadFailed) -> None:
        """It ends without its game; final."""
        self._move_to(DownloadState.FAILED)
        self._error = error

    def cancel(self) -> None:
        """A command ended it; final."""
        self._move_to(DownloadState.CANCELLED)

    def reused(self, count: int) -> None:
        """Verified bytes were found on disk."""
        self._check_room(count)
        self._reused_bytes += count

    def fetched(self, count: int, *, now: float) -> None:
        """Bytes from a source were verified and were still missing."""
        self._check_room(count)
        self._fetched_bytes += count
        self._meter.add(count, now=now)

    def wasted(self, count: int) -> None:
        """Bytes that came over the network were thrown away."""
        self._wasted_bytes += count

    def figures(self, *, now: float) -> DownloadFigures:
        """All figures at this moment; no speed in a state in which nothing is fetched."""
        done = self._reused_bytes + self._fetched_bytes
        is_running = self._state is DownloadState.RUNNING
        return DownloadFigures(
            total_bytes=self._total_bytes,
            done_bytes=done,
            reused_bytes=self._reused_bytes,
            fetched_bytes=self._fetched_bytes,
            wasted_bytes=self._wasted_bytes,
            bytes_per_second=self._meter.bytes_per_second(now=now) if is_running else 0.0,
            eta_s=self._meter.eta_s(self._total_bytes - done, now=now) if is_running else None,
        )

    def deadlines_reset(self, *, now: float) -> None:
        """The clock jumped, as when a laptop wakes up: a wait starts anew."""
        self._meter.skip_to(now)
        if self._waiting_since is not None:
            self._waiting_since = now

    def _move_to(self, state: DownloadState) -> None:
        if state not in TRANSITIONS[self._state]:
            raise ValueError(f"a download cannot go from {self._state.value} to {state.value}")
        self._state = state
        self._waiting_since = None
        self._error = None

    def _check_room(self, count: int) -> None:
        if self._reused_bytes + self._fetched_bytes + count > self._total_bytes:
            raise ValueError("a download cannot have more verified bytes than its total")
