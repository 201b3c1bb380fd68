"""`lanspread verify`, `remove` and `remove-peer` against a real control server."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from lanspread_client.cli import main
from lanspread_peer.model.ids import GameId
from lanspread_peer.model.verification import (
    Finding,
    FindingKind,
    VerificationRequest,
    VerificationState,
    VerificationStatus,
)
from lanspread_peer.storage.removal import Removed
from support.cli import ScriptedSidecar, open_command, run, run_json
from support.memory_sidecar import peer_id


def end_by_itself(
    sidecar: ScriptedSidecar, state: VerificationState = VerificationState.FINISHED, **values: Any
) -> None:
    """Let each verification move on and end so."""
    start = sidecar.verifications.start

    def start_and_end(request: VerificationRequest) -> VerificationStatus:
        status = start(request)
        loop = asyncio.get_running_loop()
        loop.call_later(0.05, sidecar.verifications.progress, 500)
        loop.call_later(0.1, lambda: sidecar.verifications.end(state, **values))
        return status

    sidecar.verifications.start = start_and_end  # type: ignore[method-assign]


async def test_an_intact_game_exits_0(state_dir: Path, sidecar: ScriptedSidecar) -> None:
    end_by_itself(sidecar)
    result = await run(state_dir, "verify", "aoe2", "--reseal")
    assert (result.exit_code, result.stderr) == (0, "")
    assert "aoe2: running, 0 B of 1.0 KiB" in result.stdout
    assert "Every file is as it should be." in result.stdout
    assert sidecar.verifications.requests[0].reseal


async def test_a_damaged_game_exits_1_and_lists_what_is_wrong(
    state_dir: Path, sidecar: ScriptedSidecar
) -> None:
    sidecar.verifications.found = [
        Finding("a.eti", FindingKind.CHANGED),
        Finding("odd\x1b[31m", FindingKind.MISSING),
    ]
    end_by_itself(sidecar, missing_files=1, changed_files=1)
    result = await run(state_dir, "verify", "aoe2")
    assert result.exit_code == 1
    assert "a.eti" in result.stdout
    assert "odd\\x1b[31m" in result.stdout
    assert "(GAME_DAMAGED)" in result.stderr
    as_json = await run(state_dir, "verify", "aoe2", "--json")
    assert as_json.exit_code == 1
    assert '"FINDING_KIND_CHANGED"' in as_json.stdout


@pytest.mark.parametrize(
    ("state", "values", "reason"),
    [
        (VerificationState.CANCELLED, {}, "CANCELLED"),
        (
            VerificationState.FAILED,
            {"error_code": "GAME_DIR_GONE", "error_message": "gone"},
            "GAME_DIR_GONE",
        ),
    ],
)
async def test_every_other_end_exits_1(
    state_dir: Path,
    sidecar: ScriptedSidecar,
    state: VerificationState,
    values: dict[str, str],
    reason: str,
) -> None:
    end_by_itself(sidecar, state, **values)
    result = await run(state_dir, "verify", "aoe2")
    assert result.exit_code == 1
    assert f"({reason})" in result.stderr


async def test_ctrl_c_cancels_the_verification(state_dir: Path, sidecar: ScriptedSidecar) -> None:
    async with open_command(state_dir, "verify", "aoe2") as process:
        assert process.stdout is not None
        async with asyncio.timeout(30):
            assert b"aoe2: running" in await process.stdout.readline()
            process.send_signal(2)
            _, stderr = await process.communicate()
    assert process.returncode == 1
    assert b"(CANCELLED)" in stderr
    assert sidecar.verifications.statuses()[0].state is VerificationState.CANCELLED


async def test_a_game_is_removed_once_that_is_confirmed(
    state_dir: Path, sidecar: ScriptedSidecar
) -> None:
    def remove(answer: str) -> tuple[int, str]:
        command = ["--state-dir", str(state_dir), "remove", "aoe2", "--installed"]
        result = CliRunner().invoke(main, command, input=answer)
        return result.exit_code, result.stdout

    assert (await asyncio.to_thread(remove, "n\n"))[0] == 1
    assert [each.id for each in sidecar.library] == ["aoe2", "quake"]
    code, told = await asyncio.to_thread(remove, "y\n")
    assert (code, told.strip()) == (0, "aoe2: removed, 1.0 KiB are free again")
    assert [each.id for each in sidecar.library] == ["quake"]
    assert sidecar.removed_installed


async def test_a_script_is_not_asked(state_dir: Path, sidecar: ScriptedSidecar) -> None:
    assert await run_json(state_dir, "remove", "aoe2", "--yes") == {
        "removed_bytes": "1000",
        "left_file_count": "0",
    }
    assert not sidecar.removed_installed
    again = await run(state_dir, "remove", "aoe2", "--yes")
    assert (again.exit_code, "(GAME_NOT_FOUND)" in again.stderr) == (1, True)


async def test_files_that_are_left_are_told(
    state_dir: Path, sidecar: ScriptedSidecar, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def leave_two(_game_id: GameId, *, remove_installed: bool) -> Removed:
        assert not remove_installed
        return Removed(10, 2)

    monkeypatch.setattr(sidecar, "remove_game", leave_two)
    result = await run(state_dir, "remove", "aoe2", "--yes")
    assert result.exit_code == 1
    assert "2 files are in use" in result.stderr
    assert "(FILES_LEFT)" in result.stderr


async def test_a_peer_is_removed_by_how_its_id_begins(
    state_dir: Path, sidecar: ScriptedSidecar
) -> None:
    result = await run(state_dir, "remove-peer", peer_id(1)[:10])
    assert (result.exit_code, result.stdout) == (0, f"{peer_id(1)}: removed\n")
    assert sidecar.known_peers == []
    again = await run(state_dir, "remove-peer", peer_id(1))
    assert (again.exit_code, "(PEER_NOT_FOUND)" in again.stderr) == (1, True)
