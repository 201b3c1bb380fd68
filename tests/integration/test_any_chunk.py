"""Leaving the choice of the chunk to a source that has all: what it gives, and to whom not."""

import asyncio
import os
from typing import Any

import pytest

from lanspread_peer.model import errors
from lanspread_peer.model.download import DownloadState
from lanspread_peer.model.limits import KIB, MAX_QUEUED_UPLOADS_PER_PEER, MAX_UPLOADS, MIB
from lanspread_peer.runtime.sidecar import Sidecar
from lanspread_peer.transport.base import Connection, Stream
from lanspread_peer.wire import messages
from lanspread_peer.wire.chunk_bitmap import encode_bitmap
from lanspread_peer.wire.codec import encode
from lanspread_peer.wire.messages import CHUNK_NUMBER_BYTES, Feature, Message
from lanspread_peer.wire.stream_codes import StreamCode
from support.game_trees import differences
from support.hostile_peer import Answer, HostilePeer, altered, bytes_asked, honest
from support.party import AOE2, Party, address_of, content_of, download, start_download, until
from support.quic_party import ask

GAME = {"a.bin": os.urandom(MIB), "b.bin": os.urandom(300 * KIB), "version.ini": b"20240229"}
# Four of the first file, two of the second, and one.
COUNT = 7
ALL = (1 << COUNT) - 1
ANY = messages.GetAnyChunk


async def stranger(party: Party) -> tuple[Sidecar, Connection, str]:
    server = await party.start("server", {AOE2: GAME})
    connection = await (await party.hostile()).dial(address_of(server))
    return server, connection, content_of(server)


def any_of(content_id: str, wanted: int, first: int = 0) -> bytes:
    count = max(wanted.bit_length(), 1)
    return encode(ANY(content_id, encode_bitmap(wanted, count), first))


def split(answer: bytes) -> tuple[int, bytes]:
    return int.from_bytes(answer[:CHUNK_NUMBER_BYTES], "big"), answer[CHUNK_NUMBER_BYTES:]


async def refusal(connection: Connection, request: bytes) -> int:
    with pytest.raises(errors.StreamReset) as caught:
        await ask(connection, request)
    return caught.value.code


async def ask_until_free(connection: Connection, request: bytes) -> bytes:
    while True:
        try:
            return await ask(connection, request)
        except errors.StreamReset as reset:
            if reset.code != StreamCode.BUSY:
                raise
            await asyncio.sleep(0.01)


async def test_every_chunk_goes_out_once_before_any_goes_out_twice(party: Party) -> None:
    _, connection, content_id = await stranger(party)
    answers = [split(await ask(connection, any_of(content_id, ALL))) for _ in range(COUNT)]
    assert sorted(number for number, _ in answers) == list(range(COUNT))
    chunks = [data for _, data in sorted(answers)]
    assert b"".join(chunks) == GAME["a.bin"] + GAME["b.bin"] + GAME["version.ini"]


async def test_only_what_is_wanted_is_given(party: Party) -> None:
    _, connection, content_id = await stranger(party)
    for _ in range(3):
        assert split(await ask(connection, any_of(content_id, 1 << 6))) == (6, b"20240229")
        number, _ = split(await ask(connection, any_of(content_id, 0b101, first=2)))
        assert number in (2, 4)


async def test_what_was_asked_at_once_is_chosen_differently(party: Party) -> None:
    _, connection, content_id = await stranger(party)
    requests = [ask(connection, any_of(content_id, ALL)) for _ in range(COUNT)]
    numbers = [split(answer)[0] for answer in await asyncio.gather(*requests)]
    assert sorted(numbers) == list(range(COUNT))


WRONG = {
    "nothing": lambda content: any_of(content, 0),
    "a chunk beyond the last": lambda content: any_of(content, 1 << COUNT),
    "from beyond the last": lambda content: any_of(content, 1, first=COUNT),
    "from the last, and one more": lambda content: any_of(content, 0b11, first=COUNT - 1),
    "a long bitmap": lambda content: encode(ANY(content, "A" * 40_000)),
    "no bitmap": lambda content: encode(ANY(content, "*" * 4)),
    "half a bitmap": lambda content: encode(ANY(content, "AAAAA")),
}


@pytest.mark.parametrize("name", WRONG)
async def test_a_request_that_makes_no_sense_is_refused(party: Party, name: str) -> None:
    server, connection, content_id = await stranger(party)
    assert await refusal(connection, WRONG[name](content_id)) == StreamCode.REFUSED
    assert await refusal(connection, any_of("ab" * 32, 1)) == StreamCode.NOT_FOUND
    assert server.status().counters.sent_bytes == 0


async def test_whoever_lacks_a_file_chooses_nothing(party: Party) -> None:
    source = await party.start("source", {AOE2: GAME})
    holder = await party.start("downloader", peers=(source,))
    await until(lambda: holder.titles() and holder.titles()[0].variants)
    assert (await download(holder)).state is DownloadState.FINISHED
    await until(lambda: content_of(holder))
    content_id = content_of(holder)
    connection = await (await party.hostile()).dial(address_of(holder))
    assert split(await ask(connection, any_of(content_id, 1 << 6)))[1] == b"20240229"
    (party.game("downloader") / "b.bin").unlink()
    holder._library.request_rescan()
    await until(lambda: holder.titles()[0].local.missing_files)  # type: ignore[union-attr]
    assert await refusal(connection, any_of(content_id, 1 << 6)) == StreamCode.NOT_FOUND


