"""Sealed games between peers: they stay in the swarm whatever happens in their folders."""

import os
import shutil
from collections.abc import Iterable

import pytest

from lanspread_peer.core.library_revisions import LibraryRevisions
from lanspread_peer.model.download import DownloadRequest, DownloadState, DownloadStatus
from lanspread_peer.model.events import GamesUpdated, ScanFinished
from lanspread_peer.model.game import GameSummary, LocalGame
from lanspread_peer.model.ids import ContentId
from lanspread_peer.runtime.sidecar import Sidecar
from support.party import (
    AOE2,
    Party,
    download,
    make_game,
    title,
    until,
    wait_done,
    wait_sources,
)
from support.storage_folders import make_files, snapshot

GAME = {
    **make_game(2),
    "second.pak": b"second" * 200_000,
    **{f"maps/{number}": b"map %d" % number for number in range(40)},
}
SIZE = sum(map(len, GAME.values()))


async def downloaded(party: Party, name: str, *paths: str) -> Sidecar:
    """A sidecar that downloaded the game, or these files of it, from a source that is gone."""
    source = await party.start(f"source of {name}", {AOE2: GAME})
    owner = await party.start(name, peers=(source,))
    await wait_sources(owner, 1)
    status = await download_files(owner, *paths)
    assert status.state is DownloadState.FINISHED
    await until(lambda: local(owner).content_id is not None)
    await party.end(source)
    await wait_sources(owner, 0)
    return owner


async def download_files(
    sidecar: Sidecar, *paths: str, content: ContentId | None = None
) -> DownloadStatus:
    status = await sidecar.start_download(DownloadRequest(AOE2, content, paths or None))
    return await wait_done(sidecar, status.id, within=30.0)


def local(sidecar: Sidecar) -> LocalGame:
    shown = title(sidecar)
    assert shown is not None
    assert shown.local is not None
    return shown.local


def digest_of(sidecar: Sidecar) -> str:
    return sidecar._library.revisions.digest


async def test_saves_and_logs_change_nothing_for_anybody(party: Party) -> None:
    owner = await downloaded(party, "owner")
    digest, before = digest_of(owner), local(owner)
    events = party.events(owner)
    told = len(events.of(GamesUpdated))
    make_files(party.game("owner"), {"saves/1": b"save", "game.log": b"log"})
    make_files(party.games("owner"), {"doom/version.ini": b"1"})
    await events.wait_for(GamesUpdated, lambda e: "doom" in {each.id for each in e.titles})
    await until(lambda: not owner.status().indexing)
    assert local(owner) == before
    assert before.sealed
    titles = [shown for event in events.of(GamesUpdated)[told:] for shown in event.titles]
    assert {shown.id for shown in titles if shown.local != before} == {"doom"}
    (party.game("owner", "doom") / "version.ini").unlink()
    await until(lambda: len(owner.titles()) == 1)
    assert digest_of(owner) == digest


