"""A download, whatever is called on it and in whatever order: the table, one end, true figures.

Which step may be taken when, only the table of transitions says.
"""

import inspect
from collections.abc import Callable

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from lanspread_peer.core.download import TRANSITIONS, Download
from lanspread_peer.model.download import DownloadState
from lanspread_peer.model.errors import DownloadFailed
from support.long_form import long_form

_PATIENCE_S = 60.0
# All that may change the state.
_STEPS = (
    "start", "no_source", "source_found", "pause", "resume", "verify", "publish", "finish", "fail",
    "cancel",
)  # fmt: skip
_ENDS = ("finish", "fail", "cancel")
# What ends it comes seldom, or few runs would come to anything else.
_OFTEN = (*_STEPS, *(name for name in _STEPS * 5 if name not in _ENDS))
# Those that say nothing new when they are said again.
_REPEATABLE = {
    "no_source": DownloadState.WAITING,
    "source_found": DownloadState.RUNNING,
}


def _step(download: Download, name: str, *, now: float, on_disk: int = 0) -> object:
    """Call a step with what it takes."""
    method: Callable[..., object] = getattr(download, name)
    values = {
        "now": now,
        "on_disk": on_disk,
        "error": DownloadFailed("NO_SOURCE", "nobody is there"),
    }
    wanted = inspect.signature(method).parameters
    return method(**{key: value for key, value in values.items() if key in wanted})


class DownloadMachine(RuleBasedStateMachine):
    """The model: the states it was in, and the sums of what was reported."""

    @initialize(total=st.integers(0, 1000))
    def start(self, total: int) -> None:
        self.now = 100.0
        self.total = total
        self.download = Download(total, patience_s=_PATIENCE_S, now=self.now)
        self.states = [self.download.state]
        self.waiting_since: float | None = None
        self.reused = self.fetched = self.wasted = 0

    @rule(name=st.sampled_from(_OFTEN), share=st.floats(0.0, 1.0))
    def take_a_step(self, name: str, share: float) -> None:
        before = self.download.state
        on_disk = int(share * self.total)
        try:
            _step(self.download, name, now=self.now, on_disk=on_disk)
        except ValueError:
            assert self.download.state is before
            return
        after = self.download.state
        if after is before:
            assert _REPEATABLE.get(name) is before
            return
        assert after in TRANSITIONS[before]
        self.states.append(after)
        if name == "start":
            self.fetched = min(self.fetched, on_disk)
            self.reused = on_disk - self.fetched
        self.waiting_since = self.now if after is DownloadState.WAITING else None

    @rule(count=st.integers(0, 400))
    def bytes_are_found_on_disk(self, count: int) -> None:
        if self._fits(count, lambda: self.download.reused(count)):
            self.reused += count

    @rule(count=st.integers(0, 400))
    def bytes_are_fetched(self, count: int) -> None:
        if self._fits(count, lambda: self.download.fetched(count, now=self.now)):
            self.fetched += count

    @rule(count=st.integers(0, 10**12))
    def bytes_are_thrown_away(self, count: int) -> None:
        self.download.wasted(count)
        self.wasted += count

    @rule(seconds=st.sampled_from([0.0, 0.001, 1.0, 30.0, 60.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def the_clock_jumps(self) -> None:
        self.now += 36_000.0
        self.download.deadlines_reset(now=self.now)
        if self.waiting_since is not None:
            self.waiting_since = self.now

    @invariant()
    def there_is_one_outcome_at_most(self) -> None:
        if not hasattr(self, "download"):
            return
        ends = [state for state in self.states if state.is_final]
        assert len(ends) <= 1
        assert self.download.state is self.states[-1]
        assert not ends or self.states[-1] is ends[0]
        if self.download.error is not None:
            assert self.states[-1] in (DownloadState.FAILED, DownloadState.PAUSED)
        else:
            assert self.states[-1] is not DownloadState.FAILED

    @invariant()
    def patience_counts_while_it_waits_and_only_then(self) -> None:
        if not hasattr(self, "download"):
            return
        since = self.waiting_since
        deadline = None if since is None else since + _PATIENCE_S
        assert self.download.patience_deadline == deadline
        is_over = since is not None and self.now >= since + _PATIENCE_S
        assert self.download.is_out_of_patience(now=self.now) == is_over

    @invariant()
    def the_figures_add_up(self) -> None:
        if not hasattr(self, "download"):
            return
        figures = self.download.figures(now=self.now)
        assert figures.done_bytes == self.reused + self.fetched <= figures.total_bytes == self.total
        assert (figures.reused_bytes, figures.fetched_bytes) == (self.reused, self.fetched)
        assert figures.wasted_bytes == self.wasted
        assert figures.bytes_per_second >= 0.0
        assert figures.eta_s is None or figures.eta_s >= 0.0
        if self.states[-1] is not DownloadState.RUNNING:
            assert (figures.bytes_per_second, figures.eta_s) == (0.0, None)

    def _fits(self, count: int, report: Callable[[], None]) -> bool:
        if self.reused + self.fetched + count <= self.total:
            report()
            return True
        with pytest.raises(ValueError, match="more verified bytes"):
            report()
        return False


TestDownloadMachine = pytest.mark.scales(DownloadMachine.TestCase)
TestDownloadMachine.settings = settings(
    max_examples=long_form(short=60, long=5000), stateful_step_count=40
)


def test_every_state_can_be_reached_and_left_by_the_steps() -> None:
    """So that the machine above is not idle: a walk over all steps takes every transition."""
    taken: set[tuple[DownloadState, DownloadState]] = set()
    reached: dict[DownloadState, tuple[str, ...]] = {DownloadState.QUEUED: ()}
    pending = [DownloadState.QUEUED]
    while pending:
        state = pending.pop()
        for name in _STEPS:
            download = Download(10, patience_s=_PATIENCE_S, now=0.0)
            for earlier in reached[state]:
                _step(download, earlier, now=0.0)
            try:
                _step(download, name, now=0.0)
            except ValueError:
                continue
            after = download.state
            taken.add((state, after))
            if after not in reached:
                reached[after] = (*reached[state], name)
                pending.append(after)
    for before in reached:
        assert {after for start, after in taken if start is before} - {before} <= TRANSITIONS[
            before
        ]
    assert {DownloadState.FINISHED, DownloadState.FAILED, DownloadState.CANCELLED} <= set(reached)
