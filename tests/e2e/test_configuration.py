"""The configuration of real processes: what `config show` says is what a sidecar does."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from support.processes import SidecarProcess, peer_program


def show(*options: str | Path) -> dict[str, dict[str, Any]]:
    """What `config show --json` says, by key."""
    shown = peer_program("config", "show", "--json", *options)
    assert shown.returncode == 0, shown.stderr
    return {each.pop("key"): each for each in json.loads(shown.stdout)["keys"]}


def test_what_is_shown_is_what_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "lanspread.toml"
    config.write_text("patience_seconds = 7\nupload_slots = 5\nupload_bytes_per_second = 900000\n")
    monkeypatch.setenv("LANSPREAD_CONFIG", str(config))
    monkeypatch.setenv("LANSPREAD_UPLOAD_SLOTS", "6")
    monkeypatch.setenv("LANSPREAD_DOWNLOAD_BYTES_PER_SECOND", "800000")
    monkeypatch.setenv("LANSPREAD_MDNS", "no")
    with SidecarProcess(tmp_path / "alice", options=("--log-level", "debug")) as alice:
        alice.ask("settings", "set", "upload-limit", "4MiB/s")
        alice.end()
        alice.start()
        holds = alice.ask("settings")
        shown = show("--state-dir", alice.state, "--name", "alice")
        for name in ("upload_slots", "patience_seconds", "name"):
            assert holds[name] == shown[name]["value"], name
        for name in ("upload_bytes_per_second", "download_bytes_per_second"):
            assert int(holds[name]) == shown[name]["value"], name
    assert {name: shown[name]["source"] for name in holds} == {
        "name": "flag --name",
        "upload_bytes_per_second": "kept setting",
        "download_bytes_per_second": "LANSPREAD_DOWNLOAD_BYTES_PER_SECOND",
        "upload_slots": "LANSPREAD_UPLOAD_SLOTS",
        "patience_seconds": str(config),
    }
    assert shown["mdns"] == {"value": False, "kind": "environment", "source": "LANSPREAD_MDNS"}
    assert shown["port"] == {"value": None, "kind": "default", "source": "default"}


def test_a_sidecar_runs_by_the_environment_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with SidecarProcess(tmp_path / "alice") as alice:
        monkeypatch.setenv("LANSPREAD_STATE_DIR", str(alice.state))
        assert peer_program("healthcheck").returncode == 0
        monkeypatch.setenv("LANSPREAD_GAME_DIR", str(alice.games))
        monkeypatch.setenv("LANSPREAD_BIND", "127.0.0.1")
        # It gets as far as the lock, on folders and with a port that only the environment names.
        assert peer_program("serve").returncode == 3


def test_a_wrong_variable_is_exit_2_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LANSPREAD_PORT", "eighty")
    ended = peer_program("serve", "--game-dir", tmp_path, "--port", "0")
    assert ended.returncode == 2
    assert ended.stderr == (
        "lanspread-peer: INVALID_SETTING: LANSPREAD_PORT: port: expected a whole number, "
        "got 'eighty'\n"
    )


@pytest.mark.skipif(os.name == "nt", reason="Windows makes up homes for everybody")
@pytest.mark.parametrize("flag", ["--game-dir", "--state-dir", "--party", "--log-file", "--config"])
def test_a_path_in_a_home_that_nobody_has_is_exit_2(flag: str) -> None:
    ended = peer_program("serve", flag, "~nosuchuser/x")
    assert ended.returncode == 2
    assert ended.stderr.startswith(f"lanspread-peer: INVALID_SETTING: flag {flag}: ")
    assert len(ended.stderr.splitlines()) == 1


def test_an_unknown_variable_is_warned_about(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LANSPREAD_PROT", "1")
    shown = peer_program("config", "show", "--state-dir", tmp_path)
    assert shown.returncode == 0
    assert "LANSPREAD_PROT" in shown.stderr


def test_no_game_folder_at_all_says_where_it_could_be_given(tmp_path: Path) -> None:
    ended = peer_program("serve", "--state-dir", tmp_path)
    assert ended.returncode == 2
    assert all(word in ended.stderr for word in ("--game-dir", "LANSPREAD_GAME_DIR", "game_dir"))


@pytest.mark.skipif(os.name == "nt", reason="Windows has another terminal")
def test_the_table_cannot_command_the_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LANSPREAD_GAME_DIR", "/\x1b[2J\n/x")
    shown = peer_program("config", "show", "--state-dir", tmp_path)
    assert "\\x1b[2J" in shown.stdout or "\\u001b[2J" in shown.stdout
    assert len(shown.stdout.splitlines()) == len(show("--state-dir", tmp_path))
