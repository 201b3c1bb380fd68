"""Hostile peers as processes of their own, around real sidecars that do their job all the same.

Each hostile process has an address of its own on the loopback network. Times are printed, and
judged with wide margins only: all of them share the cores of one machine.
"""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from lanspread.peer.v1.types_pb2 import DOWNLOAD_STATE_FINISHED, Download
from support.game_trees import MIB, differences, make_game
from support.hostile_crowd import Crowd
from support.hostile_process import CALLERS, FORGED, SOURCES
from support.long_form import IS_LONG, long_form
from support.processes import SidecarProcess, wait_for

MEGABYTES = long_form(short=48, long=256)
# What a crowd may make a sidecar hold beyond what it holds beside honest peers alone: a long
# manifest with its copy while it is decoded, or the libraries of several peers.
MAX_MORE_RESIDENT_BYTES = 128 * MIB
# A download of seconds is disturbed more by the start than one of hours is. Told by how often one
# could look meanwhile, every 50 ms at most: who is slow because others use the machine looks less.
MAX_TIMES_SLOWER = 4.0
SLACK_LOOKS = 200
ALL_SOURCES = [*SOURCES, *FORGED]


@pytest.fixture
def alice(tmp_path: Path) -> Iterator[SidecarProcess]:
    """The one honest source."""
    with SidecarProcess(tmp_path / "alice") as process:
        make_game(process.games, megabytes=MEGABYTES)
        yield process


