"""What a download command may say, and what it is refused for, leaving no trace on disk."""

import asyncio

import pytest

from lanspread_peer.model import errors
from lanspread_peer.model.download import DownloadRequest, DownloadState
from lanspread_peer.model.events import NoPeersHaveGame
from lanspread_peer.model.ids import ContentId, DownloadId, GameId
from lanspread_peer.runtime.sidecar import Sidecar
from lanspread_peer.wire import messages
from support.hostile_peer import Offer, silent
from support.party import (
    AOE2,
    Party,
    download,
    make_game,
    start_download,
    wait_done,
    wait_sources,
)
from support.storage_folders import make_files, snapshot

GAME = make_game(1)


async def refused(
    party: Party, sidecar: Sidecar, name: str, request: DownloadRequest
) -> errors.LanspreadError:
    """The error, once it is sure that the command left nothing behind."""
    before = snapshot(party.games(name))
    downloads = sidecar.downloads()
    with pytest.raises(errors.LanspreadError) as caught:
        await sidecar.start_download(request)
    assert snapshot(party.games(name)) == before
    assert sidecar.downloads() == downloads
    return caught.value


async def test_only_the_selected_files_and_version_ini_come(party: Party) -> None:
    source = await party.start("source", {AOE2: GAME})
    downloader = await party.downloader(source)
    request = DownloadRequest(AOE2, paths=("data/maps/arena.rms",))
    status = await wait_done(downloader, (await downloader.start_download(request)).id)
    assert status.state is DownloadState.FINISHED
    wanted = {path: GAME[path] for path in ("data/maps/arena.rms", "version.ini")}
    expected = make_files(party.root / "expected", wanted)
    assert snapshot(party.game("downloader")) == snapshot(expected)
    assert status.total_bytes == sum(map(len, wanted.values()))
    assert status.total_files == 2


@pytest.mark.parametrize(
    ("paths", "error"),
    [
        ((), errors.EmptySelection),
        (("data/maps/arena.rms", "nothing.txt"), errors.PathNotInManifest),
        (("../source/games/aoe2/aoe2.eti",), errors.PathNotInManifest),
        (("data",), errors.PathNotInManifest),
    ],
)
async def test_a_selection_that_makes_no_sense_is_refused(
    party: Party, paths: tuple[str, ...], error: type[errors.LanspreadError]
) -> None:
    downloader = await party.downloader(await party.start("source", {AOE2: GAME}))
    request = DownloadRequest(AOE2, paths=paths)
    assert isinstance(await refused(party, downloader, "downloader", request), error)


async def test_a_game_that_nobody_has_is_refused_and_told(party: Party) -> None:
    downloader = await party.downloader(await party.start("source", {AOE2: GAME}))
    request = DownloadRequest(GameId("quake"))
    error = await refused(party, downloader, "downloader", request)
    assert isinstance(error, errors.GameNotFound)
    assert error.metadata == {"game_id": "quake"}
    told = await party.events(downloader).wait_for(NoPeersHaveGame)
    assert told.game_id == "quake"


async def test_a_game_that_only_this_sidecar_has_is_refused(party: Party) -> None:
    alone = await party.start("alone", {AOE2: GAME})
    error = await refused(party, alone, "alone", DownloadRequest(AOE2))
    assert isinstance(error, errors.NoPeersHaveGame)
    await party.events(alone).wait_for(NoPeersHaveGame)


@pytest.mark.parametrize("names_content", [False, True])
async def test_a_game_that_is_here_already_is_refused(party: Party, names_content: bool) -> None:
    source = await party.start("source", {AOE2: GAME})
    owner = await party.start("owner", {AOE2: GAME}, peers=(source,))
    variant = (await wait_sources(owner, 1)).variants[0]
    request = DownloadRequest(AOE2, variant.content_id if names_content else None)
    error = await refused(party, owner, "owner", request)
    assert isinstance(error, errors.AlreadyDownloaded)


async def test_an_update_must_name_its_content(party: Party) -> None:
    source = await party.start("source", {AOE2: make_game(1, version="20250101", seed=2)})
    owner = await party.start("owner", {AOE2: GAME}, peers=(source,))
    await wait_sources(owner, 1)
    error = await refused(party, owner, "owner", DownloadRequest(AOE2))
    assert isinstance(error, errors.InvalidField)
    assert error.field == "content_id"


