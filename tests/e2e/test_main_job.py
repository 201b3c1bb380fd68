"""The main job with real processes: find peers, see their games, download one from several."""

import json
import secrets
import shutil
from pathlib import Path

from support.game_trees import differences, make_game
from support.processes import SidecarProcess


def test_a_game_comes_from_two_sources_that_were_found_by_mdns(tmp_path: Path) -> None:
    options = ("--listen", "")
    with (
        SidecarProcess(tmp_path / "alice", options=options) as alice,
        SidecarProcess(tmp_path / "bob", options=options) as bob,
        SidecarProcess(tmp_path / "carol", options=options) as carol,
    ):
        # Named so that none of another test has it, which would be found here too.
        game = make_game(alice.games, f"aoe{secrets.token_hex(4)}", megabytes=40)
        shutil.copytree(game, bob.games / game.name)
        carol.wait_for_sources(game.name, 2)
        got = carol.cli("get", game.name)
        assert got.returncode == 0, got.stderr
        assert differences(game, carol.games / game.name) == []
        assert not (carol.games / game.name / "local").exists()
        [download] = carol.ask("downloads")["downloads"]
        given = {source["name"]: int(source["size_bytes"]) for source in download["sources"]}
        assert given.keys() == {"alice", "bob"}
        assert min(given.values()) >= int(download["total_bytes"]) / 4
        # What was downloaded is offered in turn, under the same content id.
        alice.wait_for_sources(game.name, 2)


def test_the_command_line_tells_all_there_is_to_know(tmp_path: Path) -> None:
    with SidecarProcess(tmp_path / "alice") as alice:
        game = make_game(alice.games)
        (game / "game.json").write_text(json.dumps({"name": "Age of Empires II"}))
        with SidecarProcess(tmp_path / "bob", peers=[alice.address]) as bob:
            bob.wait_for_sources(game.name, 1)
            [title] = bob.ask("games")["games"]
            assert (title["id"], title["name"]) == ("aoe2", "Age of Empires II")
            shown = bob.ask("show", "aoe2", "--files")
            assert shown["description"]["name"] == "Age of Empires II"
            assert [file["path"] for file in shown["files"]][-1] == "version.ini"
            [peer] = bob.ask("peers")["peers"]
            assert (peer["name"], peer["address"]) == ("alice", alice.address)
            assert bob.ask("status")["peer_count"] == 1
            assert bob.cli("get", "aoe2").returncode == 0
            assert bob.cli("get", "aoe2").returncode == 1
            nothing = bob.cli("get", "no such game")
            assert nothing.returncode == 1
            assert "GAME_NOT_FOUND" in nothing.stderr


def test_add_peer_works_where_nothing_is_discovered(tmp_path: Path) -> None:
    with SidecarProcess(tmp_path / "alice") as alice, SidecarProcess(tmp_path / "bob") as bob:
        game = make_game(alice.games)
        added = bob.ask("add-peer", alice.address)
        assert added["name"] == "alice"
        bob.wait_for_sources(game.name, 1)
        # A caller is dialled back, so that one side's word is enough for both.
        assert [peer["name"] for peer in alice.ask("peers")["peers"]] == ["bob"]
        refused = bob.cli("add-peer", "127.0.0.1:1")
        assert refused.returncode == 1
        assert "PEER_UNREACHABLE" in refused.stderr


def test_the_game_folder_is_switched_while_running(tmp_path: Path) -> None:
    other = tmp_path / "other games"
    make_game(other, "doom")
    with SidecarProcess(tmp_path / "alice") as alice:
        make_game(alice.games)
        with SidecarProcess(tmp_path / "bob", peers=[alice.address]) as bob:
            bob.wait_for_sources("aoe2", 1)
            with alice.client() as client:
                client.set_game_dir(str(other))
            bob.wait_for_sources("doom", 1)
            assert [title["id"] for title in bob.ask("games")["games"]] == ["doom"]
