"""The command `lanspread` against a real control server: what it prints, and how it exits."""

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from lanspread_client.cli import main
from lanspread_peer.control.server import ControlServer
from lanspread_peer.model.download import DownloadRequest, DownloadState, DownloadStatus
from lanspread_peer.model.events import Warned
from lanspread_peer.model.game import LocalGame, LocalState
from lanspread_peer.model.version import Version
from support.control import TOKEN
from support.memory_sidecar import CONTENT_ID, INSTANCE, MemorySidecar, peer, staging, title


class ScriptedSidecar(MemorySidecar):
    """A sidecar whose downloads end by themselves, as `end_as` says."""

    def __init__(self) -> None:
        super().__init__()
        self.end_as: tuple[DownloadState, str] | None = (DownloadState.FINISHED, "")
        self.has_started = asyncio.Event()
        self.is_ending = asyncio.Event()

    async def start_download(self, request: DownloadRequest) -> DownloadStatus:
        status = await super().start_download(request)
        self.has_started.set()
        if self.end_as:
            asyncio.get_running_loop().call_later(0.05, self.progress, 500)
            asyncio.get_running_loop().call_later(0.1, self.end, *self.end_as)
        return status

    def request_shutdown(self) -> None:
        self.is_ending.set()


@pytest.fixture
def sidecar() -> ScriptedSidecar:
    sidecar = ScriptedSidecar()
    sidecar.library = [title("aoe2", "Age [bold]\x1b[31m II"), title("quake")]
    sidecar.known_peers = [peer(1, "one\u202e")]
    return sidecar


@pytest.fixture
async def server(sidecar: ScriptedSidecar, tmp_path: Path) -> AsyncIterator[ControlServer]:
    running = await ControlServer.start(sidecar, "", TOKEN)
    content = {
        "address": running.address,
        "token": TOKEN,
        "pid": 2**22 + 1,
        "instance_id": INSTANCE,
        "version": "0.1.0",
        "api": ["lanspread.peer.v1"],
    }
    path = tmp_path / "runtime.json"
    path.touch(0o600)
    path.write_text(json.dumps(content))
    yield running
    await running.stop(0)


@pytest.fixture
def state_dir(server: ControlServer, tmp_path: Path) -> Path:
    del server
    return tmp_path


async def run(state_dir: Path, *arguments: str) -> Result:
    command = ["--state-dir", str(state_dir), *arguments]
    return await asyncio.to_thread(CliRunner().invoke, main, command)


