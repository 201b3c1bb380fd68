"""Chunks come by TLS where both ends offer it, else by QUIC, and are right in any case."""

import asyncio
import socket
from collections.abc import Callable, Iterator

import pytest

from lanspread_peer.model import errors
from lanspread_peer.model.download import DownloadState
from lanspread_peer.model.events import Warned
from lanspread_peer.model.ids import InstanceId, PeerId
from lanspread_peer.model.limits import MAX_RECORD_BYTES, STALL_TIMEOUT_S
from lanspread_peer.model.peer import Address
from lanspread_peer.runtime import bulk_routes, offers
from lanspread_peer.runtime.chunk_fetch import ChunkFetcher
from lanspread_peer.runtime.clock import monotonic_s
from lanspread_peer.runtime.identity import Identity
from lanspread_peer.runtime.sidecar import Sidecar
from lanspread_peer.storage.served_file import served_slices
from lanspread_peer.transport.tls_client import TlsClient
from lanspread_peer.transport.tls_reader import DataReader
from lanspread_peer.wire import messages
from support.game_trees import differences
from support.hostile_peer import HostilePeer
from support.party import (
    AOE2,
    Party,
    address_of,
    content_of,
    download,
    make_game,
    start_download,
    until,
    wait_done,
    wait_sources,
)
from support.ports import free_port
from support.quic_party import LOOPBACK
from support.wire_tap import wire_tap

GAME = make_game(6)


def bulk_port(sidecar: Sidecar) -> int:
    return sidecar._neighbourhood.bulk_port


async def assert_downloads(party: Party, downloader: Sidecar) -> None:
    status = await download(downloader)
    assert status.state is DownloadState.FINISHED
    assert differences(party.game("server"), party.game("downloader")) == []


def unreachable(party: Party, downloader: Sidecar) -> list[Warned]:
    warned = party.events(downloader).of(Warned)
    return [event for event in warned if event.code == "BULK_UNREACHABLE"]


