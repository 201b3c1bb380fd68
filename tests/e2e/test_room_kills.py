"""A room that fetches together, and somebody who pulls the plug: real processes and kill -9."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from lanspread.peer.v1.types_pb2 import DOWNLOAD_STATE_FINISHED, Download
from support.game_trees import MIB, differences, make_game
from support.ports import free_port
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


@dataclass(frozen=True, slots=True)
class Room:
    """A seeder, and takers that have begun to download the game from it, each by its id."""

    seeder: SidecarProcess
    game: Path
    takers: tuple[SidecarProcess, ...]
    ids: tuple[str, ...]


@contextlib.contextmanager
def room(folder: Path) -> Iterator[Room]:
    """A room that begins at once."""
    with (
        SidecarProcess(folder / "alice", port=free_port()) as alice,
        contextlib.ExitStack() as stack,
    ):
        game = make_game(alice.games, megabytes=MEGABYTES)
        takers: list[SidecarProcess] = []
        for number in range(DOWNLOADERS):
            peers = [alice.address, *(each.address for each in takers)]
            takers.append(SidecarProcess(folder / f"taker{number}", peers=peers))
            stack.enter_context(takers[-1])
        for taker in takers:
            taker.wait_for_sources(game.name, 1)
            wait_for_peers(taker, DOWNLOADERS)
        ids = []
        for taker in takers:
            with taker.client() as client:
                ids.append(client.download_game_files(game.name).id)
        yield Room(alice, game, tuple(takers), tuple(ids))


def test_a_downloader_that_others_take_from_is_killed_and_costs_only_time(tmp_path: Path) -> None:
    with room(tmp_path) as party:
        game, (victim, *others) = party.game, party.takers
        victim.wait_for_share(party.ids[0], 0.2)
        victim.kill()
        downloads = [finished(t, i) for t, i in zip(others, party.ids[1:], strict=True)]
        assert all(differences(game, taker.games / game.name) == [] for taker in others)
        # They took from each other, so their source sent less than it would have to.
        sent = party.seeder.status().counters.sent_bytes
        assert sent < 2.6 * MEGABYTES * MIB, sent / MIB
        assert all(len(download.sources) > 1 for download in downloads)
        # Whoever comes back goes on with what it has, and takes from all of them.
        victim.start()
        finished(victim, party.ids[0])
        assert differences(game, victim.games / game.name) == []


@pytest.mark.parametrize("share", [0.1, 0.8])
def test_the_only_seeder_is_killed_and_comes_back(tmp_path: Path, share: float) -> None:
    with room(tmp_path) as party:
        party.takers[0].wait_for_share(party.ids[0], share)
        party.seeder.kill()
        party.seeder.start()
        for taker, download_id in zip(party.takers, party.ids, strict=True):
            finished(taker, download_id)
            assert differences(party.game, taker.games / party.game.name) == []
