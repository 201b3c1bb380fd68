"""Games that are removed on command, through whole sidecars."""

import asyncio
import errno
import os
from pathlib import Path

import pytest

from lanspread_peer.model import errors
from lanspread_peer.model.download import DownloadState
from lanspread_peer.model.events import GameRemoved, VerifyEnded, Warned
from lanspread_peer.model.ids import GameId
from lanspread_peer.model.verification import VerificationRequest, VerificationState
from lanspread_peer.runtime.background_pace import BackgroundPace
from lanspread_peer.runtime.sidecar import Sidecar
from lanspread_peer.storage.game_dir import GameDir
from lanspread_peer.storage.index import Index
from lanspread_peer.storage.removal import RemovalStep, Removed, remove_game
from lanspread_peer.storage.removal_note import forget_removal
from support.party import (
    AOE2,
    Party,
    change_settings,
    download,
    make_game,
    start_download,
    title,
    until,
    wait_bytes,
    wait_done,
    wait_sources,
)
from support.storage_folders import make_files, snapshot

MIB = 1024 * 1024
GAME = make_game(2)
SIZE = sum(map(len, GAME.values()))
LOCAL = {"local/aoe2.exe": b"installed", "one.sav": b"saved"}


async def downloaded(party: Party) -> Sidecar:
    source = await party.start("source", {AOE2: GAME})
    owner = await party.downloader(source)
    assert (await download(owner)).state is DownloadState.FINISHED
    await until(lambda: (shown := title(owner)) and shown.local and shown.local.content_id)
    make_files(party.game("downloader"), LOCAL)
    return owner


def is_here(sidecar: Sidecar) -> bool:
    shown = title(sidecar)
    return shown is not None and shown.local is not None


async def test_a_removed_game_is_offered_no_more_at_once_and_can_be_downloaded_again(
    party: Party,
) -> None:
    owner = await downloaded(party)
    other = await party.start("other", peers=(owner,))
    # It hears of the source, too.
    await wait_sources(other, 2)
    assert await owner.remove_game(AOE2, remove_installed=False) == Removed(SIZE, 0)
    assert not is_here(owner)
    assert snapshot(party.game("downloader")) == {**LOCAL, "local": None}
    await party.events(owner).wait_for(GameRemoved, lambda event: event.removed_bytes == SIZE)
    await wait_sources(other, 1)
    assert (await download(owner)).state is DownloadState.FINISHED
    await until(lambda: is_here(owner))
    assert (party.game("downloader") / "one.sav").read_bytes() == b"saved"


async def test_installed_content_goes_when_that_is_asked_for(party: Party) -> None:
    owner = await downloaded(party)
    await owner.remove_game(GameId("AOE2"), remove_installed=True)
    assert snapshot(party.game("downloader")) == {"one.sav": b"saved"}


async def test_it_is_refused_while_a_download_of_the_game_is_not_over(party: Party) -> None:
    source = await party.start("source", {AOE2: make_game(8)})
    sidecar = await party.start("downloader", peers=(source,))
    await wait_sources(sidecar, 1)
    await change_settings(sidecar, download_bytes_per_second=MIB)
    download_id = await start_download(sidecar)
    await wait_bytes(sidecar, download_id)
    with pytest.raises(errors.DownloadActive) as caught:
        await sidecar.remove_game(AOE2, remove_installed=False)
    assert caught.value.metadata["download_id"] == download_id
    await change_settings(sidecar, download_bytes_per_second=None)
    assert (await wait_done(sidecar, download_id)).state is DownloadState.FINISHED
    await sidecar.remove_game(AOE2, remove_installed=False)
    assert not party.game("downloader").exists()


