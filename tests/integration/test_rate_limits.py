"""Rate limits of whole sidecars, over both transports: kept, shared, and changed while in use."""

import asyncio
from collections.abc import Mapping

import pytest

from lanspread_peer.core.byte_rate import BURST_S
from lanspread_peer.model import errors
from lanspread_peer.model.download import DownloadState
from lanspread_peer.model.ids import GameId
from lanspread_peer.model.limits import MIB, MIN_RATE_LIMIT_BYTES_PER_SECOND, STALL_TIMEOUT_S
from lanspread_peer.runtime.chunk_fetch import ChunkFetcher
from lanspread_peer.runtime.clock import monotonic_s
from lanspread_peer.runtime.rate_limits import RateLimit
from lanspread_peer.runtime.sidecar import Sidecar
from support.party import (
    AOE2,
    Files,
    Party,
    change_settings,
    make_game,
    start_download,
    until,
    wait_bytes,
    wait_done,
    wait_sources,
)

LOWEST = MIN_RATE_LIMIT_BYTES_PER_SECOND
GAME_MIB = 6
COH = GameId("coh")
# So slow that who waits is not let through with anything that counts while a test runs.
STUCK = 1

pytestmark = pytest.mark.usefixtures("slow_ways_work")


def limit_of(sidecar: Sidecar, direction: str) -> RateLimit:
    limits = sidecar._limits
    return limits.uploads if direction == "upload" else limits.downloads


def take_tls_away(source: Sidecar) -> None:
    """Whoever connects from now on is told of no bulk port."""
    source._neighbourhood.bulk_port = 0


