"""A room of sidecars that fetch the same game: they give each other what they have so far."""

import asyncio
from collections.abc import Callable

import pytest

from lanspread_peer.core.chunk_set import ChunkSet
from lanspread_peer.model import errors
from lanspread_peer.model.download import DownloadState, DownloadStatus
from lanspread_peer.model.ids import DownloadId, PeerId
from lanspread_peer.model.limits import MAX_AVAILABILITIES_PER_PEER, MIB
from lanspread_peer.runtime import partial_sources
from lanspread_peer.runtime.partial_sources import PartialSources
from lanspread_peer.runtime.sidecar import Sidecar
from lanspread_peer.transport.base import Connection, Stream
from lanspread_peer.wire import messages
from lanspread_peer.wire.availability import AvailabilityReader
from lanspread_peer.wire.codec import encode
from lanspread_peer.wire.messages import Message
from lanspread_peer.wire.stream_codes import StreamCode
from support.game_trees import differences
from support.hostile_peer import Answer, HostilePeer, altered, resetting
from support.party import (
    AOE2,
    Party,
    address_of,
    change_settings,
    content_of,
    make_game,
    start_download,
    title,
    until,
    wait_bytes,
    wait_done,
    wait_sources,
)
from support.quic_party import ask

LONG_S = 1e6
LARGE = make_game(48)
SMALL = make_game(6)
SIZE = sum(map(len, LARGE.values()))


async def room(party: Party, count: int) -> tuple[Sidecar, list[Sidecar]]:
    """A seeder, and so many that know it and each other."""
    seeder = await party.start("seeder", {AOE2: LARGE})
    takers: list[Sidecar] = []
    for number in range(count):
        takers.append(await party.start(f"taker{number}", peers=(seeder, *takers)))
    for taker in takers:
        await until(lambda taker=taker: taker.status().peer_count == count)  # type: ignore[misc]
        await wait_sources(taker, 1)
    return seeder, takers


async def start_all(takers: list[Sidecar]) -> list[DownloadId]:
    return list(await asyncio.gather(*map(start_download, takers)))


async def wait_all(takers: list[Sidecar], ids: list[DownloadId]) -> list[DownloadStatus]:
    return list(
        await asyncio.gather(*(wait_done(t, i, 60) for t, i in zip(takers, ids, strict=True)))
    )


def held(sidecar: Sidecar) -> ChunkSet:
    """What a sidecar has so far of what it downloads."""
    return sum(offer.held for offer in sidecar._partial._offers.values())


def assert_all_right(party: Party, statuses: list[DownloadStatus], first: int = 0) -> None:
    for number, status in enumerate(statuses, first):
        assert status.state is DownloadState.FINISHED
        assert differences(party.game("seeder"), party.game(f"taker{number}")) == []


async def test_a_seeder_sends_little_more_than_a_copy_to_a_room_of_three(party: Party) -> None:
    seeder, takers = await room(party, 3)
    # As on a LAN, it is the seeder's line that is full, and not the one loop that all run on here.
    await change_settings(seeder, upload_bytes_per_second=8 * MIB)
    statuses = await wait_all(takers, await start_all(takers))
    assert_all_right(party, statuses)
    assert seeder.status().counters.sent_bytes < 1.7 * SIZE
    given = [taker.status().counters.sent_bytes for taker in takers]
    assert all(given), given
    assert all(len(status.sources) == 3 for status in statuses)


async def test_once_every_chunk_is_out_the_room_ends_without_its_seeder(party: Party) -> None:
    seeder, takers = await room(party, 3)
    count = seeder._library.by_content(content_of(seeder)).manifest.totals.chunks  # type: ignore[arg-type, union-attr]
    ids = await start_all(takers)

    def all_out() -> bool:
        together = 0
        for taker in takers:
            together |= held(taker)
        return together.bit_count() == count

    await until(all_out)
    await party.end(seeder)
    assert_all_right(party, await wait_all(takers, ids))


