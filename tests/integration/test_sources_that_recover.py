"""Sources that refuse for a moment: who is forgiven in time, and that an end still comes."""

import asyncio
from collections import Counter

import pytest

from lanspread_peer.core import source as core_source
from lanspread_peer.model.download import DownloadState
from lanspread_peer.runtime import fetching
from lanspread_peer.transport.base import Stream
from lanspread_peer.wire import messages
from lanspread_peer.wire.messages import Message
from lanspread_peer.wire.stream_codes import StreamCode
from support.hostile_peer import Answer, HostilePeer, honest, resetting, silent
from support.party import (
    AOE2,
    Party,
    download,
    make_game,
    peer_count,
    start_download,
    until,
    wait_done,
)

GAME = make_game(3)
FETCH = messages.GetGameFileChunk
WHOLE = messages.GetGameFileData


def refusing_for(seconds: float, code: int) -> Answer:
    """A cut with this code in the first seconds, honest later."""
    begun_at: list[float] = []

    async def answer(peer: HostilePeer, stream: Stream, request: Message) -> None:
        now = asyncio.get_running_loop().time()
        begun_at.append(now)
        await (resetting(code) if now - begun_at[0] < seconds else honest)(peer, stream, request)

    return answer


@pytest.mark.parametrize("code", [StreamCode.STALE, StreamCode.NOT_FOUND])
async def test_a_hiccup_of_the_only_source_does_not_end_the_download(
    party: Party, code: StreamCode
) -> None:
    source = await party.hostile({AOE2: GAME})
    source.answers[FETCH] = source.answers[WHOLE] = refusing_for(2.5, code)
    downloader = await party.downloader(source, patience_s=12.0)
    status = await download(downloader)
    assert status.state is DownloadState.FINISHED
    assert "DownloadWaiting" in party.events(downloader).of_download(status.id)


async def test_a_source_that_offers_again_has_all_its_tries_again(
    party: Party, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "_FORGIVE_AFTER_S", 1000.0)
    source = await party.hostile({AOE2: GAME})
    source.answers[FETCH] = source.answers[WHOLE] = resetting(6)
    downloader = await party.downloader(source)
    download_id = await start_download(downloader)
    await until(lambda: downloader.download(download_id).state is DownloadState.WAITING)
    offers = source.offers
    await source.announce({})
    await until(lambda: not peer_count(downloader))
    source.answers.clear()
    await source.announce(offers)
    assert (await wait_done(downloader, download_id)).state is DownloadState.FINISHED


@pytest.mark.parametrize(
    ("answer", "code"), [(resetting(6), "CHUNK_UNAVAILABLE"), (silent, "NO_SOURCE")]
)
async def test_forgiveness_is_neither_for_ever_nor_a_flood(
    party: Party, monkeypatch: pytest.MonkeyPatch, answer: Answer, code: str
) -> None:
    monkeypatch.setattr(fetching, "_FORGIVE_AFTER_S", 0.5)
    monkeypatch.setattr(core_source, "STALL_TIMEOUT_S", 0.3)
    source = await party.hostile({AOE2: {"version.ini": b"20240229"}})
    source.answers[FETCH] = source.answers[WHOLE] = answer
    downloader = await party.downloader(source, patience_s=3.0)
    status = await download(downloader)
    assert (status.state, status.error_code) == (DownloadState.FAILED, code)
    events = party.events(downloader).of_download(status.id)
    assert events == ["DownloadBegan", "DownloadWaiting", "DownloadFailedEvent"]
    asked = Counter(map(type, source.requests))
    assert asked[FETCH] + asked[WHOLE] <= 40
