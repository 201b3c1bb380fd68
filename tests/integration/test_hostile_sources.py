"""Hostile sources beside one honest source: the game comes, and from the honest one alone."""

import asyncio
from collections.abc import Callable, Iterator

import pytest
import structlog
from structlog.testing import LogCapture

from lanspread_peer.core import source as core_source
from lanspread_peer.model.download import DownloadState
from lanspread_peer.runtime import chunk_fetch
from lanspread_peer.runtime.sidecar import Sidecar
from lanspread_peer.transport import quic_stream
from lanspread_peer.transport.base import Stream
from lanspread_peer.wire import messages
from lanspread_peer.wire.messages import Message
from support.hostile_peer import (
    Answer,
    HostilePeer,
    altered,
    dripping,
    endless,
    halfway,
    resetting,
    saying,
    silent,
    slowed,
    wrong_bytes,
)
from support.party import (
    AOE2,
    Files,
    Party,
    download,
    make_game,
    start_download,
    until,
    wait_done,
    wait_sources,
)
from support.storage_folders import snapshot

GAME = make_game(6)
SMALL = {"version.ini": b"20240229"}
FETCH = messages.GetGameFileChunk


@pytest.fixture
def logs() -> Iterator[LogCapture]:
    """What is logged during a test."""
    capture = LogCapture()
    before = structlog.get_config()
    structlog.configure(processors=[capture], cache_logger_on_first_use=False)
    yield capture
    structlog.configure(**before)


async def bystanders(
    party: Party, *answers: Answer, honest_delay_s: float = 0.0
) -> tuple[list[HostilePeer], Sidecar]:
    """Hostile peers that answer chunks so, and a downloader that knows an honest one as well."""
    hostile = []
    for answer in answers:
        peer = await party.hostile({AOE2: GAME})
        peer.answers[FETCH] = answer
        hostile.append(peer)
    honest = await party.hostile({AOE2: GAME})
    honest.name = "honest"
    if honest_delay_s:
        honest.answers[FETCH] = slowed(honest_delay_s)
    return hostile, await party.downloader(*hostile, honest)


def assert_right(party: Party, files: Files = GAME) -> None:
    tree = snapshot(party.game("downloader"))
    assert {path: data for path, data in tree.items() if data is not None} == files


LIES: dict[str, Answer] = {
    "wrong bytes": wrong_bytes,
    "one wrong bit": altered(lambda data: bytes([data[0] ^ 1]) + data[1:]),
    "a byte too few": altered(lambda data: data[:-1]),
    "a byte too many": altered(lambda data: data + b"x"),
    "nothing": saying(b""),
    "endless": endless,
    "a message for bytes": saying(messages.NotFound()),
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES.keys())
async def test_a_source_that_sends_wrong_bytes_is_dropped(
    party: Party, lie: Answer, logs: LogCapture
) -> None:
    (liar,), downloader = await bystanders(party, lie, honest_delay_s=0.05)
    status = await download(downloader)
    assert status.state is DownloadState.FINISHED
    assert_right(party)
    assert {share.name for share in status.sources if share.bytes} == {"honest"}
    # Only what was out when the first lie came to light.
    assert 0 < len(liar.asked(FETCH)) <= 12
    assert len([entry for entry in logs.entries if entry["event"] == "source dropped"]) == 1


async def test_a_liar_is_not_asked_again_though_it_comes_back(party: Party) -> None:
    (liar,), downloader = await bystanders(party, wrong_bytes, honest_delay_s=0.2)
    download_id = await start_download(downloader)
    await until(lambda: downloader.status().counters.bad_chunks)
    await until(lambda: not is_active(downloader, "hostile"))
    asked = len(liar.asked(FETCH))
    for connection in liar.accepted:
        connection.close("coming back")
    await until(lambda: downloader.status().peer_count == 1)
    await until(lambda: downloader.status().peer_count == 2)
    assert (await wait_done(downloader, download_id)).state is DownloadState.FINISHED
    assert len(liar.asked(FETCH)) == asked


