"""The states that end a download."""

from lanspread_peer.model.download import DownloadState


def test_a_download_ends_in_three_ways_only() -> None:
    final = {state for state in DownloadState if state.is_final}
    assert final == {DownloadState.FINISHED, DownloadState.FAILED, DownloadState.CANCELLED}
