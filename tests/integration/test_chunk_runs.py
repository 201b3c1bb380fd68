"""Several chunks in one request: for small files above all, and with the same guards as one."""

import os

import pytest

from lanspread_peer.model import errors
from lanspread_peer.model.download import DownloadState
from lanspread_peer.model.limits import KIB, MAX_RUN_BYTES, MIB
from lanspread_peer.runtime.sidecar import Sidecar
from lanspread_peer.transport.base import Connection, Stream
from lanspread_peer.wire import messages
from lanspread_peer.wire.codec import encode
from lanspread_peer.wire.messages import Feature
from support.game_trees import differences
from support.hostile_peer import Answer, HostilePeer, altered, bytes_asked
from support.party import AOE2, Party, address_of, content_of, download, start_download, until
from support.quic_party import ask

SMALL = {f"data/{number:03}": os.urandom(4 * KIB) for number in range(600)}
GAME = {"version.ini": b"20240229", **SMALL, "movie.bin": os.urandom(6 * MIB + 5)}
RUN = messages.GetChunks


async def source(party: Party) -> HostilePeer:
    """A handmade source that knows runs."""
    peer = await party.hostile({AOE2: GAME})
    peer.features = list(Feature)
    return peer


def assert_right(party: Party) -> None:
    for path, data in GAME.items():
        assert (party.game("downloader") / path).read_bytes() == data


async def test_a_folder_of_small_files_comes_in_few_requests(party: Party) -> None:
    peer = await source(party)
    status = await download(await party.downloader(peer))
    assert status.state is DownloadState.FINISHED
    assert_right(party)
    assert len(peer.asked(RUN)) + len(peer.asked(messages.GetGameFileChunk)) < 50


async def test_two_sidecars_move_small_and_large_files_in_runs(party: Party) -> None:
    server = await party.start("server", {AOE2: GAME})
    downloader = await party.downloader(server)
    status = await download(downloader)
    assert status.state is DownloadState.FINISHED
    assert status.wasted_bytes == 0
    assert differences(party.game("server"), party.game("downloader")) == []
    assert server.status().counters.requests_served < 100


async def test_who_does_not_know_runs_is_asked_chunk_by_chunk(party: Party) -> None:
    peer = await party.hostile({AOE2: GAME})
    status = await download(await party.downloader(peer))
    assert status.state is DownloadState.FINISHED
    assert peer.asked(RUN) == []


def wrong_from(start: int) -> Answer:
    """All bytes of a run but the first ones are wrong."""
    return altered(lambda data: data[:start] + bytes(len(data) - start))


LIES = {
    "wrong in the middle": wrong_from(50 * KIB),
    "wrong from the start": wrong_from(0),
    "a byte too few": altered(lambda data: data[:-1]),
    "a byte too many": altered(lambda data: data + b"!"),
    "nothing": altered(lambda _: b""),
    "another run": altered(lambda data: data[::-1]),
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES.keys())
async def test_a_run_with_wrong_bytes_drops_its_source_and_keeps_what_is_right(
    party: Party, lie: Answer
) -> None:
    liar, honest = await source(party), await source(party)
    liar.answers[RUN] = lie
    downloader = await party.downloader(liar)
    download_id = await start_download(downloader)
    await until(lambda: downloader.status().counters.bad_chunks)
    asked = len(liar.asked(RUN))
    await downloader.add_peer(address_of(honest))
    await until(lambda: downloader.download(download_id).state is DownloadState.FINISHED)
    assert_right(party)
    assert len(liar.asked(RUN)) == asked


async def test_a_run_that_breaks_off_is_not_asked_for_from_its_start(party: Party) -> None:
    peer = await source(party)
    broken: list[messages.GetChunks] = []

    async def breaks_off(of: HostilePeer, stream: Stream, request: messages.Message) -> None:
        assert isinstance(request, RUN)
        data = bytes_asked(of, request)
        if not broken:
            broken.append(request)
            await stream.send(data[: 100 * KIB])
            stream.reset(6)
            return
        await stream.send(data, end=True)

    peer.answers[RUN] = breaks_off
    status = await download(await party.downloader(peer))
    assert status.state is DownloadState.FINISHED
    assert_right(party)
    [first] = broken
    assert all(r.first > first.first for r in peer.asked(RUN)[1:])


async def stranger(party: Party) -> tuple[Sidecar, Connection, str]:
    server = await party.start("server", {AOE2: GAME})
    connection = await (await party.hostile()).dial(address_of(server))
    return server, connection, content_of(server)


async def test_a_run_is_exactly_the_bytes_of_its_chunks(party: Party) -> None:
    _, connection, content_id = await stranger(party)
    data = await ask(connection, encode(RUN(content_id, 0, 600)))
    assert data == b"".join(SMALL[path] for path in sorted(SMALL))
    data = await ask(connection, encode(RUN(content_id, 599, 2)))
    assert data == SMALL["data/599"] + GAME["movie.bin"][: 256 * KIB]


async def test_runs_beyond_the_content_or_the_limit_are_refused(party: Party) -> None:
    _, connection, content_id = await stranger(party)
    movie, last = 600, 600 + 25
    chunks = MAX_RUN_BYTES // (256 * KIB)
    assert len(await ask(connection, encode(RUN(content_id, movie, chunks)))) == MAX_RUN_BYTES
    assert await ask(connection, encode(RUN(content_id, last, 1))) == b"20240229"
    for first, count in [(movie, chunks + 1), (last, 2), (last + 1, 1), (0, 1024)]:
        with pytest.raises(errors.StreamReset):
            await ask(connection, encode(RUN(content_id, first, count)))


async def test_a_run_ends_without_its_end_when_a_file_changed(party: Party) -> None:
    _, connection, content_id = await stranger(party)
    (party.game("server") / "data/300").write_bytes(b"changed")
    with pytest.raises(errors.StreamReset) as caught:
        await ask(connection, encode(RUN(content_id, 250, 100)))
    assert caught.value.code == 2
