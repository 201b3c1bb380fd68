"""Memory of a transfer is bounded, whatever its size and whoever stalls or floods."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from lanspread_peer.model.download import DownloadState
from lanspread_peer.wire import messages
from support.hostile_peer import endless
from support.party import AOE2, MIB, Party, download, start_download, until, wait_done


def resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


class Peak:
    """The most that was resident, above what was at first."""

    def __init__(self) -> None:
        self._first = resident_bytes()
        self.bytes = 0

    async def watch(self) -> None:
        while True:
            self.bytes = max(self.bytes, resident_bytes() - self._first)
            await asyncio.sleep(0.005)


@asynccontextmanager
async def peak() -> AsyncIterator[Peak]:
    measured = Peak()
    watch = asyncio.ensure_future(measured.watch())
    try:
        yield measured
    finally:
        watch.cancel()
        await asyncio.wait({watch})


async def test_a_download_takes_less_memory_than_its_file(party: Party) -> None:
    game = party.game("source")
    game.mkdir(parents=True)
    (game / "version.ini").write_bytes(b"20240229")
    with (game / "huge.bin").open("wb") as file:
        for number in range(128):
            file.write(number.to_bytes(4, "big") * (MIB // 4))
    source = await party.start("source")
    downloader = await party.downloader(source)
    async with peak() as measured:
        status = await download(downloader)
    assert status.state is DownloadState.FINISHED
    # Both ends together.
    assert measured.bytes < 80 * MIB


async def test_a_flood_is_cut_off_at_the_chunk(party: Party) -> None:
    game = {"version.ini": b"20240229", "huge.bin": bytes(64 * MIB)}
    floods = [await party.hostile({AOE2: game}) for _ in range(4)]
    for flood in floods:
        for request in (messages.GetGameFileChunk, messages.GetGameFileData):
            flood.answers[request] = endless
    downloader = await party.downloader(*floods, patience_s=0.3)
    async with peak() as measured:
        download_id = await start_download(downloader)
        await until(lambda: downloader.status().counters.bad_chunks)
        status = await wait_done(downloader, download_id)
    assert status.error_code == "LOCAL_CORRUPTION_SUSPECTED"
    assert measured.bytes < 48 * MIB