async def test_content_that_no_peer_offers_is_refused(party: Party) -> None:
    downloader = await party.downloader(await party.start("source", {AOE2: GAME}))
    request = DownloadRequest(AOE2, ContentId("12" * 32))
    error = await refused(party, downloader, "downloader", request)
    assert isinstance(error, errors.ContentNotFound)


async def test_a_game_larger_than_the_disk_is_refused_before_anything_is_made(
    party: Party, monkeypatch: pytest.MonkeyPatch
) -> None:
    downloader = await party.downloader(await party.start("source", {AOE2: GAME}))
    monkeypatch.setattr("lanspread_peer.storage.game_dir.FREE_SPACE_RESERVE_PERCENT", 100)
    monkeypatch.setattr("lanspread_peer.storage.game_dir.FREE_SPACE_RESERVE_BYTES", 1 << 60)
    error = await refused(party, downloader, "downloader", DownloadRequest(AOE2))
    assert isinstance(error, errors.DiskFull)


async def test_a_second_download_of_a_game_is_told_of_the_first(party: Party) -> None:
    hostile = await party.hostile({AOE2: GAME})
    hostile.answers[messages.GetGameFileChunk] = silent
    downloader = await party.downloader(hostile)
    first = await start_download(downloader)
    with pytest.raises(errors.DownloadActive) as caught:
        await start_download(downloader, GameId("AOE2"))
    assert caught.value.metadata == {"download_id": first}
    assert [each.id for each in downloader.downloads()] == [first]


async def test_two_commands_at_once_start_one_download(party: Party) -> None:
    downloader = await party.downloader(await party.start("source", {AOE2: GAME}))
    answers = await asyncio.gather(
        *(downloader.start_download(DownloadRequest(AOE2)) for _ in range(3)),
        return_exceptions=True,
    )
    refusals = [answer for answer in answers if isinstance(answer, errors.DownloadActive)]
    assert len(refusals) == 2
    assert len(downloader.downloads()) == 1


async def test_a_repeated_request_id_gives_the_same_download(party: Party) -> None:
    downloader = await party.downloader(await party.start("source", {AOE2: GAME}))
    request = DownloadRequest(AOE2, request_id="retry-1")
    first = await downloader.start_download(request)
    again = await downloader.start_download(request)
    await wait_done(downloader, first.id)
    at_last = await downloader.start_download(request)
    assert first.id == again.id == at_last.id
    assert at_last.state is DownloadState.FINISHED


async def test_the_same_request_id_twice_at_once_is_one_download(party: Party) -> None:
    downloader = await party.downloader(await party.start("source", {AOE2: GAME}))
    request = DownloadRequest(AOE2, request_id="retry-2")
    first, second = await asyncio.gather(
        downloader.start_download(request), downloader.start_download(request)
    )
    assert first.id == second.id


async def test_downloads_that_are_not_known_are_said_to_be(party: Party) -> None:
    sidecar = await party.start("alone")
    with pytest.raises(errors.DownloadNotFound):
        sidecar.download(DownloadId("none"))
    with pytest.raises(errors.DownloadNotFound):
        await sidecar.cancel_download(DownloadId("none"))


async def test_the_latest_version_is_taken_and_one_from_the_future_is_not(party: Party) -> None:
    versions = ["20240229", "20250101", "29990101"]
    peers = [
        await party.start(version, {AOE2: make_game(1, version=version, seed=2)})
        for version in versions
    ]
    downloader = await party.downloader(*peers)
    shown = await wait_sources(downloader, 3)
    assert [v.version for v in shown.variants] == ["20250101", "20240229", "29990101"]
    assert [bool(v.doubt) for v in shown.variants] == [False, False, True]
    assert (await download(downloader)).version == "20250101"


async def test_a_version_from_the_future_is_taken_only_by_its_content_id(party: Party) -> None:
    future = make_game(1, version="29990101")
    downloader = await party.downloader(await party.start("source", {AOE2: future}))
    error = await refused(party, downloader, "downloader", DownloadRequest(AOE2))
    assert isinstance(error, errors.NoVersionChosen)
    content = Offer(AOE2, future, "29990101").content_id
    assert error.metadata["content_id"] == content
    assert (await download(downloader, AOE2, content)).state is DownloadState.FINISHED
