"""A room that fetches together, and somebody who pulls the plug: real processes and kill -9."""

import contextlib
from pathlib import Path

from lanspread.peer.v1.types_pb2 import DOWNLOAD_STATE_FINISHED, Download
from support.game_trees import MIB, differences, make_game
from support.processes import SidecarProcess, wait_for

MEGABYTES = 120
DOWNLOADERS = 3


def finished(sidecar: SidecarProcess, download_id: str) -> Download:
    """The download, once it is done."""

    def look() -> Download | None:
        with sidecar.client() as client:
            download = client.get_download(download_id)
        return download if download.state == DOWNLOAD_STATE_FINISHED else None

    return wait_for(f"{sidecar.name} to finish", look, 90)


def wait_for_peers(sidecar: SidecarProcess, count: int) -> None:
    wait_for(f"{count} peers of {sidecar.name}", lambda: sidecar.status().peer_count >= count)


def test_a_downloader_that_others_take_from_is_killed_and_costs_only_time(tmp_path: Path) -> None:
    with SidecarProcess(tmp_path / "alice") as alice, contextlib.ExitStack() as stack:
        game = make_game(alice.games, megabytes=MEGABYTES)
        room: list[SidecarProcess] = []
        for number in range(DOWNLOADERS):
            peers = [alice.address, *(each.address for each in room)]
            room.append(SidecarProcess(tmp_path / f"taker{number}", peers=peers))
            stack.enter_context(room[-1])
        for taker in room:
            taker.wait_for_sources(game.name, 1)
            wait_for_peers(taker, DOWNLOADERS)
        ids = []
        for taker in room:
            with taker.client() as client:
                ids.append(client.download_game_files(game.name).id)
        victim, *others = room
        victim.wait_for_share(ids[0], 0.2)
        victim.kill()
        downloads = [finished(t, i) for t, i in zip(others, ids[1:], strict=True)]
        assert all(differences(game, taker.games / game.name) == [] for taker in others)
        # They took from each other, so their source sent less than it would have to.
        sent = alice.status().counters.sent_bytes
        assert sent < 2.6 * MEGABYTES * MIB, sent / MIB
        assert all(len(download.sources) > 1 for download in downloads)
        # Whoever comes back goes on with what it has, and takes from all of them.
        victim.start()
        finished(victim, ids[0])
        assert differences(game, victim.games / game.name) == []
