"""Beginning a download when the sources are busy, slow, or the game is still being hashed."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lanspread_peer.model import errors
from lanspread_peer.model.download import DownloadRequest, DownloadState
from lanspread_peer.model.events import Warned
from lanspread_peer.model.game import LocalState
from lanspread_peer.runtime import callers, library
from lanspread_peer.storage.hasher import hash_game
from lanspread_peer.transport.base import Stream
from lanspread_peer.wire.messages import GetManifest, Message
from lanspread_peer.wire.stream_codes import StreamCode
from support.hostile_peer import HostilePeer, honest
from support.party import AOE2, Party, address_of, download, make_game, title, until, wait_sources
from support.storage_folders import make_files

GAME = make_game(1)


@pytest.fixture
def hashing_stops(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Games with a file `slow` are hashed only once the event is set."""
    go_on = threading.Event()

    def wait_then_hash(game_dir: Any, plan: Any, *rest: Any, **named: Any) -> Any:
        if any(file.path == "slow" for file in plan.unhashed):
            go_on.wait()
        return hash_game(game_dir, plan, *rest, **named)

    monkeypatch.setattr(library, "hash_game", wait_then_hash)
    yield go_on
    go_on.set()


def busy_for(times: int) -> Callable[[HostilePeer, Stream, Message], Any]:
    """Busy that often, then honest."""
    left = iter(range(times))

    async def answer(peer: HostilePeer, stream: Stream, request: Message) -> None:
        if next(left, None) is None:
            await honest(peer, stream, request)
        else:
            stream.reset(StreamCode.BUSY)

    return answer


async def test_a_busy_source_is_asked_for_its_manifest_again(party: Party) -> None:
    source = await party.hostile({AOE2: GAME})
    source.answers[GetManifest] = busy_for(2)
    downloader = await party.downloader(source)
    assert (await download(downloader)).state is DownloadState.FINISHED
    assert len(source.asked(GetManifest)) == 3


async def test_a_game_that_is_being_hashed_is_not_downloaded_over(
    party: Party, hashing_stops: threading.Event
) -> None:
    source = await party.start("source", {AOE2: GAME})
    make_files(party.game("downloader"), {"version.ini": b"20200101", "slow": b"x"})
    downloader = await party.start_with(party.settings("downloader", peers=(address_of(source),)))
    [variant] = (await wait_sources(downloader, 1)).variants
    request = DownloadRequest(AOE2, variant.content_id)
    with pytest.raises(errors.GameIndexing):
        await downloader.start_download(request)
    hashing_stops.set()
    await until(lambda: not downloader.status().indexing)
    started = await downloader.start_download(request)
    await until(lambda: downloader.download(started.id).state is DownloadState.FINISHED)


async def test_what_changes_is_seen_while_a_large_game_is_hashed(
    party: Party, hashing_stops: threading.Event
) -> None:
    source = await party.start("source", {"doom": GAME})
    make_files(party.game("downloader"), {"version.ini": b"20200101", "slow": b"x"})
    downloader = await party.start_with(party.settings("downloader", peers=(address_of(source),)))
    await wait_sources(downloader, 1, "doom")
    started = await downloader.start_download(DownloadRequest("doom"))  # type: ignore[arg-type]
    # Downloaded, so known to the index, so offered, though the other game is not done.
    await wait_sources(source, 1, "doom")
    assert downloader.download(started.id).state is DownloadState.FINISHED
    shown = title(downloader)
    assert shown is not None
    assert shown.local is not None
    assert shown.local.state is LocalState.INDEXING
    assert not hashing_stops.is_set()


async def test_trouble_nobody_thought_of_does_not_end_the_library(
    party: Party, monkeypatch: pytest.MonkeyPatch
) -> None:
    sidecar = await party.start("sidecar")

    def fail(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(library, "hash_game", fail)
    make_files(party.game("sidecar"), GAME)
    await sidecar.set_game_dir(str(party.games("sidecar")))
    await party.events(sidecar).wait_for(Warned, lambda warned: warned.code == "LIBRARY_TROUBLE")
    monkeypatch.setattr(library, "hash_game", hash_game)
    await until(lambda: sidecar.status().game_count == 1)


async def test_a_switch_that_nobody_waits_for_is_finished_all_the_same(
    party: Party, tmp_path: Path
) -> None:
    sidecar = await party.start("sidecar", {AOE2: GAME})
    make_files(tmp_path / "elsewhere" / "doom", GAME)
    loop = asyncio.get_running_loop()
    switch = loop.create_task(sidecar.set_game_dir(str(tmp_path / "elsewhere")))
    await until(lambda: sidecar.status().game_dir != str(party.games("sidecar")))
    switch.cancel()
    await asyncio.wait({switch})
    assert [each.id for each in sidecar.titles()] == ["doom"]
    make_files(tmp_path / "elsewhere" / "quake", GAME)
    await until(lambda: sidecar.status().game_count == 2)


async def test_a_caller_that_says_nothing_is_sent_away(
    party: Party, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(callers, "REQUEST_TIMEOUT_S", 0.1)
    sidecar = await party.start("sidecar")
    caller = await party.hostile()
    connection = await caller.connect(address_of(sidecar))
    assert await connection.wait_closed() == "no Hello came"
