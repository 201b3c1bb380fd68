"""What a failed download leaves: found, listed, taken over by the next try, deleted on request."""

import asyncio

import pytest

from lanspread_peer.model import errors
from lanspread_peer.model.download import DownloadState
from lanspread_peer.model.ids import DownloadId
from lanspread_peer.model.limits import MAX_PATH_PART_BYTES
from lanspread_peer.runtime.sidecar import Sidecar
from lanspread_peer.wire import messages
from support.hostile_peer import HostilePeer
from support.party import (
    AOE2,
    Party,
    download,
    make_game,
    start_download,
    until,
    wait_bytes,
    wait_done,
    wait_sources,
)
from support.storage_folders import make_files, snapshot

GAME = make_game(12)
SIZE = sum(map(len, GAME.values()))
CHUNKS = 12 * 4 + 2
MOST_LOST = 12


async def failed(party: Party, source: HostilePeer) -> tuple[Sidecar, DownloadId]:
    """A download that lost its only source half-way, and its patience after that."""
    source.slow_down(0.02)
    downloader = await party.downloader(source, patience_s=0.2)
    download_id = await start_download(downloader)
    await wait_bytes(downloader, download_id, SIZE // 4)
    await party.end(source)
    status = await wait_done(downloader, download_id, within=30)
    assert (status.state, status.error_code) == (DownloadState.FAILED, "NO_SOURCE")
    return downloader, download_id


async def test_the_next_try_takes_over_what_a_failed_one_left(party: Party) -> None:
    downloader, first = await failed(party, await party.hostile({AOE2: GAME}))
    [left] = await downloader.stagings()
    assert left.staged is not None
    assert (left.staged.id, left.fault) == (first, "")
    assert left.recorded_bytes >= SIZE // 4
    other = await party.hostile({AOE2: GAME})
    await downloader.add_peer(str(other.address))
    await wait_sources(downloader, 1)
    status = await download(downloader)
    assert status.state is DownloadState.FINISHED
    assert status.id != first
    assert status.reused_bytes == left.recorded_bytes
    assert len(other.asked(messages.GetGameFileChunk)) <= CHUNKS * 3 // 4 + MOST_LOST
    expected = make_files(party.root / "expected", GAME)
    assert snapshot(party.game("downloader")) == snapshot(expected)
    assert await downloader.stagings() == []


async def test_a_failed_download_does_not_go_on_by_itself_after_a_restart(party: Party) -> None:
    downloader, _ = await failed(party, await party.hostile({AOE2: GAME}))
    before = await downloader.stagings()
    await party.end(downloader)
    again = await party.start("downloader")
    assert again.downloads() == []
    assert await again.stagings() == before


async def test_a_staging_is_deleted_when_somebody_asks_for_it(party: Party) -> None:
    downloader, _ = await failed(party, await party.hostile({AOE2: GAME}))
    [left] = await downloader.stagings()
    await downloader.delete_staging(left.name)
    assert await downloader.stagings() == []
    assert not list((party.games("downloader") / ".lanspread" / "staging").iterdir())


async def test_another_version_that_is_finished_takes_the_place_of_what_was_left(
    party: Party,
) -> None:
    downloader, _ = await failed(party, await party.hostile({AOE2: GAME}))
    newer = await party.hostile({AOE2: make_game(1, version="20250101", seed=7)})
    await downloader.add_peer(str(newer.address))
    await wait_sources(downloader, 1)
    assert (await download(downloader)).state is DownloadState.FINISHED
    staging = party.games("downloader") / ".lanspread" / "staging"
    await until(lambda: list(staging.iterdir()) == [])


async def test_what_is_in_use_or_not_there_cannot_be_deleted(party: Party) -> None:
    source = await party.hostile({AOE2: GAME})
    source.slow_down(0.05)
    downloader = await party.downloader(source)
    download_id = await start_download(downloader)
    await wait_bytes(downloader, download_id)
    names = [*(p.name for p in (party.games("downloader") / ".lanspread" / "staging").iterdir())]
    assert len(names) == 1
    hostile = ["", ".", "..", "../..", "/", "a/b", "x" * (MAX_PATH_PART_BYTES + 1), "\0"]
    for name in [*names, *hostile]:
        with pytest.raises(errors.StagingNotFound):
            await downloader.delete_staging(name)
    assert (await wait_done(downloader, download_id)).state is DownloadState.FINISHED


async def test_a_broken_staging_is_listed_with_its_fault_and_harms_nobody(party: Party) -> None:
    broken = party.games("downloader") / ".lanspread" / "staging" / "d0"
    make_files(broken, {"download.json": b"{", "manifest": b"", "files/x": b"y"})
    downloader = await party.downloader(await party.hostile({AOE2: GAME}))
    [left] = await downloader.stagings()
    assert (left.name, left.staged, bool(left.fault)) == ("d0", None, True)
    assert (await download(downloader)).state is DownloadState.FINISHED
    await downloader.delete_staging("d0")
    assert await downloader.stagings() == []


async def test_two_deletes_at_once_delete_once(party: Party) -> None:
    downloader, _ = await failed(party, await party.hostile({AOE2: GAME}))
    [left] = await downloader.stagings()
    answers = await asyncio.gather(
        *(downloader.delete_staging(left.name) for _ in range(2)), return_exceptions=True
    )
    assert sorted(type(answer).__name__ for answer in answers) == ["NoneType", "StagingNotFound"]