async def test_a_downloader_that_goes_in_the_middle_costs_the_others_only_time(
    party: Party,
) -> None:
    _, takers = await room(party, 3)
    ids = await start_all(takers)
    await wait_bytes(takers[0], ids[0], SIZE // 4)
    await party.end(takers[0])
    assert_all_right(party, await wait_all(takers[1:], ids[1:]), first=1)


async def test_who_cancels_is_no_source_any_more(party: Party) -> None:
    seeder, takers = await room(party, 2)
    ids = await start_all(takers)
    await wait_bytes(takers[0], ids[0])
    await takers[0].cancel_download(ids[0])
    assert takers[0]._partial.find(content_of(seeder)) is None
    [status] = await wait_all(takers[1:], ids[1:])
    assert_all_right(party, [status], first=1)
    await until(lambda: not takers[1]._peers.partial_sources(status.content_id))


async def test_who_comes_late_takes_from_all(party: Party) -> None:
    seeder, takers = await room(party, 3)
    ids = await start_all(takers[:2])
    await wait_bytes(takers[0], ids[0], SIZE // 4)
    late = await start_download(takers[2])
    statuses = await wait_all(takers, [*ids, late])
    assert_all_right(party, statuses)
    assert seeder.status().counters.sent_bytes < 2.5 * SIZE
    assert len(statuses[2].sources) == 3


async def start_paused(party: Party) -> tuple[Sidecar, HostilePeer]:
    """A downloader that has a part of a game, and of a source that gives no more, the rest."""
    source = await party.hostile({AOE2: SMALL})
    downloader = await party.downloader(source)
    given: list[Message] = []

    async def some(peer: HostilePeer, stream: Stream, request: Message) -> None:
        given.append(request)
        if len(given) > 3:
            await asyncio.Event().wait()
        await altered(lambda data: data)(peer, stream, request)

    source.answers[messages.GetGameFileChunk] = some
    download_id = await start_download(downloader)
    await wait_bytes(downloader, download_id)
    await until(lambda: held(downloader).bit_count() == 3)
    return downloader, source


def chunk_request(source: HostilePeer, number: int) -> messages.GetGameFileChunk:
    offer = source.offers[AOE2]
    chunk = offer.manifest.chunk(number)
    return messages.GetGameFileChunk(offer.content_id, chunk.file.path, chunk.offset, chunk.length)


async def test_only_chunks_that_are_verified_are_given(party: Party) -> None:
    downloader, source = await start_paused(party)
    stranger = await party.hostile()
    connection = await stranger.dial(address_of(downloader))
    offer = source.offers[AOE2]
    has = held(downloader)
    for number in range(offer.totals.chunks):
        chunk = offer.manifest.chunk(number)
        requests = [
            chunk_request(source, number),
            messages.GetChunks(offer.content_id, number, 1),
        ]
        for request in requests:
            if has >> number & 1:
                data = SMALL[chunk.file.path][chunk.offset :][: chunk.length]
                assert await ask(connection, encode(request)) == data
                continue
            with pytest.raises(errors.StreamReset) as caught:
                await ask(connection, encode(request))
            assert caught.value.code == StreamCode.NOT_FOUND
    with pytest.raises(errors.StreamReset):
        await ask(connection, encode(messages.GetManifest(offer.content_id)))


async def test_an_availability_tells_what_is_here_and_what_comes(party: Party) -> None:
    downloader, source = await start_paused(party)
    stranger = await party.hostile()
    connection = await stranger.dial(address_of(downloader))
    content_id = source.offers[AOE2].content_id
    games = await ask(connection, encode(messages.ListGames()))
    assert content_id.encode() in games
    count = source.offers[AOE2].totals.chunks
    stream = connection.open_stream()
    await stream.send(encode(messages.GetAvailability(content_id)), end=True)
    reader = AvailabilityReader(count)
    while reader.held is None:
        reader.add(await stream.receive())
    assert reader.held == held(downloader)
    # A second source brings the rest.
    helper = await party.hostile({AOE2: SMALL})
    await downloader.add_peer(address_of(helper))
    while piece := await stream.receive():
        reader.add(piece)
    assert reader.held == (1 << count) - 1
    await until(lambda: downloader._library.by_content(content_id))
    assert downloader._partial.find(content_id) is None
    # From now on it is a source of all of it.
    games = await ask(connection, encode(messages.ListGames()))
    assert b"downloading" not in games


async def is_told(connection: Connection, request: bytes) -> bool:
    stream = connection.open_stream()
    await stream.send(request, end=True)
    try:
        return bool(await stream.receive())
    except errors.StreamReset:
        return False


async def test_so_many_availabilities_may_be_followed_and_no_more(party: Party) -> None:
    downloader, source = await start_paused(party)
    connection = await (await party.hostile()).dial(address_of(downloader))
    request = encode(messages.GetAvailability(source.offers[AOE2].content_id))
    streams = []
    for _ in range(MAX_AVAILABILITIES_PER_PEER):
        stream = connection.open_stream()
        await stream.send(request, end=True)
        assert await stream.receive()
        streams.append(stream)
    with pytest.raises(errors.StreamReset) as caught:
        await ask(connection, request)
    assert caught.value.code == StreamCode.BUSY
    for stream in streams:
        stream.reset(StreamCode.REFUSED)
    # Its next word to them finds nobody there.
    for _ in range(100):
        if await is_told(connection, request):
            return
        await asyncio.sleep(0.05)
    pytest.fail("their places are not free again")


LIES: dict[str, Answer] = {
    "wrong bytes": altered(lambda data: bytes(len(data))),
    "short ones": altered(lambda data: data[:-1]),
    "what it has not": resetting(StreamCode.NOT_FOUND),
}


async def with_partial(
    party: Party, prepare: Callable[[HostilePeer], None]
) -> tuple[Sidecar, HostilePeer, DownloadId]:
    """A download from a slow source, and a peer that says it holds all as well."""
    source = await party.start("seeder", {AOE2: LARGE})
    liar = await party.hostile()
    liar.download_in_part(AOE2, LARGE, held=(1 << (48 * MIB // (256 * 1024) + 2)) - 1)
    prepare(liar)
    downloader = await party.start("taker0", peers=(source, liar))
    await wait_sources(downloader, 1)
    await until(lambda: downloader._peers.partial_sources(content_of(source)))  # type: ignore[arg-type]
    return downloader, liar, await start_download(downloader)


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES.keys())
async def test_a_lying_partial_source_is_dropped_and_the_result_is_right(
    party: Party, lie: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Who only refuses is asked again after a rest, which a slow machine would see the end of.
    monkeypatch.setattr(partial_sources, "_ASK_AGAIN_S", LONG_S)

    def prepare(liar: HostilePeer) -> None:
        for kind in (messages.GetGameFileChunk, messages.GetChunks):
            liar.answers[kind] = lie

    downloader, liar, download_id = await with_partial(party, prepare)
    [status] = await wait_all([downloader], [download_id])
    assert_all_right(party, [status])
    asked = len(liar.asked(messages.GetGameFileChunk)) + len(liar.asked(messages.GetChunks))
    assert 0 < asked <= 12
    assert next((s.bytes for s in status.sources if s.peer_id == liar.peer_id), 0) == 0


NONSENSE = [b"*\n", b"A" * 100_000, b"\n9999999\n", b"\n5\n5\n", b"\n" * 100_000]
LOOKS = 3


@pytest.mark.parametrize("text", NONSENSE)
async def test_who_tells_nonsense_of_its_chunks_is_no_source(
    party: Party, text: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    # So that each look at who is there would ask it again.
    monkeypatch.setattr(partial_sources, "_ASK_AGAIN_S", 0.0)
    looks = 0
    look = PartialSources.update

    def counted(
        sources: PartialSources, others: frozenset[PeerId], *, now: float
    ) -> dict[PeerId, ChunkSet]:
        nonlocal looks
        looks += has_told.is_set() and not sources._tasks._tasks
        return look(sources, others, now=now)

    monkeypatch.setattr(PartialSources, "update", counted)
    has_told = asyncio.Event()

    async def tell(_peer: HostilePeer, stream: Stream, _request: Message) -> None:
        try:
            await stream.send(text, end=True)
        finally:
            has_told.set()

    async def later(peer: HostilePeer, stream: Stream, request: Message) -> None:
        await until(lambda: looks >= LOOKS)
        await altered(lambda data: data)(peer, stream, request)

    source, liar = await party.hostile({AOE2: SMALL}), await party.hostile()
    liar.download_in_part(AOE2, SMALL, held=1)
    liar.answers[messages.GetAvailability] = tell
    source.answers[messages.GetGameFileChunk] = later
    downloader = await party.downloader(source)
    await downloader.add_peer(address_of(liar))
    content_id = source.offers[AOE2].content_id
    await until(lambda: downloader._peers.partial_sources(content_id))
    status = await wait_done(downloader, await start_download(downloader))
    assert status.state is DownloadState.FINISHED
    assert len(liar.asked(messages.GetAvailability)) == 1
    assert not liar.asked(messages.GetGameFileChunk)
    assert not liar.asked(messages.GetChunks)


async def test_partial_sources_alone_are_waited_for_and_then_given_up(party: Party) -> None:
    source = await party.start("seeder", {AOE2: LARGE})
    empty = await party.hostile()
    empty.download_in_part(AOE2, LARGE, held=0)
    downloader = await party.start("taker0", peers=(source, empty), patience_s=1.0)
    await wait_sources(downloader, 1)
    # So slow that it lasts until its source goes.
    await change_settings(downloader, download_bytes_per_second=MIB)
    download_id = await start_download(downloader)
    await wait_bytes(downloader, download_id)
    await party.end(source)
    [status] = await wait_all([downloader], [download_id])
    assert status.state is DownloadState.FAILED
    assert status.error_code == "NO_SOURCE"
    assert title(downloader) is None