async def test_the_slots_are_those_of_all_uploads(party: Party) -> None:
    server = await party.start("server", {AOE2: {**GAME, "big.bin": os.urandom(4 * MIB)}})
    connection = await (await party.hostile()).dial(address_of(server))
    content_id = content_of(server)
    streams: list[Stream] = []
    for _ in range(MAX_UPLOADS + MAX_QUEUED_UPLOADS_PER_PEER):
        stream = connection.open_stream()
        # Larger than what a stream takes unread, so that all of them go on.
        await stream.send(encode(messages.GetGameFileData(content_id, "big.bin")), end=True)
        streams.append(stream)
    assert await refusal(connection, any_of(content_id, ALL)) == StreamCode.BUSY
    for stream in streams:
        stream.reset(StreamCode.REFUSED)
    # The slots are free again as soon as the source hears of it.
    assert await ask_until_free(connection, any_of(content_id, 1))


async def chooser(party: Party, answer: Answer = honest) -> HostilePeer:
    peer = await party.hostile({AOE2: GAME})
    peer.features = list(Feature)
    peer.answers[ANY] = answer
    return peer


def count_choices(server: Sidecar) -> list[int]:
    """Gets an item for each chunk that this source chooses."""
    chosen: list[int] = []
    choice = server._requests._choice
    choose = choice.choose

    def counted(*args: Any, **kwargs: Any) -> int | None:
        chosen.append(1)
        return choose(*args, **kwargs)

    choice.choose = counted  # type: ignore[method-assign]
    return chosen


async def downloader_in_company(party: Party, source: HostilePeer) -> Sidecar:
    """One that knows a peer besides its source, who may want the same."""
    downloader = await party.downloader(source, await party.hostile(), sources=1)
    await until(lambda: downloader.status().peer_count == 2)
    return downloader


async def test_a_download_begins_by_leaving_the_choice(party: Party) -> None:
    peer = await chooser(party)
    status = await download(await downloader_in_company(party, peer))
    assert status.state is DownloadState.FINISHED
    assert peer.asked(ANY)
    assert {path: (party.game("downloader") / path).read_bytes() for path in GAME} == GAME


async def test_alone_with_its_source_a_downloader_asks_in_order_at_once(party: Party) -> None:
    peer = await chooser(party)
    assert (await download(await party.downloader(peer))).state is DownloadState.FINISHED
    assert peer.asked(ANY) == []


async def test_who_does_not_know_it_is_never_asked_for_any_chunk(party: Party) -> None:
    peer = await party.hostile({AOE2: GAME})
    assert (
        await download(await downloader_in_company(party, peer))
    ).state is DownloadState.FINISHED
    assert peer.asked(ANY) == []


async def test_two_sidecars_move_a_game_so(party: Party) -> None:
    server = await party.start("server", {AOE2: GAME})
    bystander = await party.hostile()
    downloader = await party.downloader(server, bystander, sources=1)
    await until(lambda: downloader.status().peer_count == 2)
    by_choice = count_choices(server)
    status = await download(downloader)
    assert status.state is DownloadState.FINISHED
    # All but the last file, and the rest of the second, which are small.
    assert sum(by_choice) == COUNT - 2
    assert status.wasted_bytes == 0
    assert differences(party.game("server"), party.game("downloader")) == []


LIES = {
    "wrong bytes": altered(
        lambda data: data[:CHUNK_NUMBER_BYTES] + bytes(len(data) - CHUNK_NUMBER_BYTES)
    ),
    "no number": altered(lambda data: data[:5]),
    "nothing": altered(lambda _: b""),
    "a byte too few": altered(lambda data: data[:-1]),
    "a byte too many": altered(lambda data: data + b"!"),
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES.keys())
async def test_who_lies_is_dropped(party: Party, lie: Answer) -> None:
    liar, source = await chooser(party, lie), await chooser(party)
    downloader = await downloader_in_company(party, liar)
    download_id = await start_download(downloader)
    await until(lambda: downloader.status().counters.bad_chunks)
    await downloader.add_peer(address_of(source))
    await until(lambda: downloader.download(download_id).state is DownloadState.FINISHED)
    assert {path: (party.game("downloader") / path).read_bytes() for path in GAME} == GAME


def numbered(number: int) -> Answer:
    """The right bytes under another number."""

    async def answer(peer: HostilePeer, stream: Stream, request: Message) -> None:
        assert isinstance(request, ANY)
        data = bytes_asked(peer, request)[CHUNK_NUMBER_BYTES:]
        await stream.send(number.to_bytes(CHUNK_NUMBER_BYTES, "big") + data, end=True)

    return answer


@pytest.mark.parametrize("number", [COUNT, 1 << 63, (1 << 64) - 1])
async def test_who_chooses_what_nobody_wanted_is_asked_by_number(party: Party, number: int) -> None:
    peer = await chooser(party, numbered(number))
    status = await download(await downloader_in_company(party, peer))
    assert status.state is DownloadState.FINISHED
    assert {path: (party.game("downloader") / path).read_bytes() for path in GAME} == GAME
