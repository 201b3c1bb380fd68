"""Friends who pull the plug: with real processes and kill -9."""

import shutil
from pathlib import Path

from lanspread.peer.v1.types_pb2 import (
    DOWNLOAD_STATE_FAILED,
    DOWNLOAD_STATE_FINISHED,
    DOWNLOAD_STATE_WAITING,
    Download,
)
from support.game_trees import MIB, differences, make_game, shared_files
from support.ports import free_port
from support.processes import SidecarProcess, wait_for

MEGABYTES = 150
# Six seconds of it, so that who is killed goes in the middle and not after the end.
BYTES_PER_SECOND = MEGABYTES * MIB // 6


def limit(sidecar: SidecarProcess, rate: int | None) -> None:
    """It downloads no faster than this, from now on."""
    with sidecar.client() as client:
        client.update_settings(download_bytes_per_second=rate)


def state_is(sidecar: SidecarProcess, download_id: str, state: int) -> Download:
    """Wait until the download is in this state."""

    def look() -> Download | None:
        with sidecar.client() as client:
            download = client.get_download(download_id)
        return download if download.state == state else None

    return wait_for(f"state {state}", look, 90)


def test_one_of_two_sources_is_killed_and_the_other_finishes_the_job(tmp_path: Path) -> None:
    with SidecarProcess(tmp_path / "alice") as alice, SidecarProcess(tmp_path / "bob") as bob:
        game = make_game(alice.games, megabytes=MEGABYTES)
        shutil.copytree(game, bob.games / game.name)
        peers = [alice.address, bob.address]
        with SidecarProcess(tmp_path / "carol", peers=peers) as carol:
            carol.wait_for_sources(game.name, 2)
            limit(carol, BYTES_PER_SECOND)
            with carol.client() as client:
                download_id = client.download_game_files(game.name).id
            carol.wait_for_share(download_id, 0.2)
            bob.kill()
            limit(carol, None)
            download = state_is(carol, download_id, DOWNLOAD_STATE_FINISHED)
            assert differences(game, carol.games / game.name) == []
            assert {source.name for source in download.sources} == {"alice", "bob"}


def test_when_all_sources_are_gone_it_waits_then_fails_and_leaves_all_as_it_was(
    tmp_path: Path,
) -> None:
    with SidecarProcess(tmp_path / "alice") as alice:
        game = make_game(alice.games, megabytes=MEGABYTES, version="20250101")
        options = ("--no-mdns", "--patience-seconds", "3")
        with SidecarProcess(tmp_path / "carol", peers=[alice.address], options=options) as carol:
            old = make_game(carol.games, version="20240229")
            before = shared_files(old)
            carol.wait_for_sources(game.name, 1)
            limit(carol, BYTES_PER_SECOND)
            with carol.client() as client:
                [variant] = client.get_game(game.name).game.variants
                download_id = client.download_game_files(
                    game.name, content_id=variant.content_id
                ).id
            carol.wait_for_share(download_id, 0.1)
            alice.kill()
            state_is(carol, download_id, DOWNLOAD_STATE_WAITING)
            download = state_is(carol, download_id, DOWNLOAD_STATE_FAILED)
            assert download.error.reason == "NO_SOURCE"
            assert shared_files(old) == before
            assert (old / "local" / "savegame").read_text() == "never shared"
            staging = carol.games / ".lanspread" / "staging"
            assert [path.name for path in staging.iterdir()] == [download_id]


def test_a_source_that_comes_back_is_used_again(tmp_path: Path) -> None:
    with SidecarProcess(tmp_path / "alice", port=free_port()) as alice:
        game = make_game(alice.games, megabytes=MEGABYTES)
        with SidecarProcess(tmp_path / "carol", peers=[alice.address]) as carol:
            carol.wait_for_sources(game.name, 1)
            limit(carol, BYTES_PER_SECOND)
            with carol.client() as client:
                download_id = client.download_game_files(game.name).id
            carol.wait_for_share(download_id, 0.1)
            alice.kill()
            state_is(carol, download_id, DOWNLOAD_STATE_WAITING)
            alice.start()
            limit(carol, None)
            state_is(carol, download_id, DOWNLOAD_STATE_FINISHED)
            assert differences(game, carol.games / game.name) == []
