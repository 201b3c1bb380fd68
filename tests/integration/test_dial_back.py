"""A peer that nobody can dial is a full source.

By QUIC it serves on the connection that it opened, and by TLS on lines that it opens when asked to.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from threading import Event, Semaphore

import pytest

from lanspread_peer.model.download import DownloadState
from lanspread_peer.model.events import Warned
from lanspread_peer.model.ids import DownloadId
from lanspread_peer.model.limits import MAX_BULK_CONNECTIONS_PER_PEER, MIB, UPLOAD_SLICE_BYTES
from lanspread_peer.model.peer import Address, PeerState
from lanspread_peer.runtime import offers
from lanspread_peer.runtime.chunk_fetch import ChunkFetcher
from lanspread_peer.runtime.dial_back import DialBacks
from lanspread_peer.runtime.sidecar import Sidecar
from lanspread_peer.storage.served_file import served_slices
from lanspread_peer.transport.tls_context import client_context
from lanspread_peer.transport.tls_dialling import Dialling
from support.game_trees import differences
from support.guarded import guarded_source, silent_port
from support.party import (
    AOE2,
    Party,
    download,
    make_game,
    start_download,
    title,
    until,
)
from support.quic_party import LOOPBACK

GAME = make_game(24)

pytestmark = pytest.mark.usefixtures("slow_ways_work")


@pytest.fixture
def port() -> Iterator[int]:
    with silent_port() as port:
        yield port


@pytest.fixture
def by_messages(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """The requests for chunks that went by QUIC."""
    asked: list[object] = []
    honest = ChunkFetcher.fetch

    async def fetch(*what: object) -> None:
        asked.append(what)
        await honest(*what)  # type: ignore[arg-type]

    monkeypatch.setattr(ChunkFetcher, "fetch", fetch)
    return asked


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Event]:
    """Most bytes go out by TLS only once it is set; before that, enough to see that they come."""
    gate = Event()
    before = Semaphore(8 * MIB // UPLOAD_SLICE_BYTES)

    def held(*what: object) -> Iterator[bytes]:
        for data in served_slices(*what):  # type: ignore[arg-type]
            if not before.acquire(blocking=False):
                gate.wait()
            yield data

    monkeypatch.setattr(offers, "served_slices", held)
    yield gate
    gate.set()


def unreachable(party: Party, sidecar: Sidecar) -> list[Warned]:
    return [each for each in party.events(sidecar).of(Warned) if each.code == "BULK_UNREACHABLE"]


def transports(sidecar: Sidecar) -> list[str]:
    return [peer.transport for peer in sidecar.peers()]


def serving(sidecar: Sidecar, other: Sidecar) -> bool:
    return sidecar._bulk._server.is_serving(other.status().peer_id)


async def test_a_peer_that_nobody_can_dial_is_listed_and_its_games_come_by_quic(
    party: Party, monkeypatch: pytest.MonkeyPatch, port: int
) -> None:
    monkeypatch.setattr(DialBacks, "is_possible", lambda *_: False)
    server, downloader = await guarded_source(party, GAME, port, monkeypatch)
    [peer] = downloader.peers()
    assert (peer.id, peer.state) == (server.status().peer_id, PeerState.CONNECTED)
    assert peer.address is not None
    assert peer.address.port == port
    shown = title(downloader)
    assert shown is not None
    assert shown.peer_count == 1
    assert (await download(downloader)).state is DownloadState.FINISHED
    assert differences(party.game("server"), party.game("downloader")) == []
    assert len(unreachable(party, downloader)) == 1
    assert transports(server) == transports(downloader) == ["quic"]


async def test_a_peer_that_nobody_can_dial_serves_by_tls_on_lines_that_it_opens(
    party: Party, monkeypatch: pytest.MonkeyPatch, port: int, by_messages: list[object]
) -> None:
    server, downloader = await guarded_source(party, GAME, port, monkeypatch)
    assert transports(server) == transports(downloader) == ["quic"]
    assert (await download(downloader)).state is DownloadState.FINISHED
    assert differences(party.game("server"), party.game("downloader")) == []
    assert by_messages == []
    assert unreachable(party, downloader) == []
    assert transports(server) == transports(downloader) == ["tls"]


async def test_a_peer_with_all_its_lines_here_may_still_be_asked_for_others(
    party: Party, monkeypatch: pytest.MonkeyPatch, port: int, by_messages: list[object]
) -> None:
    server, downloader = await guarded_source(party, GAME, port, monkeypatch)
    dialling = Dialling(
        client_context(),
        server._identity.credentials,
        server._neighbourhood.own_bulk_hello,
        LOOPBACK,
    )
    there = Address(LOOPBACK, downloader._neighbourhood.bulk_port)
    with ExitStack() as stack:
        for _ in range(MAX_BULK_CONNECTIONS_PER_PEER):
            line = await dialling.dial(there, downloader.status().peer_id)
            stack.callback(line.close)
        assert (await download(downloader)).state is DownloadState.FINISHED
    assert differences(party.game("server"), party.game("downloader")) == []
    assert by_messages == []


async def some_bytes(downloader: Sidecar, by_messages: list[object]) -> DownloadId:
    """A download whose first bytes came by TLS, and that waits for the gate."""
    download_id = await start_download(downloader)
    await until(lambda: downloader.download(download_id).done_bytes)
    assert by_messages == []
    return download_id


async def test_a_cancel_in_the_middle_leaves_nothing_that_the_next_download_stumbles_over(
    party: Party,
    monkeypatch: pytest.MonkeyPatch,
    port: int,
    gate: Event,
    by_messages: list[object],
) -> None:
    server, downloader = await guarded_source(party, GAME, port, monkeypatch)
    await downloader.cancel_download(await some_bytes(downloader, by_messages))
    gate.set()
    assert (await download(downloader)).state is DownloadState.FINISHED
    assert differences(party.game("server"), party.game("downloader")) == []
    assert by_messages == []
    assert serving(server, downloader)


@pytest.mark.parametrize("is_guarded", [True, False], ids=["dialled back", "accepted"])
async def test_who_is_blocked_is_served_no_longer_on_lines_that_are_open(
    party: Party,
    monkeypatch: pytest.MonkeyPatch,
    port: int,
    gate: Event,
    by_messages: list[object],
    is_guarded: bool,
) -> None:
    if is_guarded:
        server, downloader = await guarded_source(party, GAME, port, monkeypatch)
    else:
        server = await party.start("server", {AOE2: GAME})
        downloader = await party.downloader(server)
    download_id = await some_bytes(downloader, by_messages)
    assert serving(server, downloader)
    await server.block_peer(downloader.status().peer_id)
    gate.set()
    await until(lambda: not serving(server, downloader), within=5.0)
    await until(lambda: downloader.download(download_id).state is DownloadState.WAITING)


@pytest.mark.parametrize("ends", ["server", "downloader"])
async def test_either_end_may_stop_in_the_middle(
    party: Party,
    monkeypatch: pytest.MonkeyPatch,
    port: int,
    gate: Event,
    by_messages: list[object],
    ends: str,
) -> None:
    server, downloader = await guarded_source(party, GAME, port, monkeypatch)
    await some_bytes(downloader, by_messages)
    gate.set()
    # The party looks for what is left of it.
    await party.end(server if ends == "server" else downloader)
