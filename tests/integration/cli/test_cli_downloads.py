"""The commands of `lanspread` about downloads, against a real control server."""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

import pytest

from lanspread_peer.model.download import DownloadRequest, DownloadState
from support.cli import ScriptedSidecar, open_command, run, run_json
from support.memory_sidecar import CONTENT_ID, staging


async def test_get_exits_0_once_the_game_is_there(state_dir: Path) -> None:
    result = await run(state_dir, "get", "aoe2")
    assert (result.exit_code, result.stderr) == (0, "")
    assert "aoe2 20240229: finished" in result.stdout


async def test_get_passes_on_what_is_selected(state_dir: Path, sidecar: ScriptedSidecar) -> None:
    arguments = ("aoe2", "--content", CONTENT_ID, "--file", "a.dat", "--file", "b.dat")
    assert (await run(state_dir, "get", *arguments)).exit_code == 0
    request = sidecar.requests[0]
    assert (request.content_id, request.paths) == (CONTENT_ID, ("a.dat", "b.dat"))


async def test_get_writes_a_line_of_json_per_change(state_dir: Path) -> None:
    result = await run(state_dir, "get", "aoe2", "--json")
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert result.exit_code == 0
    assert lines[0]["state"] == "DOWNLOAD_STATE_RUNNING"
    assert lines[-1]["state"] == "DOWNLOAD_STATE_FINISHED"
    assert "500" in [line["done_bytes"] for line in lines]


@pytest.mark.parametrize(
    ("end_as", "told"),
    [
        ((DownloadState.FAILED, "NO_SOURCE"), "the download failed: it failed (NO_SOURCE)"),
        (
            (DownloadState.CANCELLED, ""),
            "the download was cancelled; the game folder is as it was (CANCELLED)",
        ),
    ],
)
async def test_get_exits_1_for_every_other_end(
    state_dir: Path, sidecar: ScriptedSidecar, end_as: tuple[DownloadState, str], told: str
) -> None:
    sidecar.end_as = end_as
    for flags in ((), ("--json",)):
        result = await run(state_dir, "get", "aoe2", *flags)
        assert (result.exit_code, result.stderr.strip()) == (1, told)


async def test_get_ends_when_the_disk_stops_the_download_and_says_how_to_go_on(
    state_dir: Path, sidecar: ScriptedSidecar
) -> None:
    sidecar.end_as = (DownloadState.PAUSED, "DISK_FULL")
    result = await run(state_dir, "get", "aoe2")
    assert result.exit_code == 1
    assert result.stderr == (
        "the download is paused: it failed; when that is mended, `lanspread resume d1` lets it"
        " go on (DISK_FULL)\n"
    )


async def test_a_download_can_be_cancelled_by_its_id(
    state_dir: Path, sidecar: ScriptedSidecar
) -> None:
    sidecar.end_as = None
    status = await sidecar.start_download(DownloadRequest(sidecar.library[0].id))
    cancelled = await run_json(state_dir, "cancel", status.id)
    assert cancelled["state"] == "DOWNLOAD_STATE_CANCELLED"
    result = await run(state_dir, "cancel", "d99")
    assert (result.exit_code, "DOWNLOAD_NOT_FOUND" in result.stderr) == (1, True)


async def test_a_download_can_be_paused_and_resumed_by_its_id(
    state_dir: Path, sidecar: ScriptedSidecar
) -> None:
    sidecar.end_as = None
    status = await sidecar.start_download(DownloadRequest(sidecar.library[0].id))
    paused = await run_json(state_dir, "pause", status.id)
    assert paused["state"] == "DOWNLOAD_STATE_PAUSED"
    resumed = await run_json(state_dir, "resume", status.id)
    assert resumed["state"] == "DOWNLOAD_STATE_RUNNING"
    sidecar.end(DownloadState.FINISHED)
    result = await run(state_dir, "pause", status.id)
    assert (result.exit_code, "DOWNLOAD_ENDED" in result.stderr) == (1, True)


async def test_what_failed_downloads_left_is_listed_and_deleted_by_name(
    state_dir: Path, sidecar: ScriptedSidecar
) -> None:
    sidecar.left_behind = [staging("d7"), staging("d8"), staging("d9", fault="torn")]
    listed = await run(state_dir, "stagings")
    assert [line.split()[0] for line in listed.stdout.splitlines() if "d" in line[:1]] == [
        "d7",
        "d8",
        "d9",
    ]
    assert "torn" in listed.stdout
    assert (await run(state_dir, "clean", "d8")).stdout == "d8: deleted\n"
    assert [each["name"] for each in (await run_json(state_dir, "stagings"))["stagings"]] == [
        "d7",
        "d9",
    ]
    result = await run(state_dir, "clean", "d8", "d9")
    assert result.stdout == "d9: deleted\n"
    assert (result.exit_code, "STAGING_NOT_FOUND" in result.stderr) == (1, True)
    assert (await run(state_dir, "clean", "--all")).exit_code == 0
    assert sidecar.left_behind == []


async def test_clean_deletes_nothing_unless_it_is_told_what(state_dir: Path) -> None:
    assert (await run(state_dir, "clean")).exit_code == 2
    assert (await run(state_dir, "clean", "d8", "--all")).exit_code == 2


async def test_ctrl_c_cancels_the_download_and_says_so(
    state_dir: Path, sidecar: ScriptedSidecar
) -> None:
    sidecar.end_as = None
    async with open_command(state_dir, "get", "aoe2", "--json") as process:
        assert process.stdout is not None
        assert json.loads(await process.stdout.readline())["state"] == "DOWNLOAD_STATE_RUNNING"
        process.send_signal(signal.SIGINT)
        stdout, stderr = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode == 1
    assert json.loads(stdout.splitlines()[-1])["state"] == "DOWNLOAD_STATE_CANCELLED"
    assert stderr.decode().splitlines() == [
        "Cancelling the download.",
        "the download was cancelled; the game folder is as it was (CANCELLED)",
    ]
    assert sidecar.downloads()[0].state is DownloadState.CANCELLED


@pytest.mark.skipif(os.name != "posix", reason="a terminal of its own needs a pty")
async def test_a_terminal_gets_a_bar_with_speed_eta_and_sources(
    state_dir: Path, sidecar: ScriptedSidecar
) -> None:
    sidecar.end_as = None
    outer, inner = os.openpty()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "lanspread_client.cli", "--state-dir", str(state_dir)),
        *("get", "aoe2"),
        stdout=inner,
        stderr=inner,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "120"},
    )
    os.close(inner)
    seen = b""
    try:
        async with asyncio.timeout(20):
            await sidecar.has_started.wait()
            sidecar.progress(500)
            while b"50 %, 500 B of 1.0 KiB, 100 B/s, 0:10 left" not in seen:
                seen += await asyncio.to_thread(os.read, outer, 4096)
            sidecar.end(DownloadState.FINISHED)
            while b"aoe2 20240229: finished" not in seen:
                seen += await asyncio.to_thread(os.read, outer, 4096)
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        os.close(outer)
    assert "━".encode() in seen
