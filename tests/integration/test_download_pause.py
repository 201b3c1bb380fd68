"""Pausing, resuming and going on after a restart: what was fetched once is kept."""

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from lanspread_peer.model import errors
from lanspread_peer.model.download import DownloadRequest, DownloadState
from lanspread_peer.model.events import DownloadPaused
from lanspread_peer.model.ids import DownloadId
from lanspread_peer.runtime import download_job
from lanspread_peer.runtime.sidecar import Sidecar
from lanspread_peer.storage import publish
from lanspread_peer.storage.moves import QuickStep, carry_out
from lanspread_peer.wire import messages
from support.hostile_peer import HostilePeer, silent
from support.party import (
    AOE2,
    KIB,
    Party,
    make_game,
    start_download,
    wait_bytes,
    wait_done,
    wait_sources,
)
from support.storage_folders import make_files, snapshot

GAME = make_game(12)
SIZE = sum(map(len, GAME.values()))
CHUNKS = 12 * 4 + 2
# All requests of a download, which may be under way when it is stopped.
MOST_LOST = 12
CHUNK_BYTES = 256 * KIB


async def begun(party: Party, source: HostilePeer) -> tuple[Sidecar, DownloadId]:
    """A download that has some of its bytes, and has others under way."""
    source.slow_down(0.02)
    downloader = await party.downloader(source)
    download_id = await start_download(downloader)
    await wait_bytes(downloader, download_id, SIZE // 4)
    return downloader, download_id


async def restarted(party: Party, downloader: Sidecar, source: HostilePeer) -> Sidecar:
    """The same sidecar in its next launch."""
    await party.end(downloader)
    again = await party.start("downloader", peers=(source,))
    await wait_sources(again, 1)
    return again


async def require_finished(party: Party, downloader: Sidecar, download_id: DownloadId) -> None:
    """The game is there, and nothing else is left."""
    status = await wait_done(downloader, download_id)
    assert status.state is DownloadState.FINISHED
    assert status.done_bytes == status.reused_bytes + status.fetched_bytes == SIZE
    expected = make_files(party.root / "expected", GAME)
    assert snapshot(party.game("downloader")) == snapshot(expected)
    assert await downloader.stagings() == []


def asked_chunks(source: HostilePeer) -> int:
    return len(source.asked(messages.GetGameFileChunk))


async def test_a_paused_download_asks_for_nothing_until_it_is_resumed(party: Party) -> None:
    source = await party.hostile({AOE2: GAME})
    downloader, download_id = await begun(party, source)
    paused = await downloader.pause_download(download_id)
    assert (paused.state, paused.error_code) == (DownloadState.PAUSED, "")
    assert paused.bytes_per_second == 0
    asked = asked_chunks(source)
    again = await downloader.pause_download(download_id)
    assert (again.state, again.done_bytes) == (DownloadState.PAUSED, paused.done_bytes)
    assert asked_chunks(source) == asked
    resumed = await downloader.resume_download(download_id)
    assert not resumed.state.is_final
    await require_finished(party, downloader, download_id)
    assert asked_chunks(source) <= CHUNKS + MOST_LOST
    assert await party.events(downloader).final(download_id) == [
        "DownloadBegan",
        "DownloadPaused",
        "DownloadResumed",
        "DownloadFinished",
    ]


async def test_a_pause_lasts_over_a_restart(party: Party) -> None:
    source = await party.hostile({AOE2: GAME})
    downloader, download_id = await begun(party, source)
    paused = await downloader.pause_download(download_id)
    asked = asked_chunks(source)
    downloader = await restarted(party, downloader, source)
    found = downloader.download(download_id)
    assert (found.state, found.game_id) == (DownloadState.PAUSED, AOE2)
    # Chunks that came in the last moment are on disk too.
    assert paused.done_bytes <= found.done_bytes <= paused.done_bytes + MOST_LOST * CHUNK_BYTES
    assert found.started_at_unix_s == paused.started_at_unix_s
    assert asked_chunks(source) == asked
    await downloader.resume_download(download_id)
    await require_finished(party, downloader, download_id)
    assert asked_chunks(source) <= CHUNKS + MOST_LOST


async def test_a_download_that_ran_goes_on_by_itself_after_a_restart(party: Party) -> None:
    source = await party.hostile({AOE2: GAME})
    downloader, download_id = await begun(party, source)
    told = party.events(downloader)
    downloader = await restarted(party, downloader, source)
    await require_finished(party, downloader, download_id)
    assert told.of_download(download_id) == ["DownloadBegan"]
    states = await party.events(downloader).final(download_id)
    # It may go on before its source is linked again.
    assert [state for state in states if state not in ("DownloadWaiting", "DownloadResumed")] == [
        "DownloadBegan",
        "DownloadFinished",
    ]
    assert asked_chunks(source) <= CHUNKS + MOST_LOST
    assert downloader.download(download_id).reused_bytes >= SIZE // 4


async def test_a_request_id_is_known_after_a_restart(party: Party) -> None:
    source = await party.hostile({AOE2: GAME})
    source.answers[messages.GetGameFileChunk] = silent
    downloader = await party.downloader(source)
    request = DownloadRequest(AOE2, request_id="once")
    first = await downloader.start_download(request)
    downloader = await restarted(party, downloader, source)
    assert (await downloader.start_download(request)).id == first.id


async def test_only_one_that_is_not_over_can_be_paused_or_resumed(party: Party) -> None:
    source = await party.hostile({AOE2: GAME})
    downloader, download_id = await begun(party, source)
    running = await downloader.resume_download(download_id)
    assert running.state is DownloadState.RUNNING
    await downloader.cancel_download(download_id)
    with pytest.raises(errors.DownloadEnded):
        await downloader.pause_download(download_id)
    with pytest.raises(errors.DownloadEnded):
        await downloader.resume_download(download_id)
    with pytest.raises(errors.DownloadNotFound):
        await downloader.pause_download(DownloadId("none"))


async def test_cancelling_a_paused_download_leaves_nothing(party: Party) -> None:
    source = await party.hostile({AOE2: GAME})
    downloader, download_id = await begun(party, source)
    await downloader.pause_download(download_id)
    cancelled = await downloader.cancel_download(download_id)
    assert cancelled.state is DownloadState.CANCELLED
    assert await downloader.stagings() == []
    assert not party.game("downloader").exists()
    downloader = await restarted(party, downloader, source)
    assert downloader.downloads() == []


async def test_a_disk_that_refuses_pauses_the_download_with_its_reason(
    party: Party, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = await party.hostile({AOE2: GAME})
    downloader, download_id = await begun(party, source)
    with monkeypatch.context() as patched:
        # The reserve is a promise to the disk, so asking for all of it is a full disk.
        patched.setattr("lanspread_peer.storage.game_dir.FREE_SPACE_RESERVE_PERCENT", 100)
        patched.setattr("lanspread_peer.storage.game_dir.FREE_SPACE_RESERVE_BYTES", 1 << 60)
        await downloader.pause_download(download_id)
        await downloader.resume_download(download_id)
        told = await party.events(downloader).wait_for(
            DownloadPaused, lambda event: bool(event.download.error_code)
        )
    assert told.download.error_code == "DISK_FULL"
    assert downloader.download(download_id).error_code == "DISK_FULL"
    assert (await downloader.resume_download(download_id)).error_code == ""
    await require_finished(party, downloader, download_id)


async def test_the_game_folder_stays_while_a_download_is_paused(party: Party) -> None:
    source = await party.hostile({AOE2: GAME})
    downloader, download_id = await begun(party, source)
    await downloader.pause_download(download_id)
    other = party.root / "other"
    other.mkdir()
    with pytest.raises(errors.DownloadActive):
        await downloader.set_game_dir(str(other))


async def test_paused_downloads_of_a_folder_come_with_it(party: Party) -> None:
    source = await party.hostile({AOE2: GAME})
    downloader, download_id = await begun(party, source)
    await downloader.pause_download(download_id)
    await party.end(downloader)
    mover = await party.start("mover", peers=(source,))
    await mover.set_game_dir(str(party.games("downloader")))
    assert mover.download(download_id).state is DownloadState.PAUSED


async def test_a_publish_that_the_disk_cut_is_ended_when_it_is_resumed(
    party: Party, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = await party.hostile({AOE2: GAME})
    downloader = await party.downloader(source)
    with monkeypatch.context() as patched:
        patched.setattr(publish, "carry_out", vanish_half_way)
        download_id = await start_download(downloader)
        told = await party.events(downloader).wait_for(DownloadPaused)
    assert told.download.error_code == "STORAGE"
    assert not (party.game("downloader") / "version.ini").exists()
    asked = asked_chunks(source)
    await downloader.resume_download(download_id)
    await require_finished(party, downloader, download_id)
    assert asked_chunks(source) == asked


def vanish_half_way(
    root: Path, steps: Iterable[QuickStep], before_step: Callable[[QuickStep], None]
) -> None:
    """A disk that is gone in the middle of a publish, so that nothing can be put back."""
    made = list(steps)
    carry_out(root, made[: len(made) // 2], before_step)
    raise errors.StorageError("the disk is gone", left="aoe2")


async def test_a_cancel_that_the_disk_does_not_take_is_none(
    party: Party, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = await party.hostile({AOE2: GAME})
    downloader, download_id = await begun(party, source)

    def refuse(*_: object) -> None:
        raise errors.GameDirGone("the folder is gone")

    with monkeypatch.context() as patched:
        patched.setattr(download_job, "remove_staging", refuse)
        with pytest.raises(errors.StorageError):
            await downloader.cancel_download(download_id)
    status = downloader.download(download_id)
    assert (status.state, status.error_code) == (DownloadState.PAUSED, "GAME_DIR_GONE")
    cancelled = await downloader.cancel_download(download_id)
    assert cancelled.state is DownloadState.CANCELLED
    names = await party.events(downloader).final(download_id)
    assert names == ["DownloadBegan", "DownloadPaused", "DownloadCancelled"]


async def test_a_cancel_that_comes_as_work_on_the_disk_ends_is_heard(
    party: Party, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = await party.hostile({AOE2: GAME})
    source.answers[messages.GetGameFileChunk] = silent
    downloader = await party.downloader(source)
    tell = download_job.DownloadJob.tell

    def cancel_as_well(job: download_job.DownloadJob) -> None:
        tell(job)
        task = asyncio.current_task()
        if task is not None and task is job._task and not task.cancelling():
            job._stop = download_job._Stop.CANCEL
            task.cancel()

    monkeypatch.setattr(download_job.DownloadJob, "tell", cancel_as_well)
    status = await wait_done(downloader, await start_download(downloader))
    assert status.state is DownloadState.CANCELLED
