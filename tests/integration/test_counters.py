"""What a sidecar counts, through real transfers by both transports."""

import pytest

from lanspread_peer.model.download import DownloadState
from lanspread_peer.model.events import DownloadFinished
from lanspread_peer.runtime.sidecar import Sidecar
from lanspread_peer.wire import messages
from support.hostile_peer import wrong_bytes
from support.party import (
    AOE2,
    Party,
    address_of,
    change_settings,
    download,
    make_game,
    start_download,
    until,
)

GAME = make_game(2)
SIZE = sum(map(len, GAME.values()))


async def transferred(party: Party) -> tuple[Sidecar, Sidecar]:
    source = await party.start("source", {AOE2: GAME})
    owner = await party.downloader(source)
    assert (await download(owner)).state is DownloadState.FINISHED
    return source, owner


@pytest.mark.usefixtures("slow_ways_work")
async def test_bytes_are_counted_by_transport_at_both_ends(party: Party) -> None:
    source, owner = await transferred(party)
    sent, received = source.status().counters, owner.status().counters
    assert (sent.sent_tls_bytes, sent.sent_quic_bytes) == (sent.sent_bytes, 0)
    assert sent.sent_bytes >= SIZE
    assert (received.received_tls_bytes, received.received_quic_bytes) == (
        received.received_bytes,
        0,
    )
    assert received.received_bytes >= SIZE
    assert received.verified_chunks >= 3
    assert (received.sent_bytes, sent.received_bytes) == (0, 0)


async def test_a_peer_that_speaks_quic_alone_is_counted_there(party: Party) -> None:
    peer = await party.hostile({AOE2: GAME})
    owner = await party.downloader(peer)
    assert (await download(owner)).state is DownloadState.FINISHED
    counters = owner.status().counters
    assert (counters.received_tls_bytes, counters.received_quic_bytes) == (
        0,
        counters.received_bytes,
    )


async def test_wrong_chunks_are_not_among_the_verified(party: Party) -> None:
    peer = await party.hostile({AOE2: GAME})
    for kind in (messages.GetGameFileChunk, messages.GetChunks, messages.GetAnyChunk):
        peer.answers[kind] = wrong_bytes
    owner = await party.downloader(peer, patience_s=1.0)
    assert (await download(owner)).state is DownloadState.FAILED
    counters = owner.status().counters
    assert counters.bad_chunks >= 1
    assert counters.verified_chunks == 0


async def test_connections_and_what_is_told_are_counted_now(party: Party) -> None:
    source, owner = await transferred(party)
    for sidecar in (source, owner):
        counters = sidecar.status().counters
        assert counters.quic_connections == 1
        assert counters.active_uploads == 0
    events = party.events(owner)
    await events.wait_for(DownloadFinished)
    assert owner.status().counters.events == owner.events.latest >= len(events.of(DownloadFinished))
    streams = owner.status().counters.event_streams
    subscription = owner.events.subscribe()
    assert owner.status().counters.event_streams == streams + 1
    del subscription
    assert owner.status().counters.event_streams == streams
    await party.end(source)
    await until(lambda: owner.status().counters.quic_connections == 0)


async def test_a_caller_that_is_sent_away_is_counted(party: Party) -> None:
    peer = await party.hostile()
    sidecar = await party.start("alice")
    await sidecar.block_peer(peer.peer_id)
    connection = await peer.connect(address_of(sidecar))
    assert isinstance(await peer.say_hello(connection), messages.Refused)
    assert sidecar.status().counters.refused_callers == 1


async def test_an_upload_is_counted_while_it_runs(party: Party) -> None:
    source = await party.start("source", {AOE2: make_game(4)})
    await change_settings(source, upload_bytes_per_second=1024 * 1024)
    owner = await party.downloader(source)
    download_id = await start_download(owner)
    await until(lambda: source.status().counters.active_uploads > 0)
    assert source.status().counters.tls_connections >= 1
    assert owner.status().counters.tls_connections >= 1
    await owner.cancel_download(download_id)
    await until(lambda: source.status().counters.active_uploads == 0)
