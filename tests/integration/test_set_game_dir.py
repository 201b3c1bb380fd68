"""Switching the game folder of a running sidecar."""

import asyncio
from pathlib import Path

import pytest

from lanspread_peer.model import errors
from lanspread_peer.model.download import DownloadRequest, DownloadState
from lanspread_peer.model.events import GameDirChanged, ScanFinished
from lanspread_peer.model.game import Title, Variant
from lanspread_peer.model.manifest import Manifest
from lanspread_peer.runtime.game_questions import GameQuestions
from lanspread_peer.storage.game_dir import GameDir
from lanspread_peer.storage.locks import lock_folder
from lanspread_peer.wire import messages
from support.hostile_peer import silent
from support.party import (
    AOE2,
    Party,
    download,
    make_game,
    start_download,
    title,
    until,
    wait_sources,
)
from support.storage_folders import make_files, snapshot

GAME = make_game(1)


def other_folder(party: Party) -> Path:
    folder = party.root / "elsewhere"
    make_files(folder / "doom", GAME)
    return folder


async def test_titles_peers_and_status_switch_with_the_folder(party: Party) -> None:
    sidecar = await party.start("sidecar", {AOE2: GAME})
    watcher = await party.downloader(sidecar)
    folder = other_folder(party)
    await sidecar.set_game_dir(str(folder))
    assert [each.id for each in sidecar.titles()] == ["doom"]
    assert sidecar.status().game_dir == str(folder)
    await wait_sources(watcher, 1, "doom")
    assert title(watcher) is None
    changed = await party.events(sidecar).wait_for(GameDirChanged)
    assert changed.game_dir == str(folder)
    await sidecar.set_game_dir(str(party.games("sidecar")))
    await wait_sources(watcher, 1)
    await until(lambda: not sidecar.status().indexing)
    scans = [scan.hashed_bytes for scan in party.events(sidecar).of(ScanFinished)]
    assert scans[-1] == 0, "what was hashed before is still known"


async def test_changes_in_the_new_folder_are_noticed_and_in_the_old_one_not(party: Party) -> None:
    sidecar = await party.start("sidecar")
    folder = other_folder(party)
    await sidecar.set_game_dir(str(folder))
    make_files(party.game("sidecar"), GAME)
    make_files(folder / "quake", GAME)
    await until(lambda: title(sidecar, "quake"))
    assert {each.id for each in sidecar.titles()} == {"doom", "quake"}


async def test_the_lock_moves_with_the_folder(party: Party) -> None:
    sidecar = await party.start("sidecar")
    folder = other_folder(party)
    await sidecar.set_game_dir(str(folder))
    with pytest.raises(errors.AlreadyRunning):
        lock_folder(folder / ".lanspread", "game folder")
    lock_folder(party.games("sidecar") / ".lanspread", "game folder").release()


async def test_a_folder_that_cannot_be_used_changes_nothing(party: Party) -> None:
    sidecar = await party.start("sidecar", {AOE2: GAME})
    await party.start("other")
    file = party.root / "file"
    file.write_bytes(b"")
    for path, error in (
        (str(party.root / "missing"), errors.GameDirUnusable),
        (str(file), errors.GameDirUnusable),
        ("relative", errors.GameDirUnusable),
        ("", errors.GameDirUnusable),
        (str(party.games("other")), errors.AlreadyRunning),
    ):
        with pytest.raises(error):
            await sidecar.set_game_dir(path)
    assert sidecar.status().game_dir == str(party.games("sidecar"))
    assert [each.id for each in sidecar.titles()] == [AOE2]
    with pytest.raises(errors.AlreadyRunning):
        lock_folder(party.games("sidecar") / ".lanspread", "game folder")


async def test_it_is_refused_during_a_download(party: Party) -> None:
    source = await party.hostile({AOE2: GAME})
    source.answers[messages.GetGameFileChunk] = silent
    downloader = await party.downloader(source)
    download_id = await start_download(downloader)
    with pytest.raises(errors.DownloadActive) as caught:
        await downloader.set_game_dir(str(other_folder(party)))
    assert caught.value.metadata == {"download_id": download_id}
    await downloader.cancel_download(download_id)
    await downloader.set_game_dir(str(other_folder(party)))


async def test_a_download_that_is_being_planned_goes_where_the_folder_goes(
    party: Party, monkeypatch: pytest.MonkeyPatch
) -> None:
    downloader = await party.downloader(await party.start("source", {AOE2: GAME}))
    folder = other_folder(party)
    choose = GameQuestions.choice

    async def interrupted(questions: GameQuestions, title: Title) -> tuple[Variant, Manifest]:
        chosen = await choose(questions, title)
        await downloader.set_game_dir(str(folder))
        return chosen

    monkeypatch.setattr(GameQuestions, "choice", interrupted)
    status = await download(downloader)
    assert status.state is DownloadState.FINISHED
    assert not party.game("downloader").exists()
    assert snapshot(folder / AOE2) == snapshot(party.game("source"))


async def test_two_switches_at_once_end_in_one_folder(party: Party) -> None:
    sidecar = await party.start("sidecar", {AOE2: GAME})
    first = other_folder(party)
    second = make_files(party.root / "second" / "quake", GAME).parent
    await asyncio.gather(sidecar.set_game_dir(str(first)), sidecar.set_game_dir(str(second)))
    assert sidecar.status().game_dir == str(second)
    assert [each.id for each in sidecar.titles()] == ["quake"]
    lock_folder(GameDir.open(str(first)).own, "game folder").release()
    with pytest.raises(errors.AlreadyRunning):
        lock_folder(second / ".lanspread", "game folder")


async def test_the_same_folder_again_is_only_looked_at(party: Party) -> None:
    sidecar = await party.start("sidecar", {AOE2: GAME})
    await sidecar.set_game_dir(str(party.games("sidecar")))
    await until(lambda: not sidecar.status().indexing)
    assert party.events(sidecar).of(GameDirChanged) == []
    assert [each.id for each in sidecar.titles()] == [AOE2]


async def test_a_switch_while_a_game_is_hashed_ends_the_hashing(party: Party) -> None:
    make_files(party.game("sidecar"), make_game(32))
    settings = party.settings("sidecar")
    sidecar = await party.start_with(settings)
    folder = other_folder(party)
    await sidecar.set_game_dir(str(folder))
    await until(lambda: not sidecar.status().indexing)
    assert [each.id for each in sidecar.titles()] == ["doom"]
    with pytest.raises(errors.GameNotFound):
        await sidecar.start_download(DownloadRequest(AOE2))