@pytest.mark.usefixtures("slow_ways_work")
async def test_all_chunks_come_by_tls(party: Party, monkeypatch: pytest.MonkeyPatch) -> None:
    by_messages: list[object] = []

    async def fetch(*asked: object) -> None:
        by_messages.append(asked)
        raise errors.Refused("this is not for messages")

    monkeypatch.setattr(ChunkFetcher, "fetch", fetch)
    server = await party.start("server", {AOE2: GAME})
    await assert_downloads(party, await party.downloader(server))
    assert by_messages == []


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port where connections are made and nobody says a word, as behind some firewalls."""
    with socket.socket() as listening:
        listening.bind((LOOPBACK, 0))
        listening.listen(64)
        yield listening.getsockname()[1]


@pytest.fixture
def closed_port() -> int:
    """A port where nobody listens."""
    return free_port()


@pytest.mark.parametrize("kind", ["silent_port", "closed_port"])
async def test_who_cannot_be_reached_by_tls_is_asked_by_quic_and_that_is_told_once(
    party: Party, kind: str, request: pytest.FixtureRequest
) -> None:
    server = await party.start("server", {AOE2: GAME})
    server._neighbourhood.bulk_port = request.getfixturevalue(kind)
    downloader = await party.start("downloader")
    # Nor can it be dialled back.
    downloader._neighbourhood.bulk_port = request.getfixturevalue(kind)
    await downloader.add_peer(address_of(server))
    await wait_sources(downloader, 1)
    await assert_downloads(party, downloader)
    assert len(unreachable(party, downloader)) == 1


class Holder:
    """Somebody who has a slot."""

    peer_id = PeerId("a" * 52)
    address = Address("192.0.2.1", 5000)

    async def wait_cut(self) -> None:
        raise AssertionError("there is a slot at once")


async def test_who_lets_us_wait_for_a_slot_was_reached(party: Party) -> None:
    server = await party.start("server", {AOE2: GAME})
    downloader = await party.downloader(server)
    server._slots.set_slots(1)
    async with server._slots.slot(Holder(), Holder()):
        download_id = await start_download(downloader)
        await until(lambda: server._slots._queue.is_waited_for)
        began = monotonic_s()
        await until(lambda: monotonic_s() - began > bulk_routes._REACHED_WITHIN_S)
    status = await wait_done(downloader, download_id)
    assert status.state is DownloadState.FINISHED
    assert unreachable(party, downloader) == []


async def test_a_way_on_which_a_record_takes_longer_than_silence_may_is_slow_and_not_silent(
    party: Party,
) -> None:
    server = await party.start("server", {AOE2: {**make_game(0), "big": bytes(MAX_RECORD_BYTES)}})
    async with wire_tap(bulk_port(server)) as tap:
        # 40 KiB/s, so that the record takes more than six seconds.
        tap.pace_s = 0.2
        server._neighbourhood.bulk_port = tap.port
        await assert_downloads(party, await party.downloader(server))
        assert MAX_RECORD_BYTES / 8192 * tap.pace_s > STALL_TIMEOUT_S
        assert tap.connections == 1


async def test_another_peer_at_the_bulk_port_gives_nothing(party: Party) -> None:
    server = await party.start("server", {AOE2: GAME})
    stranger = await party.start("stranger", {AOE2: GAME})
    server._neighbourhood.bulk_port = bulk_port(stranger)
    downloader = await party.start("downloader")
    downloader._neighbourhood.bulk_port = bulk_port(stranger)
    await downloader.add_peer(address_of(server))
    await wait_sources(downloader, 1)
    await assert_downloads(party, downloader)
    [warned] = unreachable(party, downloader)
    assert warned.message.count("is peer") == 2
    assert stranger.status().counters.sent_bytes == 0


async def test_wrong_bytes_by_tls_drop_their_source(
    party: Party, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(*what: object) -> Iterator[bytes]:
        for data in served_slices(*what):  # type: ignore[arg-type]
            yield bytes(len(data))

    server = await party.start("server", {AOE2: GAME})
    downloader = await party.downloader(server)
    monkeypatch.setattr(offers, "served_slices", wrong)
    download_id = await start_download(downloader)
    await until(lambda: downloader.status().counters.bad_chunks)
    assert downloader.download(download_id).fetched_bytes == 0
    monkeypatch.undo()
    honest = await party.start("honest", {AOE2: GAME})
    await downloader.add_peer(str(honest.status().addresses[0]))
    await until(lambda: downloader.download(download_id).state is DownloadState.FINISHED)
    assert differences(party.game("server"), party.game("downloader")) == []


def bulk_client(peer: HostilePeer) -> TlsClient:
    identity = Identity(peer.peer_id, InstanceId("cd" * 16), "stranger", peer.credentials)
    return TlsClient(
        peer.credentials,
        lambda server, nonce: identity.hello(
            server=server, nonce=nonce, listen_port=0, library_digest="", transport="tls"
        ),
        bind=LOOPBACK,
    )


def read_all(reader: DataReader) -> bytes:
    data = bytearray(reader.length)
    reader.read_into(memoryview(data))
    return bytes(data)


async def ask_by_tls(sidecar: Sidecar, peer: HostilePeer, request: messages.Message) -> bytes:
    client = bulk_client(peer)
    try:
        address = Address(LOOPBACK, bulk_port(sidecar))
        return await client.peer(address, sidecar.status().peer_id).fetch(request, read_all)
    finally:
        await client.close()


async def test_a_run_by_tls_is_the_bytes_of_its_chunks_and_has_the_same_limits(
    party: Party,
) -> None:
    server = await party.start("server", {AOE2: GAME})
    content_id = content_of(server)
    stranger = await party.hostile()
    manifest = server._library.by_content(content_id).manifest  # type: ignore[union-attr, arg-type]
    last = manifest.chunk(manifest.totals.chunks - 1)
    data = await ask_by_tls(server, stranger, messages.GetChunks(content_id, last.number, 1))
    assert data == GAME[last.file.path][last.offset :]
    beyond: list[Callable[[], messages.Message]] = [
        lambda: messages.GetChunks(content_id, last.number, 2),
        lambda: messages.GetChunks("0" * 64, 0, 1),
        lambda: messages.ListGames(),
    ]
    for make in beyond:
        with pytest.raises(errors.SourceUnavailable):
            await ask_by_tls(server, stranger, make())


async def test_a_blocked_peer_gets_nothing_by_tls(party: Party) -> None:
    server = await party.start("server", {AOE2: GAME})
    stranger = await party.hostile()
    request = messages.GetChunks(content_of(server), 0, 1)
    assert await ask_by_tls(server, stranger, request)
    await server.block_peer(stranger.peer_id)
    with pytest.raises(errors.SourceUnavailable):
        await ask_by_tls(server, stranger, request)


async def test_who_is_blocked_is_served_no_longer_on_a_line_that_is_open(party: Party) -> None:
    server = await party.start("server", {AOE2: GAME})
    stranger = await party.hostile()
    request = messages.GetChunks(content_of(server), 0, 1)
    client = bulk_client(stranger)
    try:
        peer = client.peer(Address(LOOPBACK, bulk_port(server)), server.status().peer_id)
        assert await peer.fetch(request, read_all)
        await server.block_peer(stranger.peer_id)
        await until(lambda: peer.connection_count == 0, within=5.0)
    finally:
        await client.close()


async def test_files_that_change_are_not_sent_by_tls(party: Party) -> None:
    server = await party.start("server", {AOE2: GAME})
    stranger = await party.hostile()
    content_id = content_of(server)
    (party.game("server") / "aoe2.eti").write_bytes(b"changed")
    with pytest.raises(errors.SourceUnavailable):
        await ask_by_tls(server, stranger, messages.GetChunks(content_id, 0, 2))


async def test_a_source_that_goes_in_the_middle_costs_only_time(party: Party) -> None:
    server = await party.start("server", {AOE2: make_game(40)})
    other = await party.start("other", {AOE2: make_game(40)})
    downloader = await party.downloader(server, other)
    download_id = await start_download(downloader)
    await until(lambda: downloader.download(download_id).fetched_bytes)
    await party.end(server)
    async with asyncio.timeout(40):
        await until(lambda: downloader.download(download_id).state is DownloadState.FINISHED)
    assert differences(party.game("other"), party.game("downloader")) == []