async def test_no_download_of_the_game_begins_meanwhile(
    party: Party, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = await downloaded(party)
    loop = asyncio.get_running_loop()
    again: list[asyncio.Task[object]] = []

    def forget(state_dir: Path, game_dir: GameDir, folder: str) -> None:
        loop.call_soon_threadsafe(lambda: again.append(loop.create_task(download(owner))))
        forget_removal(state_dir, game_dir, folder)

    monkeypatch.setattr("lanspread_peer.storage.removal.forget_removal", forget)
    await owner.remove_game(AOE2, remove_installed=False)
    await until(lambda: again and again[0].done())
    assert again[0].result().state is DownloadState.FINISHED  # type: ignore[attr-defined]
    await until(lambda: is_here(owner))
    assert (party.game("downloader") / "aoe2.eti").read_bytes() == GAME["aoe2.eti"]


async def test_a_verification_of_it_ends_first(
    party: Party, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BackgroundPace, "rest_if_due", lambda self: self._cancelled.wait())
    sidecar = await party.start("alice", {AOE2: GAME})
    sidecar.verifications.start(VerificationRequest(AOE2))
    await until(lambda: sidecar.verifications.statuses()[0].done_bytes > 0)
    await sidecar.remove_game(AOE2, remove_installed=False)
    assert sidecar.verifications.statuses()[0].state is VerificationState.CANCELLED
    await party.events(sidecar).wait_for(VerifyEnded)
    assert not party.game("alice").exists()


async def test_what_is_not_here_is_not_removed(party: Party) -> None:
    source = await party.start("source", {AOE2: GAME})
    sidecar = await party.downloader(source)
    make_files(party.game("downloader", "notes"), {"notes.txt": b"mine"})
    for game_id in (AOE2, GameId("notes"), GameId("quake")):
        with pytest.raises(errors.GameNotFound):
            await sidecar.remove_game(game_id, remove_installed=True)
    assert snapshot(party.game("downloader", "notes")) == {"notes.txt": b"mine"}


async def test_a_game_folder_that_is_gone_is_an_error(party: Party) -> None:
    sidecar = await party.start("alice", {AOE2: GAME})
    games = party.games("alice")
    games.rename(games.with_name("unplugged"))
    with pytest.raises(errors.GameDirGone):
        await sidecar.remove_game(AOE2, remove_installed=False)
    games.with_name("unplugged").rename(games)
    assert (party.game("alice") / "version.ini").exists()


async def test_a_caller_who_gives_up_does_not_stop_it_in_the_middle(party: Party) -> None:
    sidecar = await party.start("alice", {AOE2: GAME})
    removing = asyncio.get_running_loop().create_task(
        sidecar.remove_game(AOE2, remove_installed=False)
    )
    await asyncio.sleep(0)
    removing.cancel()
    await asyncio.wait({removing})
    await until(lambda: not is_here(sidecar))
    assert not party.game("alice").exists()


class Killed(BaseException):
    pass


async def test_a_start_finishes_what_a_kill_has_cut_and_tells(party: Party) -> None:
    owner = await downloaded(party)
    await party.end(owner)

    def kill(step: RemovalStep) -> None:
        if step is RemovalStep.REMOVE_FILE:
            raise Killed

    games = party.games("downloader")
    index = Index(party.root / "downloader" / "state")
    with pytest.raises(Killed):
        remove_game(GameDir.open(str(games)), AOE2, index, before_step=kill)
    index.close()
    assert (games / AOE2 / "aoe2.eti").exists()
    again = await party.start("downloader")
    assert snapshot(party.game("downloader")) == {**LOCAL, "local": None}
    await party.events(again).wait_for(Warned, lambda event: event.code == "REMOVAL_FINISHED")
    assert not is_here(again)


async def test_a_start_tells_of_what_was_removed_and_stays_on_disk(
    party: Party, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_files(party.games("alice") / ".lanspread" / "scratch", {"held": b""})
    unlink = os.unlink

    def unlink_others(path: str, *, dir_fd: int | None = None) -> None:
        if path == "held":
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))
        unlink(path, dir_fd=dir_fd)

    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", unlink_others)
        sidecar = await party.start("alice")
        await party.events(sidecar).wait_for(Warned, lambda event: event.code == "REMOVAL_STUCK")
        await party.end(sidecar)
    sidecar = await party.start("alice")
    assert not list(party.games("alice").glob(".lanspread/scratch/*"))