def is_active(sidecar: Sidecar, name: str) -> bool:
    return any(share.name == name and share.active for share in sidecar.downloads()[0].sources)


TROUBLES: dict[str, Answer] = {
    **{f"reset {code}": resetting(code) for code in (1, 2, 3, 4, 5, 6, 0, 77, 2**62 - 1)},
    "half, then a cut": halfway(6),
    "silence": silent,
}


@pytest.mark.parametrize("trouble", TROUBLES.values(), ids=TROUBLES.keys())
async def test_a_source_that_does_not_serve_costs_little(party: Party, trouble: Answer) -> None:
    (useless,), downloader = await bystanders(party, trouble, honest_delay_s=0.02)
    status = await download(downloader)
    assert status.state is DownloadState.FINISHED
    assert_right(party)
    assert {share.name for share in status.sources if share.bytes} == {"honest"}
    assert 0 < len(useless.asked(FETCH)) <= 40


async def test_a_crowd_of_every_kind_does_not_stop_one_honest_source(party: Party) -> None:
    kinds = [*LIES.values(), resetting(1), resetting(99), halfway(3), silent]
    crowd, downloader = await bystanders(party, *kinds, honest_delay_s=0.01)
    status = await download(downloader)
    assert status.state is DownloadState.FINISHED
    assert_right(party)
    assert {share.name for share in status.sources if share.bytes} <= {"honest", "hostile"}
    assert sum(s.bytes for s in status.sources if s.name == "hostile") == 0
    assert all(len(peer.asked(FETCH)) < 40 for peer in crowd)


async def test_when_all_sources_lie_the_fault_may_be_here(party: Party) -> None:
    liars = [await party.hostile({AOE2: GAME}) for _ in range(3)]
    for liar in liars:
        liar.answers[FETCH] = wrong_bytes
    downloader = await party.downloader(*liars, patience_s=0.3)
    status = await download(downloader)
    assert status.state is DownloadState.FAILED
    assert status.error_code == "LOCAL_CORRUPTION_SUSPECTED"
    assert not party.game("downloader").exists()
    assert status.fetched_bytes == 0


async def test_a_lone_liar_is_called_one(party: Party) -> None:
    liar = await party.hostile({AOE2: GAME})
    liar.answers[FETCH] = wrong_bytes
    downloader = await party.downloader(liar, patience_s=0.3)
    status = await download(downloader)
    assert (status.state, status.error_code) == (DownloadState.FAILED, "WRONG_BYTES")


async def test_sources_that_give_whole_files_only_are_enough(party: Party) -> None:
    source = await party.hostile({AOE2: make_game(1)})
    source.answers[FETCH] = resetting(6)
    downloader = await party.downloader(source)
    status = await download(downloader)
    assert status.state is DownloadState.FINISHED
    assert status.fetched_bytes == status.total_bytes
    asked = [request.relative_path for request in source.asked(messages.GetGameFileData)]
    assert sorted(asked) == ["aoe2.eti", "data/maps/arena.rms", "version.ini"]


@pytest.mark.parametrize(
    "change",
    [lambda data: data[:-1], lambda data: b"\0" * len(data), lambda _: b""],
    ids=["short", "wrong", "empty"],
)
async def test_a_whole_file_is_verified_like_any_chunk(
    party: Party, change: Callable[[bytes], bytes]
) -> None:
    source = await party.hostile({AOE2: make_game(1)})
    source.answers[FETCH] = resetting(6)
    source.answers[messages.GetGameFileData] = altered(change)
    downloader = await party.downloader(source, patience_s=0.3)
    status = await download(downloader)
    assert status.state is DownloadState.FAILED
    assert not party.game("downloader").exists()


