"""A client without any code of ours can do the main job."""

import json
import subprocess
import sys
from pathlib import Path

from support.game_trees import differences, make_game
from support.processes import SidecarProcess

FOREIGN_CLIENT = Path(__file__).with_name("foreign_client.py")


def test_grpcio_and_reflection_alone_list_download_and_follow(tmp_path: Path) -> None:
    with SidecarProcess(tmp_path / "alice") as alice:
        game = make_game(alice.games, megabytes=5)
        with SidecarProcess(tmp_path / "bob", peers=[alice.address]) as bob:
            bob.wait_for_sources(game.name, 1)
            ended = subprocess.run(
                [sys.executable, FOREIGN_CLIENT, bob.state / "runtime.json", game.name],
                check=False,
                capture_output=True,
                text=True,
                timeout=90,
            )
            assert ended.returncode == 0, ended.stderr
            assert differences(game, bob.games / game.name) == []
    learned = json.loads(ended.stdout)
    assert learned["our_modules"] == []
    assert [title["id"] for title in learned["games"]] == ["aoe2"]
    assert learned["download"]["state"] == "DOWNLOAD_STATE_FINISHED"
    kinds = learned["events"]
    assert kinds.index("snapshot_item") < kinds.index("snapshot_complete")
    assert kinds.index("download_game_files_begin") < kinds.index("download_game_files_finished")
    assert kinds.count("download_game_files_finished") == 1
