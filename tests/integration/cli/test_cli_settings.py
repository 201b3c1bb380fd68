"""`lanspread settings` against a real control server."""

from pathlib import Path

import pytest

from lanspread_peer.model.live_settings import ChosenSettings
from support.cli import ScriptedSidecar, run, run_json


async def test_settings_are_told_and_a_limit_that_is_none_is_unlimited(state_dir: Path) -> None:
    shown = await run(state_dir, "settings")
    assert (shown.exit_code, shown.stderr) == (0, "")
    assert "upload-limit:   unlimited\ndownload-limit: unlimited\n" in shown.stdout
    assert (await run_json(state_dir, "settings"))["upload_slots"] == 12


async def test_settings_are_set_and_reset(state_dir: Path, sidecar: ScriptedSidecar) -> None:
    shown = await run(state_dir, "settings", "set", "upload-limit", "20MB/s")
    assert "(20000000 bytes)" in shown.stdout
    told = await run_json(state_dir, "settings", "set", "patience", "2m")
    assert (told["upload_bytes_per_second"], told["patience_seconds"]) == ("20000000", 120.0)
    for setting, value in (("download-limit", "1MiB"), ("upload-slots", "3"), ("name", "a b")):
        await run_json(state_dir, "settings", "set", setting, value)
    assert sidecar.chosen == ChosenSettings(20_000_000, 1024 * 1024, 3, 120.0, "a b")
    await run_json(state_dir, "settings", "set", "upload-limit", "unlimited")
    for setting in ("download-limit", "upload-slots", "patience", "name"):
        await run_json(state_dir, "settings", "reset", setting)
    assert sidecar.chosen == ChosenSettings()


@pytest.mark.parametrize(
    ("setting", "value"), [("upload-limit", "0"), ("upload-slots", "0"), ("name", "")]
)
async def test_what_the_sidecar_refuses_is_one_sentence(
    state_dir: Path, sidecar: ScriptedSidecar, setting: str, value: str
) -> None:
    refused = await run(state_dir, "settings", "set", setting, value)
    assert refused.exit_code == 1
    assert "(INVALID_FIELD)" in refused.stderr
    assert sidecar.chosen == ChosenSettings()


@pytest.mark.parametrize(
    "arguments", [("set", "upload-limit", "fast"), ("set", "colour", "red"), ("reset", "colour")]
)
async def test_a_command_line_that_makes_no_sense_is_no_question_to_the_sidecar(
    state_dir: Path, arguments: tuple[str, ...]
) -> None:
    assert (await run(state_dir, "settings", *arguments)).exit_code == 2
