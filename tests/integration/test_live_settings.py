"""Live settings of whole sidecars: kept, told, and in effect at once."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from lanspread_peer.model import errors
from lanspread_peer.model.download import DownloadState
from lanspread_peer.model.events import SettingsChanged, Warned
from lanspread_peer.model.limits import MAX_UPLOADS, MIN_RATE_LIMIT_BYTES_PER_SECOND
from lanspread_peer.model.live_settings import DEFAULT_PATIENCE_S, SETTING_NAMES, ChosenSettings
from lanspread_peer.runtime.current_settings import default_name
from lanspread_peer.storage.settings_file import DAMAGED_FILE, SETTINGS_FILE
from support.party import (
    AOE2,
    Party,
    change_settings,
    make_game,
    start_download,
    until,
    wait_bytes,
    wait_done,
)
from support.storage_folders import make_files

LOWEST = MIN_RATE_LIMIT_BYTES_PER_SECOND
GAME_MIB = 6


async def test_settings_are_kept_over_a_restart_and_told(party: Party) -> None:
    settings = replace(party.settings("sidecar"), given=ChosenSettings())
    sidecar = await party.start_with(settings)
    assert sidecar.settings() == ChosenSettings().in_effect(default_name())
    chosen = ChosenSettings(LOWEST, 2 * LOWEST, 3, 4.5, "Anna")
    told = await sidecar.update_settings(chosen, frozenset(SETTING_NAMES))
    assert told == sidecar.settings() == chosen.in_effect("")
    assert sidecar.status().name == "Anna"
    await party.events(sidecar).wait_for(SettingsChanged, lambda event: event.settings == told)
    await party.end(sidecar)
    again = await party.start_with(settings)
    assert again.settings() == told
    assert again.status().name == "Anna"
    await again.update_settings(ChosenSettings(), frozenset(SETTING_NAMES))
    await party.end(again)
    assert (await party.start_with(settings)).settings() == ChosenSettings().in_effect(
        default_name()
    )


async def test_what_is_given_at_the_start_wins_until_it_is_changed(party: Party) -> None:
    sidecar = await party.start_with(replace(party.settings("sidecar"), given=ChosenSettings()))
    await change_settings(sidecar, name="stored", upload_slots=3)
    await party.end(sidecar)
    sidecar = await party.start_with(
        replace(party.settings("sidecar"), given=ChosenSettings(name="given"))
    )
    assert (sidecar.settings().name, sidecar.settings().upload_slots) == ("given", 3)
    await change_settings(sidecar, upload_slots=4)
    assert sidecar.settings().name == "given"
    await change_settings(sidecar, name="told")
    assert sidecar.settings().name == "told"
    await party.end(sidecar)
    sidecar = await party.start_with(replace(party.settings("sidecar"), given=ChosenSettings()))
    assert sidecar.settings().name == "told"


async def test_what_is_configured_for_the_machine_is_behind_what_was_told(party: Party) -> None:
    settings = replace(
        party.settings("sidecar"),
        given=ChosenSettings(),
        fallback=ChosenSettings(name="machine", upload_slots=3),
    )
    sidecar = await party.start_with(settings)
    assert (sidecar.settings().name, sidecar.settings().upload_slots) == ("machine", 3)
    await change_settings(sidecar, name="told")
    await party.end(sidecar)
    sidecar = await party.start_with(settings)
    assert (sidecar.settings().name, sidecar.settings().upload_slots) == ("told", 3)
    # What is taken back is what it was before anybody told anything.
    await change_settings(sidecar, name=None)
    assert sidecar.settings().name == "machine"


async def test_a_new_name_is_heard_by_who_connects_from_then_on(party: Party) -> None:
    sidecar = await party.start("sidecar")
    await change_settings(sidecar, name="Anna")
    other = await party.start("other", peers=(sidecar,))
    await until(lambda: [peer.name for peer in other.peers()] == ["Anna"])


async def test_patience_counts_at_once_for_who_waits_already(party: Party) -> None:
    source = await party.start("source", {AOE2: make_game(GAME_MIB)})
    downloader = await party.downloader(source, patience_s=DEFAULT_PATIENCE_S * 60)
    await change_settings(downloader, download_bytes_per_second=LOWEST)
    download_id = await start_download(downloader)
    await wait_bytes(downloader, download_id)
    await party.end(source)
    await until(lambda: downloader.download(download_id).state is DownloadState.WAITING)
    await change_settings(downloader, patience_seconds=0.1)
    assert (await wait_done(downloader, download_id, 60)).state is DownloadState.FAILED


async def test_a_change_that_cannot_be_written_is_none(party: Party) -> None:
    sidecar = await party.start("sidecar")
    before = sidecar.settings()
    # A folder in the file's place cannot be replaced by a file.
    (sidecar.state_dir / SETTINGS_FILE / "in the way").mkdir(parents=True)
    with pytest.raises(errors.StorageError):
        await change_settings(sidecar, upload_slots=MAX_UPLOADS + 1)
    assert sidecar.settings() == before
    assert party.events(sidecar).of(SettingsChanged) == []


async def test_a_damaged_file_is_set_aside_and_told(party: Party) -> None:
    settings = replace(party.settings("sidecar"), given=ChosenSettings())
    state = Path(settings.state_dir)
    make_files(state, {SETTINGS_FILE: b'{"upload_bytes_per_second": 0}'})
    sidecar = await party.start_with(settings)
    assert sidecar.settings() == ChosenSettings().in_effect(default_name())
    await party.events(sidecar).wait_for(Warned, lambda event: event.code == "SETTINGS_DAMAGED")
    assert (state / DAMAGED_FILE).exists()


async def test_changes_at_once_are_one_after_the_other(party: Party) -> None:
    sidecar = await party.start("sidecar")
    await asyncio.gather(
        change_settings(sidecar, upload_slots=5),
        change_settings(sidecar, upload_bytes_per_second=LOWEST),
    )
    assert (sidecar.settings().upload_slots, sidecar.settings().upload_bytes_per_second) == (
        5,
        LOWEST,
    )
    assert len(party.events(sidecar).of(SettingsChanged)) == 2
