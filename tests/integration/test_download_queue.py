"""A bound on parallel downloads: the others wait for their turn, in order."""

import pytest

from lanspread_peer.model import errors
from lanspread_peer.model.download import DownloadState
from lanspread_peer.model.ids import DownloadId, GameId
from lanspread_peer.model.limits import MAX_RUNNING_DOWNLOADS
from lanspread_peer.runtime.sidecar import Sidecar
from lanspread_peer.wire import messages
from support.hostile_peer import HostilePeer, honest, silent
from support.party import Party, make_game, start_download, until, wait_done, wait_sources

GAMES = [GameId(f"game{number}") for number in range(MAX_RUNNING_DOWNLOADS + 2)]
S = DownloadState


async def one_too_many(party: Party) -> tuple[Sidecar, HostilePeer, list[DownloadId]]:
    """Two downloads more than may run, of a source that gives nothing yet."""
    source = await party.hostile({game: make_game(1, seed=seed) for seed, game in enumerate(GAMES)})
    source.answers[messages.GetGameFileChunk] = silent
    downloader = await party.start("downloader", peers=(source,))
    ids = []
    for game in GAMES:
        await wait_sources(downloader, 1, game)
        ids.append(await start_download(downloader, game))
    await until(lambda: states(downloader) == [S.RUNNING] * MAX_RUNNING_DOWNLOADS + [S.QUEUED] * 2)
    return downloader, source, ids


def states(sidecar: Sidecar) -> list[DownloadState]:
    """Of all downloads, oldest first."""
    return [each.state for each in reversed(sidecar.downloads())]


async def test_more_downloads_than_may_run_wait_for_their_turn(party: Party) -> None:
    downloader, source, ids = await one_too_many(party)
    await downloader.cancel_download(ids[0])
    await until(lambda: downloader.download(ids[-2]).state is S.RUNNING)
    assert downloader.download(ids[-1]).state is S.QUEUED
    source.answers[messages.GetGameFileChunk] = honest
    for download_id in ids[1:]:
        assert (await wait_done(downloader, download_id)).state is S.FINISHED


async def test_a_pause_gives_the_place_to_the_next(party: Party) -> None:
    downloader, _, ids = await one_too_many(party)
    await downloader.pause_download(ids[0])
    await until(lambda: downloader.download(ids[-2]).state is S.RUNNING)
    resumed = await downloader.resume_download(ids[0])
    assert resumed.state is S.QUEUED
    await downloader.cancel_download(ids[1])
    await until(lambda: downloader.download(ids[0]).state is S.RUNNING)
    assert downloader.download(ids[-1]).state is S.QUEUED


async def test_a_queued_download_can_be_paused_resumed_and_cancelled(party: Party) -> None:
    downloader, _, ids = await one_too_many(party)
    assert (await downloader.pause_download(ids[-1])).state is S.PAUSED
    assert (await downloader.resume_download(ids[-1])).state is S.QUEUED
    assert (await downloader.cancel_download(ids[-1])).state is S.CANCELLED
    assert len(await downloader.stagings()) == 0
    assert await party.events(downloader).final(ids[-1]) == ["DownloadPaused", "DownloadCancelled"]


async def test_the_queue_is_there_after_a_restart_in_its_order(party: Party) -> None:
    downloader, source, ids = await one_too_many(party)
    await party.end(downloader)
    again = await party.start("downloader", peers=(source,))
    assert [each.id for each in reversed(again.downloads())] == ids
    await until(lambda: states(again) == [S.RUNNING] * MAX_RUNNING_DOWNLOADS + [S.QUEUED] * 2)


async def test_one_download_more_than_there_may_be_is_refused(
    party: Party, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lanspread_peer.runtime.downloads.MAX_ACTIVE_DOWNLOADS", len(GAMES) - 1)
    source = await party.hostile({game: make_game(1, seed=seed) for seed, game in enumerate(GAMES)})
    source.answers[messages.GetGameFileChunk] = silent
    downloader = await party.start("downloader", peers=(source,))
    for game in GAMES[:-1]:
        await wait_sources(downloader, 1, game)
        await start_download(downloader, game)
    with pytest.raises(errors.TooManyDownloads):
        await start_download(downloader, GAMES[-1])
    assert len(downloader.downloads()) == len(GAMES) - 1