async def run_json(state_dir: Path, *arguments: str) -> Any:
    result = await run(state_dir, *arguments, "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.isascii()
    return json.loads(result.stdout)


async def test_lists_are_tables_in_which_names_are_escaped(state_dir: Path) -> None:
    games = await run(state_dir, "games")
    assert games.exit_code == 0
    assert "Age [bold]\\x1b[31m II" in games.stdout
    assert re.search(r"quake +quake +20240229 +1.0 KiB +2", games.stdout)
    peers = await run(state_dir, "peers")
    assert "one\\u202e" in peers.stdout
    assert "connected" in peers.stdout
    assert "No downloads" in (await run(state_dir, "downloads")).stdout


@pytest.mark.parametrize(
    ("missing", "told"),
    [
        (0, "downloaded, sealed"),
        (1, "downloaded, sealed, 1 file missing"),
        (3, "downloaded, sealed, 3 files missing"),
    ],
)
async def test_a_sealed_game_says_what_it_lacks(
    state_dir: Path, sidecar: ScriptedSidecar, missing: int, told: str
) -> None:
    here = LocalGame(
        sidecar.library[0].id,
        LocalState.DOWNLOADED,
        Version("20240229"),
        installed=False,
        content_id=CONTENT_ID,
        sealed=True,
        missing_files=missing,
    )
    sidecar.library = [replace(sidecar.library[0], local=here)]
    assert re.search(rf" {told}  ", (await run(state_dir, "games")).stdout)
    assert re.search(rf"here: +{told}\n", (await run(state_dir, "show", "aoe2")).stdout)
    (game,) = (await run_json(state_dir, "games"))["games"]
    assert (game["local"]["sealed"], game["local"]["missing_file_count"]) == (True, str(missing))


async def test_one_game_is_shown_with_its_variants_and_files(state_dir: Path) -> None:
    result = await run(state_dir, "show", "aoe2", "--files")
    assert result.exit_code == 0
    for text in (CONTENT_ID, "1.0 KiB in 3 files", "a.dat", "version.ini"):
        assert text in result.stdout


async def test_json_is_one_document_per_command(state_dir: Path) -> None:
    games = await run_json(state_dir, "games")
    assert [game["id"] for game in games["games"]] == ["aoe2", "quake"]
    assert games["games"][0]["variants"][0]["size_bytes"] == "1000"
    show = await run_json(state_dir, "show", "aoe2", "--files")
    assert (show["totals"]["file_count"], len(show["files"])) == ("3", 3)
    assert (await run_json(state_dir, "downloads")) == {"downloads": []}
    assert (await run_json(state_dir, "peers"))["peers"][0]["name"] == "one\u202e"
    assert (await run_json(state_dir, "add-peer", "127.0.0.1:1234"))["name"] == "added"
    assert (await run_json(state_dir, "status"))["instance_id"] == INSTANCE


async def test_a_peer_is_blocked_by_how_its_id_begins_and_unblocked(state_dir: Path) -> None:
    [peer] = (await run_json(state_dir, "peers"))["peers"]
    blocked = await run(state_dir, "block", peer["id"][:8])
    assert (blocked.exit_code, "connected, blocked" in blocked.stdout) == (0, True)
    assert (await run_json(state_dir, "peers"))["peers"][0]["blocked"]
    assert not (await run_json(state_dir, "unblock", peer["id"])).get("blocked")


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


async def test_errors_are_one_sentence_with_their_reason(state_dir: Path) -> None:
    result = await run(state_dir, "show", "unknown")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "nobody has unknown (GAME_NOT_FOUND)\n"
    result = await run(state_dir / "missing", "games")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.endswith("missing (NOT_RUNNING)\n")


async def test_a_command_line_that_makes_no_sense_exits_2(state_dir: Path) -> None:
    for arguments in (["games", "--nonsense"], ["get"], ["nonsense"], ["events", "--count", "0"]):
        assert (await run(state_dir, *arguments)).exit_code == 2


async def test_the_state_folder_may_come_from_the_environment(
    state_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LANSPREAD_STATE_DIR", str(state_dir))
    assert (await asyncio.to_thread(CliRunner().invoke, main, ["status"])).exit_code == 0


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
    result = await run(state_dir, "clean", "d8")
    assert (result.exit_code, "STAGING_NOT_FOUND" in result.stderr) == (1, True)
    assert (await run(state_dir, "clean", "--all")).exit_code == 0
    assert sidecar.left_behind == []


async def test_clean_deletes_nothing_unless_it_is_told_what(state_dir: Path) -> None:
    assert (await run(state_dir, "clean")).exit_code == 2
    assert (await run(state_dir, "clean", "d8", "--all")).exit_code == 2


async def test_events_stop_after_as_many_as_were_asked_for(
    state_dir: Path, sidecar: ScriptedSidecar
) -> None:
    asyncio.get_running_loop().call_later(0.3, sidecar.events.emit, Warned("W", "hot\x1b"))
    result = await run(state_dir, "events", "--count", "5")
    lines = result.stdout.splitlines()
    assert (result.exit_code, len(lines)) == (0, 5)
    assert lines[0].endswith("snapshot item game aoe2")
    assert lines[-1].endswith("#1 warning W: hot\\x1b")
    result = await run(state_dir, "events", "--count", "4", "--json")
    kinds = [json.loads(line) for line in result.stdout.splitlines()]
    assert kinds[-1]["snapshot_complete"] == {"instance_id": INSTANCE}


async def test_shutdown_waits_until_the_sidecar_is_gone(
    state_dir: Path, sidecar: ScriptedSidecar
) -> None:
    running = asyncio.ensure_future(run_json(state_dir, "shutdown"))
    await asyncio.wait_for(sidecar.is_ending.wait(), 10)
    _, waiting = await asyncio.wait([running], timeout=0.3)
    assert waiting
    (state_dir / "runtime.json").unlink()
    assert await running == {"instance_id": INSTANCE, "ended": True}


# Whoever runs the tests in the background lets them ignore Ctrl-C, which children inherit.
_WITH_CTRL_C = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from lanspread_client.cli import main
main()
"""


@asynccontextmanager
async def open_command(
    state_dir: Path, *arguments: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _WITH_CTRL_C, "--state-dir", str(state_dir)),
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


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


async def test_events_end_in_silence_when_the_sidecar_does(
    server: ControlServer, state_dir: Path
) -> None:
    async with open_command(state_dir, "events", "--json") as process:
        assert process.stdout is not None
        await process.stdout.readline()
        await server.stop(2)
        _, stderr = await asyncio.wait_for(process.communicate(), 20)
    assert (process.returncode, stderr) == (0, b"")


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


async def test_an_empty_list_says_so(state_dir: Path, sidecar: ScriptedSidecar) -> None:
    sidecar.library = []
    assert "No games" in (await run(state_dir, "games")).stdout
