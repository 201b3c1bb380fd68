"""A download's states: the table and nothing else, and one end."""

from collections.abc import Callable

import pytest

from lanspread_peer.core.download import TRANSITIONS, Download
from lanspread_peer.model.download import DownloadState
from lanspread_peer.model.errors import DownloadFailed

FAILURE = DownloadFailed("NO_SOURCE", "no peer that has this content can be reached")
FULL = DownloadFailed("DISK_FULL", "1 bytes are needed, 0 are free")
S = DownloadState
STEPS: dict[DownloadState, Callable[[Download], object]] = {
    S.QUEUED: lambda d: d.resume(),
    S.RUNNING: lambda d: d.start(on_disk=0, now=0.0),
    S.WAITING: lambda d: d.no_source(now=0.0),
    S.PAUSED: lambda d: d.pause(),
    S.VERIFYING: lambda d: d.verify(),
    S.PUBLISHING: lambda d: d.publish(),
    S.FINISHED: lambda d: d.finish(),
    S.FAILED: lambda d: d.fail(FAILURE),
    S.CANCELLED: lambda d: d.cancel(),
}
PATHS = {
    S.QUEUED: [],
    S.RUNNING: [S.RUNNING],
    S.WAITING: [S.RUNNING, S.WAITING],
    S.PAUSED: [S.PAUSED],
    S.VERIFYING: [S.RUNNING, S.VERIFYING],
    S.PUBLISHING: [S.RUNNING, S.VERIFYING, S.PUBLISHING],
    S.FINISHED: [S.RUNNING, S.VERIFYING, S.PUBLISHING, S.FINISHED],
    S.FAILED: [S.FAILED],
    S.CANCELLED: [S.CANCELLED],
}


def make_download(state: DownloadState = S.QUEUED, total_bytes: int = 1000) -> Download:
    download = Download(total_bytes, patience_s=60.0, now=0.0)
    for step in PATHS[state]:
        STEPS[step](download)
    assert download.state is state
    return download


@pytest.mark.parametrize("before", PATHS)
@pytest.mark.parametrize("after", STEPS)
def test_only_the_transitions_of_the_table_happen(
    before: DownloadState, after: DownloadState
) -> None:
    download = make_download(before)
    if before is after is S.WAITING:
        return
    if after in TRANSITIONS[before]:
        STEPS[after](download)
        assert download.state is after
        return
    with pytest.raises(ValueError, match=f"from {before.value} to {after.value}"):
        STEPS[after](download)
    assert download.state is before


def test_the_table_has_every_state_and_leaves_no_final_one() -> None:
    assert set(TRANSITIONS) == set(DownloadState)
    for state, nexts in TRANSITIONS.items():
        assert bool(nexts) is not state.is_final
        assert state.is_final or {S.FAILED, S.CANCELLED} <= nexts


def test_a_paused_download_only_goes_on_or_ends() -> None:
    assert TRANSITIONS[S.PAUSED] == {S.QUEUED, S.FAILED, S.CANCELLED}


def test_patience_counts_from_the_first_moment_without_a_source() -> None:
    download = make_download(S.RUNNING)
    assert not download.is_out_of_patience(now=1e9)
    assert download.no_source(now=100.0)
    assert not download.no_source(now=130.0)
    assert download.patience_deadline == 160.0
    assert not download.is_out_of_patience(now=159.9)
    assert download.is_out_of_patience(now=160.0)


def test_a_source_that_comes_back_ends_the_wait() -> None:
    download = make_download(S.WAITING)
    assert download.source_found(now=10.0)
    assert not download.source_found(now=11.0)
    assert download.state is S.RUNNING
    assert download.patience_deadline is None
    assert not download.is_out_of_patience(now=1e9)


def test_a_clock_jump_does_not_end_a_wait() -> None:
    download = make_download(S.WAITING)
    download.deadlines_reset(now=7200.0)
    assert not download.is_out_of_patience(now=7259.0)
    assert download.is_out_of_patience(now=7260.0)


def test_a_clock_jump_starts_no_wait() -> None:
    download = make_download(S.RUNNING)
    download.deadlines_reset(now=7200.0)
    assert download.patience_deadline is None


def test_only_a_download_that_failed_or_was_stopped_by_the_disk_has_an_error() -> None:
    download = make_download(S.RUNNING)
    assert [download.error] == [None]
    download.pause(FULL)
    assert [download.error] == [FULL]
    download.resume()
    assert [download.error] == [None]
    download.fail(FAILURE)
    assert [download.error] == [FAILURE]


def test_a_pause_by_command_has_no_error() -> None:
    download = make_download(S.RUNNING)
    download.pause()
    assert [download.error] == [None]


def test_what_lies_on_disk_at_the_start_counts_as_reused() -> None:
    download = make_download()
    download.start(on_disk=400, now=1.0)
    figures = download.figures(now=1.0)
    assert (figures.done_bytes, figures.reused_bytes, figures.fetched_bytes) == (400, 400, 0)


def test_a_pause_keeps_the_figures() -> None:
    download = make_download()
    download.start(on_disk=300, now=0.0)
    download.fetched(200, now=1.0)
    download.wasted(50)
    download.pause()
    download.resume()
    download.start(on_disk=500, now=9.0)
    figures = download.figures(now=9.0)
    assert (figures.reused_bytes, figures.fetched_bytes, figures.wasted_bytes) == (300, 200, 50)


def test_what_the_disk_lost_during_a_pause_is_not_done_any_more() -> None:
    download = make_download()
    download.start(on_disk=0, now=0.0)
    download.fetched(200, now=1.0)
    download.pause(FULL)
    download.resume()
    download.start(on_disk=150, now=9.0)
    figures = download.figures(now=9.0)
    assert (figures.done_bytes, figures.reused_bytes, figures.fetched_bytes) == (150, 0, 150)


def test_done_bytes_are_reused_and_fetched_ones() -> None:
    download = make_download(S.RUNNING)
    download.reused(300)
    download.fetched(200, now=1.0)
    download.wasted(50)
    figures = download.figures(now=1.0)
    assert (figures.total_bytes, figures.done_bytes) == (1000, 500)
    assert (figures.reused_bytes, figures.fetched_bytes, figures.wasted_bytes) == (300, 200, 50)


def test_more_than_the_total_is_never_done() -> None:
    download = make_download(S.RUNNING)
    download.reused(300)
    with pytest.raises(ValueError, match="total"):
        download.fetched(701, now=1.0)
    with pytest.raises(ValueError, match="total"):
        download.reused(701)
    download.fetched(700, now=1.0)
    assert download.figures(now=1.0).done_bytes == 1000


def test_speed_and_eta_are_those_of_what_was_fetched() -> None:
    download = make_download(S.RUNNING)
    for second in range(1, 6):
        download.fetched(100, now=float(second))
    figures = download.figures(now=5.0)
    assert figures.bytes_per_second == pytest.approx(100, rel=0.15)
    assert figures.eta_s == pytest.approx(5.0, rel=0.15)


def test_a_download_that_fetches_nothing_shows_no_speed() -> None:
    download = make_download(S.RUNNING)
    download.fetched(100, now=1.0)
    download.no_source(now=1.0)
    figures = download.figures(now=1.0)
    assert figures.bytes_per_second == 0.0
    assert figures.eta_s is None


def test_a_wait_does_not_count_into_the_speed_after_it() -> None:
    download = make_download(S.RUNNING)
    download.fetched(100, now=1.0)
    before = download.figures(now=1.0).bytes_per_second
    download.no_source(now=1.0)
    download.source_found(now=50.0)
    assert download.figures(now=50.0).bytes_per_second == pytest.approx(before)
