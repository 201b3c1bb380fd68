"""What is on the disk already is not asked of the network, and the figures say so."""

from lanspread_peer.model.download import DownloadState
from lanspread_peer.model.events import DownloadFinished
from lanspread_peer.wire import messages
from support.party import (
    AOE2,
    KIB,
    MIB,
    Party,
    download,
    make_game,
    start_download,
    until,
    wait_bytes,
    wait_done,
    wait_sources,
)
from support.storage_folders import make_files, snapshot

CHUNK_BYTES = 256 * KIB
OLD = make_game(12)
SIZE = sum(map(len, OLD.values()))


def with_changes(chunks: tuple[int, ...]) -> dict[str, bytes]:
    """The next version: these chunks of the large file differ, and another file has its name."""
    archive = bytearray(OLD["aoe2.eti"])
    for chunk in chunks:
        archive[chunk * CHUNK_BYTES] ^= 0xFF
    renamed = {"data/maps/renamed.rms": OLD["data/maps/arena.rms"], "data/empty": b""}
    return {"version.ini": b"20250101\n", "aoe2.eti": bytes(archive), **renamed}


async def test_an_update_fetches_only_what_changed(party: Party) -> None:
    new = with_changes((0, 7, 40))
    source = await party.hostile({AOE2: new})
    owner = await party.start("owner", {AOE2: OLD}, peers=(source,))
    variant = (await wait_sources(owner, 1)).variants[0]
    status = await download(owner, AOE2, variant.content_id)
    assert status.state is DownloadState.FINISHED
    changed = 3 * CHUNK_BYTES + len(new["version.ini"])
    assert (status.fetched_bytes, status.wasted_bytes) == (changed, 0)
    assert status.reused_bytes == sum(map(len, new.values())) - changed
    asked = {(r.relative_path, r.offset) for r in source.asked(messages.GetGameFileChunk)}
    assert asked == {("version.ini", 0), *(("aoe2.eti", n * CHUNK_BYTES) for n in (0, 7, 40))}
    told = await party.events(owner).wait_for(DownloadFinished)
    assert told.download.reused_bytes == status.reused_bytes
    expected = make_files(party.root / "expected", new)
    game = snapshot(party.game("owner"))
    assert {path: game[path] for path in snapshot(expected)} == snapshot(expected)


async def test_what_another_version_had_fetched_before_it_failed_is_taken(party: Party) -> None:
    old_source = await party.hostile({AOE2: OLD})
    old_source.slow_down(0.02)
    downloader = await party.downloader(old_source, patience_s=0.2)
    first = await start_download(downloader)
    await wait_bytes(downloader, first, 3 * MIB)
    await party.end(old_source)
    await wait_done(downloader, first, within=30)
    [left] = await downloader.stagings()
    new = with_changes((47,))
    await downloader.add_peer(str((await party.hostile({AOE2: new})).address))
    await wait_sources(downloader, 1)
    status = await download(downloader)
    assert status.state is DownloadState.FINISHED
    small = len(OLD["version.ini"]) + CHUNK_BYTES
    assert status.reused_bytes >= left.recorded_bytes - small
    assert snapshot(party.game("downloader")) == snapshot(make_files(party.root / "new", new))
    staging = party.games("downloader") / ".lanspread" / "staging"
    await until(lambda: list(staging.iterdir()) == [])
