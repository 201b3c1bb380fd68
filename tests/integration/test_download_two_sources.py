"""The main job: a game from two sidecars at once, into a third one that then offers it too."""

from lanspread_peer.model.download import DownloadState
from lanspread_peer.model.events import (
    DownloadBegan,
    DownloadFinished,
    DownloadProgressed,
    ScanFinished,
)
from lanspread_peer.model.game import LocalState
from support.party import AOE2, MIB, Party, download, make_game, title, until, wait_sources
from support.storage_folders import make_files, snapshot


async def test_a_game_comes_from_both_sources_and_its_tree_is_equal(party: Party) -> None:
    game = make_game(24)
    private = {"local/save.dat": b"mine", ".hidden": b"dot", "data/.git/x": b"dot"}
    sources = [await party.start(name, {AOE2: {**game, **private}}) for name in ("one", "two")]
    downloader = await party.downloader(*sources)
    status = await download(downloader)
    assert status.state is DownloadState.FINISHED
    shares = [share.bytes for share in status.sources]
    assert len(shares) == 2
    assert min(shares) >= status.total_bytes // 4
    assert sum(shares) == status.fetched_bytes == status.done_bytes == status.total_bytes
    expected = make_files(party.root / "expected", game)
    assert snapshot(party.game("downloader")) == snapshot(expected)


async def test_a_downloaded_game_is_offered_without_being_hashed(party: Party) -> None:
    source = await party.start("source", {AOE2: make_game(8)})
    downloader = await party.downloader(source)
    status = await download(downloader)
    await wait_sources(source, 1)
    await until(lambda: not downloader.status().indexing)
    shown = title(downloader)
    assert shown is not None
    assert shown.local is not None
    assert shown.local.state is LocalState.DOWNLOADED
    assert shown.local.content_id == status.content_id == shown.variants[0].content_id
    offered = title(source)
    assert offered is not None
    assert [variant.content_id for variant in offered.variants] == [status.content_id]
    scans = party.events(downloader).of(ScanFinished)
    assert [scan.hashed_bytes for scan in scans] == [0] * len(scans)
    assert scans[-1].games == 1


async def test_a_third_sidecar_can_download_from_the_one_that_just_did(party: Party) -> None:
    game = make_game(2)
    source = await party.start("source", {AOE2: game})
    first = await party.downloader(source)
    await download(first)
    await party.end(source)
    second = await party.start("second", peers=(first,))
    await wait_sources(second, 1)
    assert (await download(second)).state is DownloadState.FINISHED
    assert snapshot(party.game("second")) == snapshot(party.game("downloader"))


async def test_events_come_in_order_and_the_end_is_told_once(party: Party) -> None:
    source = await party.start("source", {AOE2: make_game(2)})
    downloader = await party.downloader(source)
    events = party.events(downloader)
    status = await download(downloader)
    await events.wait_for(ScanFinished, lambda scan: scan.games == 1)
    assert await events.final(status.id) == ["DownloadBegan", "DownloadFinished"]
    began, finished = events.of(DownloadBegan)[0].download, events.of(DownloadFinished)[0].download
    assert (began.state, began.done_bytes) == (DownloadState.RUNNING, 0)
    assert finished.state is DownloadState.FINISHED
    assert finished.done_bytes == finished.total_bytes


async def test_progress_is_told_at_intervals_and_grows(party: Party) -> None:
    hostile = await party.hostile({AOE2: make_game(2)})
    hostile.slow_down(0.15)
    downloader = await party.downloader(hostile)
    status = await download(downloader)
    told = [event.download for event in party.events(downloader).of(DownloadProgressed)]
    done = [each.done_bytes for each in told]
    assert 0 < len(told) <= 8, "four a second at most, and not one for each chunk"
    assert done == sorted(done)
    assert all(each.id == status.id and each.total_bytes > 2 * MIB for each in told)