async def test_a_changed_file_leaves_the_game_in_the_library_all_the_time(
    party: Party, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = await downloaded(party, "owner")
    offered: list[set[str]] = []
    publish = LibraryRevisions.publish

    def watched(revisions: LibraryRevisions, games: Iterable[GameSummary]) -> bool:
        library = list(games)
        offered.append({game.id for game in library})
        return publish(revisions, library)

    monkeypatch.setattr(LibraryRevisions, "publish", watched)
    make_files(party.game("owner"), {"second.pak": b"another" * 3})
    await until(lambda: local(owner).missing_files == 1)
    assert local(owner).missing_bytes == len(GAME["second.pak"])
    os.utime(party.game("owner") / "aoe2.eti", ns=(1, 1))
    read_again = len(GAME["aoe2.eti"])
    await party.events(owner).wait_for(ScanFinished, lambda e: e.hashed_bytes == read_again)
    assert local(owner).missing_files == 1
    assert len(offered) > 2
    assert all(each == {AOE2} for each in offered)


async def test_two_sources_that_both_lack_files_make_a_whole_game(party: Party) -> None:
    first = await downloaded(party, "first", "version.ini", "aoe2.eti", "data/empty")
    second = await downloaded(party, "second")
    (party.game("second") / "aoe2.eti").unlink()
    make_files(party.game("second"), {"second.sav": b"a save"})
    await until(lambda: local(second).missing_files == 1)
    downloader = await party.downloader(first, second)
    shown = title(downloader)
    assert shown is not None
    (variant,) = shown.variants
    assert (len(variant.sources), variant.bytes, variant.files) == (2, SIZE, len(GAME))
    status = await download(downloader)
    assert status.state is DownloadState.FINISHED
    assert status.fetched_bytes == SIZE
    assert snapshot(party.game("downloader")) == snapshot(make_files(party.root / "expected", GAME))


async def test_many_files_that_a_source_lacks_are_found_out_quickly(party: Party) -> None:
    many = {f"small/{number}": b"%d" % number for number in range(400)}
    game = {**GAME, **many}
    source = await party.start("source", {AOE2: game})
    partial = await party.start("partial", peers=(source,))
    await wait_sources(partial, 1)
    await download_files(partial, "version.ini", "second.pak")
    downloader = await party.downloader(partial, source)
    status = await download(downloader)
    assert status.state is DownloadState.FINISHED
    shares = {share.name: share.bytes for share in status.sources}
    assert sum(shares.values()) == status.total_bytes


async def test_a_game_that_lacks_files_is_completed_by_the_same_content(party: Party) -> None:
    owner = await downloaded(party, "owner", "version.ini", "aoe2.eti")
    make_files(party.game("owner"), {"mine.cfg": b"mine"})
    source = await party.start("source", {AOE2: GAME})
    await owner.add_peer(str(source.status().addresses[0]))
    shown = await wait_sources(owner, 1)
    assert shown.local is not None
    status = await download(owner)
    assert status.state is DownloadState.FINISHED
    assert status.reused_bytes == len(GAME["aoe2.eti"]) + len(GAME["version.ini"])
    await until(lambda: local(owner).is_whole)
    assert local(owner).content_id == shown.local.content_id
    expected = make_files(party.root / "expected", {**GAME, "mine.cfg": b"mine"})
    assert snapshot(party.game("owner")) == snapshot(expected)


async def test_a_damaged_game_is_repaired_and_the_users_change_is_kept(party: Party) -> None:
    owner = await downloaded(party, "owner")
    make_files(party.game("owner"), {"second.pak": b"changed by the user"})
    shutil.rmtree(party.game("owner") / "maps")
    await until(lambda: local(owner).missing_files == 41)
    source = await party.start("source", {AOE2: GAME})
    await owner.add_peer(str(source.status().addresses[0]))
    shown = await wait_sources(owner, 1)
    status = await download(owner, AOE2, shown.variants[0].content_id)
    assert status.state is DownloadState.FINISHED
    await until(lambda: local(owner).is_whole)
    kept = party.games("owner") / ".lanspread/conflicts/aoe2/1/second.pak"
    assert kept.read_bytes() == b"changed by the user"
    assert snapshot(party.game("owner")) == snapshot(make_files(party.root / "expected", GAME))


async def test_a_version_that_the_user_installs_by_hand_is_shared_as_it_lies_there(
    party: Party,
) -> None:
    owner = await downloaded(party, "owner")
    before = local(owner).content_id
    make_files(party.game("owner"), {"patch.pak": b"patch", "version.ini": b"20250101\n"})
    await until(lambda: local(owner).version == "20250101" and local(owner).content_id)
    assert not local(owner).sealed
    assert local(owner).content_id != before
    assert not (party.games("owner") / ".lanspread/records/aoe2/manifest").exists()
    downloader = await party.downloader(owner)
    assert (await download(downloader)).state is DownloadState.FINISHED
    assert (party.game("downloader") / "patch.pak").read_bytes() == b"patch"