class Figures:
    """What one download took."""

    def __init__(self, name: str, seconds: float, looks: int, sidecar: SidecarProcess) -> None:
        self.seconds = seconds
        self.looks = looks
        self.peak_bytes = sidecar.peak_bytes
        told = {"s": round(seconds, 2), "looks": looks, "peak_mib": self.peak_bytes // MIB}
        print(json.dumps({name: told}))


def content_of(sidecar: SidecarProcess) -> str:
    """The content id of the one game that a sidecar has."""

    def look() -> str | None:
        with sidecar.client() as client:
            return next((game.local.content_id for game in client.list_games()), None)

    return wait_for("the game to be hashed", look)


def begin(sidecar: SidecarProcess, content_id: str) -> str:
    """Begin to download this content as soon as anybody offers it."""

    def look() -> bool:
        with sidecar.client() as client:
            offered = [v for game in client.list_games() for v in game.variants]
            return any(variant.content_id == content_id for variant in offered)

    wait_for("an offer", look)
    with sidecar.client() as client:
        return client.download_game_files("aoe2", content_id=content_id).id


def finish(sidecar: SidecarProcess, download_id: str) -> tuple[Download, int]:
    """The download when it is over, which must be because it finished; and the looks it took."""
    looks = 0

    def look() -> Download | None:
        nonlocal looks
        looks += 1
        with sidecar.client() as client:
            download = client.get_download(download_id)
        return download if download.HasField("error") or _is_done(download) else None

    download = wait_for("the end of the download", look, 120)
    assert _is_done(download), download
    return download, looks


def _is_done(download: Download) -> bool:
    return download.state == DOWNLOAD_STATE_FINISHED


def fetch(name: str, folder: Path, alice: SidecarProcess, others: list[str]) -> Figures:
    """A new sidecar that knows these others too downloads the game, and has it right."""
    content_id = content_of(alice)
    with SidecarProcess(folder / name, peers=[*others, alice.address]) as bob:
        count = 1 + len(others)
        wait_for(f"{count} peers", lambda: bob.status().peer_count >= count)
        began = time.monotonic()
        _, looks = finish(bob, begin(bob, content_id))
        figures = Figures(name, time.monotonic() - began, looks, bob)
        assert differences(alice.games / "aoe2", bob.games / "aoe2") == []
        return figures


def judge(alone: Figures, beside: Figures) -> None:
    print(json.dumps({"share_of_speed": round(alone.seconds / beside.seconds, 2)}))
    assert beside.peak_bytes < alone.peak_bytes + MAX_MORE_RESIDENT_BYTES
    assert beside.looks < MAX_TIMES_SLOWER * alone.looks + SLACK_LOOKS


@pytest.mark.timeout(180)
def test_one_honest_source_is_enough_beside_one_of_every_kind(
    tmp_path: Path, alice: SidecarProcess
) -> None:
    alone = fetch("alone", tmp_path, alice, [])
    with Crowd(tmp_path / "crowd") as crowd:
        others = crowd.add_sources(ALL_SOURCES, alice.games / "aoe2")
        judge(alone, fetch("beside", tmp_path, alice, others))


@pytest.mark.timeout(180)
def test_a_source_serves_whatever_callers_do(tmp_path: Path, alice: SidecarProcess) -> None:
    alone = fetch("alone", tmp_path, alice, [])
    before = alice.peak_bytes
    with Crowd(tmp_path / "crowd") as crowd:
        crowd.add_callers([*CALLERS], alice.address)
        judge(alone, fetch("beside", tmp_path, alice, []))
    assert alice.peak_bytes < before + MAX_MORE_RESIDENT_BYTES
    print(json.dumps({"source_mib": {"before": before // MIB, "peak": alice.peak_bytes // MIB}}))


def test_liars_that_come_first_do_not_end_it_before_the_honest_one_comes(
    tmp_path: Path, alice: SidecarProcess
) -> None:
    liars = ["wrong-bytes", "lying-manifest", "truncated", "oversized", "wrong-bytes"]
    content_id = content_of(alice)
    with Crowd(tmp_path / "crowd") as crowd:
        others = crowd.add_sources(liars, alice.games / "aoe2")
        with SidecarProcess(tmp_path / "bob", peers=others) as bob:
            bob.wait_for_sources("aoe2", len(liars))
            download_id = begin(bob, content_id)
            wait_for("all lies to be told", lambda: _all_lied(bob, len(liars)))
            bob.ask("add-peer", alice.address)
            download, _ = finish(bob, download_id)
            assert differences(alice.games / "aoe2", bob.games / "aoe2") == []
            given = {source.name: source.size_bytes for source in download.sources}
            assert {name for name, size in given.items() if size} == {"alice"}


def _all_lied(sidecar: SidecarProcess, liars: int) -> bool:
    return sidecar.status().counters.bad_chunks >= liars


@pytest.mark.scales
@pytest.mark.skipif(not IS_LONG, reason="the short form is one of every kind at once")
@pytest.mark.timeout(1800)
def test_any_k_of_n_hostile_sources_and_callers_stop_nobody(
    tmp_path: Path, alice: SidecarProcess
) -> None:
    chance = Random(7)
    alone = fetch("alone", tmp_path, alice, [])
    for number in range(20):
        with Crowd(tmp_path / f"crowd{number}") as crowd:
            sources = chance.choices(ALL_SOURCES, k=8)
            callers = chance.sample([*CALLERS], k=4)
            print(json.dumps({"sources": sources, "callers": callers}))
            others = crowd.add_sources(sources, alice.games / "aoe2")
            crowd.add_callers(callers, alice.address)
            judge(alone, fetch(f"bob{number}", tmp_path, alice, others))
        assert alice.process.poll() is None


@pytest.mark.scales
@pytest.mark.skipif(not IS_LONG, reason="a measure of speed needs downloads of some length")
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("kind", ["sources", "callers"])
def test_honest_traffic_keeps_half_its_speed(
    tmp_path: Path, alice: SidecarProcess, kind: str
) -> None:
    shares = []
    for number in range(5):
        alone = fetch(f"alone{number}", tmp_path, alice, [])
        with Crowd(tmp_path / f"crowd{number}") as crowd:
            others: list[str] = []
            if kind == "sources":
                others = crowd.add_sources(ALL_SOURCES, alice.games / "aoe2")
            else:
                crowd.add_callers([*CALLERS], alice.address)
            beside = fetch(f"beside{number}", tmp_path, alice, others)
        shares.append(alone.seconds / beside.seconds)
    print(json.dumps({"shares_of_speed": [round(share, 2) for share in shares]}))
    assert max(shares) >= 0.5
