"""The command `lanspread` against a real control server: what it prints, and how it exits."""

import asyncio
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from lanspread_client.cli import main
from lanspread_peer.control.server import ControlServer
from lanspread_peer.model.events import Warned
from lanspread_peer.model.game import LocalGame, LocalState
from lanspread_peer.model.version import Version
from support.cli import ScriptedSidecar, open_command, run, run_json
from support.memory_sidecar import CONTENT_ID, INSTANCE


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
    assert blocked.exit_code == 0
    assert "connected, blocked" in blocked.stdout
    assert (await run_json(state_dir, "peers"))["peers"][0]["blocked"]
    assert not (await run_json(state_dir, "unblock", peer["id"])).get("blocked")


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


async def test_events_end_in_silence_when_the_sidecar_does(
    server: ControlServer, state_dir: Path
) -> None:
    async with open_command(state_dir, "events", "--json") as process:
        assert process.stdout is not None
        await process.stdout.readline()
        await server.stop(2)
        _, stderr = await asyncio.wait_for(process.communicate(), 20)
    assert (process.returncode, stderr) == (0, b"")


async def test_an_empty_list_says_so(state_dir: Path, sidecar: ScriptedSidecar) -> None:
    sidecar.library = []
    assert "No games" in (await run(state_dir, "games")).stdout
