"""Sources that go away and come back: the download waits, with patience, and never for nothing."""

from dataclasses import replace

from lanspread_peer.model.download import DownloadState
from lanspread_peer.model.events import DownloadFailedEvent, DownloadProgressed
from lanspread_peer.transport.base import Stream
from lanspread_peer.wire import messages
from lanspread_peer.wire.messages import Message
from support.hostile_peer import HostilePeer, honest, silent
from support.party import (
    AOE2,
    MIB,
    Party,
    address_of,
    download,
    make_game,
    start_download,
    until,
    wait_bytes,
    wait_done,
)
from support.storage_folders import snapshot

GAME = make_game(4)


async def slow_source(party: Party) -> HostilePeer:
    source = await party.hostile({AOE2: GAME})
    source.slow_down(0.1)
    return source


async def test_without_a_source_it_waits_and_then_fails(party: Party) -> None:
    source = await slow_source(party)
    downloader = await party.downloader(source, patience_s=0.5)
    download_id = await start_download(downloader)
    await wait_bytes(downloader, download_id)
    await party.end(source)
    await until(lambda: downloader.download(download_id).state is DownloadState.WAITING)
    status = await wait_done(downloader, download_id)
    assert (status.state, status.error_code) == (DownloadState.FAILED, "NO_SOURCE")
    events = party.events(downloader)
    failed = await events.wait_for(DownloadFailedEvent)
    assert failed.download.error_code == "NO_SOURCE"
    assert events.of_download(download_id) == [
        "DownloadBegan",
        "DownloadWaiting",
        "DownloadFailedEvent",
    ]
    assert not party.game("downloader").exists()
    assert [left.name for left in await downloader.stagings()] == [download_id]


async def test_a_source_that_comes_back_in_time_lets_it_finish(party: Party) -> None:
    source = await slow_source(party)
    downloader = await party.downloader(source)
    download_id = await start_download(downloader)
    await wait_bytes(downloader, download_id)
    await party.end(source)
    await until(lambda: downloader.download(download_id).state is DownloadState.WAITING)
    before = downloader.download(download_id).fetched_bytes
    again = await party.start("again", {AOE2: GAME}, peers=(downloader,))
    await downloader.add_peer(address_of(again))
    status = await wait_done(downloader, download_id)
    assert status.state is DownloadState.FINISHED
    assert status.fetched_bytes == status.total_bytes
    share = next(share for share in status.sources if share.name == "again")
    assert share.bytes <= status.total_bytes - before, "what was verified is not fetched again"
    assert party.events(downloader).of_download(download_id) == [
        "DownloadBegan",
        "DownloadWaiting",
        "DownloadResumed",
        "DownloadFinished",
    ]


async def test_one_of_two_sources_may_go_away_in_mid_download(party: Party) -> None:
    honest = await party.start("honest", {AOE2: GAME})
    leaver = await slow_source(party)
    downloader = await party.downloader(honest, leaver)
    download_id = await start_download(downloader)
    await until(lambda: leaver.asked(messages.GetGameFileChunk))
    await party.end(leaver)
    status = await wait_done(downloader, download_id)
    assert status.state is DownloadState.FINISHED
    assert "DownloadWaiting" not in party.events(downloader).of_download(download_id)


async def test_a_source_that_appears_in_mid_download_is_used(party: Party) -> None:
    source = await party.hostile({AOE2: GAME})
    left = iter(range(2))

    async def two_chunks(peer: HostilePeer, stream: Stream, request: Message) -> None:
        # Enough to have a share, and never the whole game, however late the other comes.
        await (silent if next(left, None) is None else honest)(peer, stream, request)

    source.answers[messages.GetGameFileChunk] = two_chunks
    downloader = await party.downloader(source)
    download_id = await start_download(downloader)
    await wait_bytes(downloader, download_id)
    helper = await party.start("helper", {AOE2: GAME})
    await downloader.add_peer(address_of(helper))
    status = await wait_done(downloader, download_id)
    assert status.state is DownloadState.FINISHED
    assert {share.name for share in status.sources if share.bytes} == {"hostile", "helper"}


async def test_a_download_that_failed_can_be_asked_for_again(party: Party) -> None:
    source = await slow_source(party)
    source.answers[messages.GetGameFileChunk] = silent
    downloader = await party.downloader(source, patience_s=0.2)
    first = await start_download(downloader)
    await until(lambda: source.asked(messages.GetGameFileChunk))
    await party.end(source)
    assert (await wait_done(downloader, first)).state is DownloadState.FAILED
    honest = await party.start("honest", {AOE2: GAME})
    await downloader.add_peer(address_of(honest))
    await until(lambda: any(peer.games for peer in downloader.peers()))
    assert (await download(downloader)).state is DownloadState.FINISHED
    assert snapshot(party.game("downloader")) == snapshot(party.game("honest"))


async def test_figures_of_a_running_download_add_up(party: Party) -> None:
    source = await slow_source(party)
    downloader = await party.downloader(source)
    download_id = await start_download(downloader)
    await wait_bytes(downloader, download_id)
    running = downloader.download(download_id)
    assert running.done_bytes == running.fetched_bytes == sum(s.bytes for s in running.sources)
    assert 4 * MIB < running.total_bytes < 5 * MIB
    assert [share.active for share in running.sources] == [True]
    status = await wait_done(downloader, download_id)
    assert [share.active for share in status.sources] == [False]
    assert status.bytes_per_second == 0.0
    last = party.events(downloader).of(DownloadProgressed)[-1].download
    assert replace(last, state=status.state).total_bytes == status.total_bytes