@pytest.fixture(params=["quic", "tls"])
def transport(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """What all chunks come by."""
    if request.param == "tls":

        async def fetch(*_: object) -> None:
            raise errors.Refused("this is not for messages")

        monkeypatch.setattr(ChunkFetcher, "fetch", fetch)
    return str(request.param)


async def start_source(
    party: Party, transport: str, games: Mapping[str, Files] | None = None
) -> Sidecar:
    source = await party.start("source", games or {AOE2: make_game(GAME_MIB)})
    if transport == "quic":
        take_tls_away(source)
    return source


async def start_pair(party: Party, transport: str, direction: str) -> tuple[Sidecar, Sidecar]:
    """A downloader, and which of it and its source has the limit."""
    source = await start_source(party, transport)
    downloader = await party.downloader(source)
    return downloader, source if direction == "upload" else downloader


@pytest.mark.parametrize("direction", ["upload", "download"])
async def test_a_limited_transfer_is_not_faster_than_its_rate(
    party: Party, transport: str, direction: str
) -> None:
    downloader, limited = await start_pair(party, transport, direction)
    rate = 4 * MIB
    await change_settings(limited, **{f"{direction}_bytes_per_second": rate})
    began = monotonic_s()
    status = await wait_done(downloader, await start_download(downloader), within=60)
    assert status.state is DownloadState.FINISHED
    assert monotonic_s() - began >= GAME_MIB * MIB / rate - BURST_S
    assert (status.wasted_bytes, downloader.status().counters.bad_chunks) == (0, 0)


@pytest.mark.parametrize("direction", ["upload", "download"])
async def test_the_lowest_rate_is_no_silence_to_anybody_and_a_higher_one_counts_at_once(
    party: Party, transport: str, direction: str
) -> None:
    # At that rate it takes 48 s.
    source = await start_source(party, transport, {AOE2: make_game(24)})
    downloader = await party.downloader(source)
    limited = source if direction == "upload" else downloader
    await change_settings(limited, **{f"{direction}_bytes_per_second": LOWEST})
    began = monotonic_s()
    download_id = await start_download(downloader)
    # Beyond what silence would have ended.
    await wait_bytes(downloader, download_id)
    await until(lambda: monotonic_s() - began > STALL_TIMEOUT_S + 1.0)
    status = downloader.download(download_id)
    assert status.state is DownloadState.RUNNING
    assert status.fetched_bytes <= (monotonic_s() - began + 1.0) * LOWEST
    await change_settings(limited, **{f"{direction}_bytes_per_second": None})
    # The rest would take longer than this at the old rate.
    status = await wait_done(downloader, download_id, within=20)
    assert status.state is DownloadState.FINISHED
    assert status.wasted_bytes == 0


@pytest.mark.parametrize("direction", ["upload", "download"])
async def test_a_limit_counts_for_what_is_under_way(
    party: Party, transport: str, direction: str
) -> None:
    downloader, limited = await start_pair(party, transport, direction)
    await change_settings(limited, **{f"{direction}_bytes_per_second": 8 * MIB})
    download_id = await start_download(downloader)
    await wait_bytes(downloader, download_id)
    await change_settings(limited, **{f"{direction}_bytes_per_second": 2 * MIB})
    began, had = monotonic_s(), downloader.status().counters.received_bytes
    status = await wait_done(downloader, download_id, within=60)
    assert status.state is DownloadState.FINISHED
    # What was let through before may still be on its way: a burst, and what buffers hold.
    under_way = 8 * MIB * BURST_S + 2 * MIB
    assert monotonic_s() - began >= (GAME_MIB * MIB - had - under_way) / (2 * MIB)
    assert status.wasted_bytes == 0


@pytest.mark.parametrize("direction", ["upload", "download"])
async def test_who_waits_for_the_limit_ends_when_it_is_cancelled(
    party: Party, transport: str, direction: str
) -> None:
    downloader, limited = await start_pair(party, transport, direction)
    limit = limit_of(limited, direction)
    limit.set_rate(STUCK)
    download_id = await start_download(downloader)
    await until(lambda: limit._bucket._line)
    async with asyncio.timeout(10):
        await downloader.cancel_download(download_id)
        await until(lambda: not limit._bucket._line)


@pytest.mark.parametrize("direction", ["upload", "download"])
async def test_a_sidecar_ends_while_its_limit_is_waited_for(
    party: Party, transport: str, direction: str
) -> None:
    downloader, limited = await start_pair(party, transport, direction)
    limit = limit_of(limited, direction)
    limit.set_rate(STUCK)
    await start_download(downloader)
    await until(lambda: limit._bucket._line)
    async with asyncio.timeout(10):
        await party.end(limited)
    assert not limit._bucket._line


async def test_both_transports_share_one_limit(party: Party) -> None:
    source = await start_source(party, "tls")
    by_tls = await party.start("by tls", peers=(source,))
    await wait_sources(by_tls, 1)
    take_tls_away(source)
    by_quic = await party.start("by quic", peers=(source,))
    await wait_sources(by_quic, 1)
    # Or they would give each other what does not count here.
    await by_tls.block_peer(by_quic.status().peer_id)
    rate = 8 * MIB
    await change_settings(source, upload_bytes_per_second=rate)
    began = monotonic_s()
    downloads = [(one, await start_download(one)) for one in (by_tls, by_quic)]
    for one, which in downloads:
        assert (await wait_done(one, which, 60)).state is DownloadState.FINISHED
    assert monotonic_s() - began >= 2 * GAME_MIB * MIB / rate - BURST_S


async def test_two_downloads_share_a_limit_fairly(party: Party, transport: str) -> None:
    games: dict[str, Files] = {AOE2: make_game(GAME_MIB), COH: make_game(GAME_MIB, seed=2)}
    downloader = await party.downloader(await start_source(party, transport, games))
    await change_settings(downloader, download_bytes_per_second=4 * MIB)
    ids = [await start_download(downloader, game_id) for game_id in (AOE2, COH)]
    await until(lambda: any(downloader.download(one).state.is_final for one in ids))
    # One of them alone, and the other after it, would be nothing.
    assert min(downloader.download(one).done_bytes for one in ids) >= GAME_MIB * MIB / 4


async def test_two_peers_share_a_limit_fairly(party: Party, transport: str) -> None:
    source = await start_source(party, transport)
    await change_settings(source, upload_bytes_per_second=4 * MIB)
    downloaders = [await party.start(name, peers=(source,)) for name in ("anna", "bert")]
    for downloader in downloaders:
        await wait_sources(downloader, 1)
    downloads = [(one, await start_download(one)) for one in downloaders]
    await until(lambda: any(one.download(which).state.is_final for one, which in downloads))
    assert min(one.download(which).done_bytes for one, which in downloads) >= GAME_MIB * MIB / 4