async def test_more_than_the_whole_file_changes_nothing_of_it(party: Party) -> None:
    liar = await party.hostile({AOE2: SMALL})
    liar.answers[FETCH] = resetting(6)
    liar.answers[messages.GetGameFileData] = altered(lambda data: data + b"x")
    downloader = await party.downloader(liar, patience_s=0.2)
    status = await download(downloader)
    # Each file came whole before its sender was found out, and nothing else did.
    assert status.state is DownloadState.FINISHED
    assert_right(party, SMALL)
    assert downloader.status().counters.bad_chunks >= 1


async def test_a_dripping_sender_of_a_whole_file_is_cut_off(
    party: Party, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunk_fetch, "_CHUNK_OF_FILE_TIMEOUT_S", 0.3)
    sources = [await party.hostile({AOE2: make_game(1)}) for _ in range(2)]
    for source in sources:
        source.answers[FETCH] = resetting(6)
    sources[0].answers[messages.GetGameFileData] = dripping
    downloader = await party.downloader(*sources)
    assert (await download(downloader)).state is DownloadState.FINISHED


async def test_a_source_that_returns_after_all_others_refused_is_still_asked(party: Party) -> None:
    useless = await party.hostile({AOE2: GAME})
    useless.answers[FETCH] = useless.answers[messages.GetGameFileData] = resetting(6)
    downloader = await party.downloader(useless)
    download_id = await start_download(downloader)
    await until(lambda: useless.asked(messages.GetGameFileData))
    honest = await party.start("honest", {AOE2: GAME})
    await downloader.add_peer(str(honest.status().addresses[0]))
    assert (await wait_done(downloader, download_id)).state is DownloadState.FINISHED


async def test_what_no_source_gives_in_any_way_is_named(party: Party) -> None:
    sources = [await party.hostile({AOE2: {"version.ini": b"20240229"}}) for _ in range(2)]
    for source in sources:
        source.answers[FETCH] = source.answers[messages.GetGameFileData] = resetting(6)
    downloader = await party.downloader(*sources, patience_s=0.2)
    status = await download(downloader)
    assert (status.state, status.error_code) == (DownloadState.FAILED, "CHUNK_UNAVAILABLE")
    events = party.events(downloader).of_download(status.id)
    assert events == ["DownloadBegan", "DownloadWaiting", "DownloadFailedEvent"]
    assert all(len(source.asked(messages.GetGameFileData)) <= 3 for source in sources)


async def test_whole_files_are_asked_of_those_only_that_have_the_whole_game(party: Party) -> None:
    files = {"version.ini": b"20240229"}
    source, partial = await party.hostile({AOE2: files}), await party.hostile()
    content_id = partial.download_in_part(AOE2, files, held=1).content_id
    for peer in (source, partial):
        for kind in (FETCH, messages.GetChunks, messages.GetGameFileData):
            peer.answers[kind] = resetting(6)
    downloader = await party.start("downloader", peers=(source, partial), patience_s=0.5)
    await wait_sources(downloader, 1)
    await until(lambda: downloader._peers.partial_sources(content_id))
    assert (await download(downloader)).state is DownloadState.FAILED
    assert partial.asked(FETCH)
    assert source.asked(messages.GetGameFileData)
    assert not partial.asked(messages.GetGameFileData)


async def test_a_cut_request_is_cut_at_the_source_at_once(
    party: Party, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Which would cut it too, and later.
    monkeypatch.setattr(core_source, "STALL_TIMEOUT_S", 1000.0)
    monkeypatch.setattr(quic_stream, "STALL_TIMEOUT_S", 1000.0)
    ended = asyncio.Event()

    async def watched(peer: HostilePeer, stream: Stream, request: Message) -> None:
        try:
            await endless(peer, stream, request)
        finally:
            ended.set()

    liar = await party.hostile({AOE2: GAME})
    liar.answers[FETCH] = watched
    downloader = await party.downloader(liar, patience_s=0.5)
    await start_download(downloader)
    async with asyncio.timeout(20):
        await ended.wait()
