"""A sidecar's start and end: one per folder, and afterwards nothing of it is left."""

import asyncio
import socket
import threading
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from lanspread_peer.model import errors
from lanspread_peer.model.events import DownloadCancelled, DownloadFailedEvent, GamesUpdated
from lanspread_peer.runtime.sidecar import Sidecar
from lanspread_peer.storage.game_dir import GameDir
from lanspread_peer.storage.locks import lock_folder
from lanspread_peer.wire import messages
from support.hostile_peer import silent
from support.party import (
    AOE2,
    Party,
    address_of,
    download,
    make_game,
    start_download,
    until,
)
from support.quic_party import LOOPBACK
from support.storage_folders import make_files

GAME = make_game(1)


def open_files() -> set[str]:
    """What this process has open, as the system names it."""
    links = [path.readlink() for path in Path("/proc/self/fd").iterdir() if path.is_symlink()]
    return {str(link) for link in links}


def other_threads() -> set[str]:
    """Threads that are not idle ones of the default executor, or of the one that watching uses."""
    idle = ("asyncio_", "AnyIO worker")
    return {t.name for t in threading.enumerate() if not t.name.startswith(idle)}


async def test_nothing_is_left_when_it_has_ended(party: Party) -> None:
    tasks, threads, files = asyncio.all_tasks(), other_threads(), open_files()
    sockets = set(psutil.Process().net_connections())
    source = await party.start("source", {AOE2: GAME})
    downloader = await party.downloader(source)
    await download(downloader)
    assert asyncio.all_tasks() > tasks
    assert set(psutil.Process().net_connections()) - sockets
    folders = [party.games(name) / ".lanspread" for name in ("source", "downloader")]
    folders += [party.root / name / "state" for name in ("source", "downloader")]
    await party.close()
    assert asyncio.all_tasks() == tasks
    # What earlier tests left to end by itself may end meanwhile.
    assert other_threads() <= threads
    assert set(psutil.Process().net_connections()) <= sockets
    assert {each for each in open_files() - files if str(party.root) in each} == set()
    for folder in folders:
        lock_folder(folder, "folder").release()


async def test_nothing_is_told_after_the_end(party: Party) -> None:
    source = await party.start("source", {AOE2: GAME})
    downloader = await party.downloader(source)
    await party.events(downloader).wait_for(GamesUpdated)
    subscription = downloader.events.subscribe()
    await party.end(downloader)
    last = subscription.resume_token
    downloader.events.end()
    while (delivery := await subscription.next()) is not None:
        last = delivery.resume_token
    await asyncio.sleep(0.3)
    assert downloader.events.subscribe().resume_token == last


async def test_a_download_in_progress_does_not_end_with_the_sidecar(party: Party) -> None:
    source = await party.hostile({AOE2: GAME})
    source.answers[messages.GetGameFileChunk] = silent
    downloader = await party.downloader(source)
    download_id = await start_download(downloader)
    await until(lambda: source.asked(messages.GetGameFileChunk))
    subscription = downloader.events.subscribe()
    await downloader.close()
    assert not downloader.download(download_id).state.is_final
    downloader.events.end()
    while (delivery := await subscription.next()) is not None:
        assert not isinstance(delivery.event, DownloadCancelled | DownloadFailedEvent)
    staging = party.games("downloader") / ".lanspread/staging"
    assert [path.name for path in staging.iterdir()] == [download_id]


async def test_a_download_that_comes_too_late_is_refused(party: Party) -> None:
    source = await party.start("source", {AOE2: GAME})
    downloader = await party.downloader(source)
    late = asyncio.ensure_future(start_download(downloader))
    await asyncio.sleep(0)
    await downloader.close()
    with pytest.raises(errors.LanspreadError):
        await late
    assert downloader.downloads() == []


async def test_closing_twice_is_no_error(party: Party) -> None:
    sidecar = await party.start("sidecar")
    await sidecar.close()
    await sidecar.close()


async def test_a_state_folder_and_a_game_folder_have_one_sidecar(party: Party) -> None:
    await party.start("first")
    state, games = str(party.root / "first" / "state"), str(party.games("first"))
    own = party.settings("second")
    for settings in (
        replace(own, state_dir=state),
        replace(own, game_dir=games),
    ):
        with pytest.raises(errors.AlreadyRunning):
            await Sidecar.start(settings)
    # What failed has let go of the folder that was free.
    await party.start("second")


async def test_a_start_that_fails_leaves_nothing(party: Party) -> None:
    before = asyncio.all_tasks()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind((LOOPBACK, 0))
        port = taken.getsockname()[1]
        with pytest.raises(errors.CannotBind):
            await party.start("sidecar", port=port)
    with pytest.raises(errors.InvalidField):
        await party.start("sidecar", peers=("nonsense",))
    with pytest.raises(errors.GameDirUnusable):
        await Sidecar.start(replace(party.settings("sidecar"), game_dir="/missing"))
    assert asyncio.all_tasks() == before
    await party.start("sidecar")


async def test_a_start_keeps_what_a_crash_left_of_downloads_and_clears_its_scratch(
    party: Party,
) -> None:
    own = party.games("sidecar") / ".lanspread"
    make_files(own / "staging/old/files", {"aoe2.eti": b"half"})
    make_files(own / "scratch/half", {"deleted": b"half"})
    await party.start("sidecar")
    assert (own / "staging/old/files/aoe2.eti").read_bytes() == b"half"
    assert list((own / "scratch").iterdir()) == []


async def test_the_status_says_what_it_is_and_did(party: Party) -> None:
    source = await party.start("source", {AOE2: GAME})
    downloader = await party.downloader(source)
    status = await download(downloader)
    said, source_said = downloader.status(), source.status()
    assert (said.name, said.peer_count, said.indexing) == ("downloader", 1, False)
    assert said.counters.received_bytes == status.fetched_bytes + status.wasted_bytes
    assert source_said.counters.sent_bytes >= status.fetched_bytes
    assert source_said.counters.requests_served > 0
    assert said.uptime_seconds > 0
    assert source_said.game_count == 1
    assert [str(each) for each in source_said.addresses] == [address_of(source)]
    (peer,) = downloader.peers()
    assert (peer.games, peer.served_bytes) == (1, status.fetched_bytes)
    assert peer.library_bytes == status.total_bytes


async def test_the_peer_id_survives_a_restart_and_the_instance_does_not(party: Party) -> None:
    first = await party.start("sidecar")
    before = first.status()
    await party.end(first)
    after = (await party.start("sidecar")).status()
    assert after.peer_id == before.peer_id
    assert after.instance_id != before.instance_id
    assert GameDir.open(before.game_dir).root == Path(after.game_dir)


async def test_waiting_for_the_shutdown_ends_when_it_is_asked_for(party: Party) -> None:
    sidecar = await party.start("sidecar")
    waiting = asyncio.ensure_future(sidecar.wait_shutdown())
    await asyncio.sleep(0)
    assert not waiting.done()
    sidecar.request_shutdown()
    await asyncio.wait_for(waiting, 10)
