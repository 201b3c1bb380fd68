"""Dialling back serves nobody's mischief: no third party is dialled, and no stranger is let in."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from lanspread_peer.core.offences import Offences
from lanspread_peer.model import errors
from lanspread_peer.model.download import DownloadState
from lanspread_peer.model.events import Warned
from lanspread_peer.model.ids import DownloadId
from lanspread_peer.model.limits import DIAL_BACK_BURST, MAX_BULK_CONNECTIONS_PER_PEER
from lanspread_peer.runtime import dial_back, dial_back_server
from lanspread_peer.runtime.identity import TLS, Identity
from lanspread_peer.runtime.sidecar import Sidecar
from lanspread_peer.transport.base import Connection, Stream
from lanspread_peer.transport.tls_caller import TlsCaller
from lanspread_peer.transport.tls_server import TlsServer
from lanspread_peer.wire import messages
from lanspread_peer.wire.codec import decode_answer, encode
from lanspread_peer.wire.frames import encode_frame
from lanspread_peer.wire.messages import Message
from support.guarded import silent_port
from support.hostile_peer import Answer, HostilePeer, saying, silent
from support.party import AOE2, Party, address_of, make_game, start_download, until, wait_done
from support.ports import free_port
from support.quic_party import LOOPBACK, ask
from support.tls_party import Host, RawCaller, pattern_slices, tls_party


@pytest.fixture
def port() -> Iterator[int]:
    with silent_port() as port:
        yield port


# Who asks to be dialled.


async def caller(
    party: Party, bulk_port: int, peer: HostilePeer | None = None
) -> tuple[Sidecar, Connection]:
    """A sidecar, and the connection of a peer to it that announces this bulk port."""
    sidecar = await party.start("server")
    peer = peer or await party.hostile()
    peer.bulk_port = bulk_port
    return sidecar, await peer.dial(address_of(sidecar))


async def ask_dial_back(connection: Connection) -> Message:
    return decode_answer(await ask(connection, encode(messages.DialBack())))


@asynccontextmanager
async def bulk_host(peer: HostilePeer) -> AsyncIterator[tuple[TlsServer, Host]]:
    """The peer's bulk port, where everybody is greeted."""
    host = Host(peer.peer_id, pattern_slices)
    server = TlsServer.open(
        bind=LOOPBACK,
        port=0,
        credentials=peer.credentials,
        on_request=host.answer,
        offences=Offences(),
    )
    try:
        yield server, host
    finally:
        await server.close()


async def test_a_peer_has_itself_dialled_on_four_lines_and_no_more(party: Party) -> None:
    peer = await party.hostile()
    async with bulk_host(peer) as (server, host):
        _, connection = await caller(party, server.port, peer)
        answers = [type(await ask_dial_back(connection)) for _ in range(5)]
        assert answers == [messages.DialledBack] * MAX_BULK_CONNECTIONS_PER_PEER + [
            messages.Refused
        ]
        assert len(host.callers) == MAX_BULK_CONNECTIONS_PER_PEER
        hellos = [each for each in host.requests if isinstance(each, messages.Hello)]
        assert [hello.dials_back for hello in hellos] == [True] * MAX_BULK_CONNECTIONS_PER_PEER


async def test_a_peer_has_itself_dialled_only_so_often(
    party: Party, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dial_back_server, "monotonic_s", lambda: 1000.0)
    _, connection = await caller(party, free_port())
    answers = [type(await ask_dial_back(connection)) for _ in range(DIAL_BACK_BURST + 1)]
    assert answers == [messages.Refused] * DIAL_BACK_BURST + [messages.Busy]
    # None of it was an offence.
    assert isinstance(decode_answer(await ask(connection, encode(messages.Ping()))), messages.Pong)


async def test_a_peer_is_dialled_once_at_a_time_and_an_end_meanwhile_is_clean(
    party: Party, port: int
) -> None:
    sidecar, connection = await caller(party, port)
    first = asyncio.ensure_future(ask_dial_back(connection))
    await until(lambda: sidecar._bulk._dialler._being_dialled)
    assert isinstance(await ask_dial_back(connection), messages.Busy)
    await party.end(sidecar)
    await asyncio.wait({first})
    assert first.exception() is not None


async def test_a_port_that_says_nothing_is_given_up(
    party: Party, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dial_back_server, "DIAL_BACK_TIMEOUT_S", 0.2)
    sidecar, connection = await caller(party, port)
    answer = await ask_dial_back(connection)
    assert isinstance(answer, messages.Refused)
    assert "does not answer" in answer.detail
    assert sidecar._bulk._server.connection_count == 0


async def test_another_peer_at_that_port_is_told_nothing(party: Party) -> None:
    async with tls_party() as others:
        other = others.open()
        sidecar, connection = await caller(party, other.port)
        answer = await ask_dial_back(connection)
        assert isinstance(answer, messages.Refused)
        assert "is peer" in answer.detail
        assert others.hosts[other].requests == []
        assert sidecar._bulk._server.connection_count == 0


@pytest.mark.parametrize("bulk_port", [0, 22])
async def test_ports_that_no_peer_has_are_not_dialled(party: Party, bulk_port: int) -> None:
    _, connection = await caller(party, bulk_port)
    answer = await ask_dial_back(connection)
    assert isinstance(answer, messages.Refused)
    assert "no bulk port" in answer.detail


async def test_our_own_port_is_not_dialled(party: Party) -> None:
    sidecar = await party.start("server", port=free_port())
    own = sidecar._neighbourhood.bulk_port
    assert own == sidecar.status().addresses[0].port
    peer = await party.hostile()
    peer.bulk_port = own
    answer = await ask_dial_back(await peer.dial(address_of(sidecar)))
    assert isinstance(answer, messages.Refused)
    assert "no bulk port" in answer.detail


# Who dials back.


class Source:
    """A peer with a game that cannot be dialled and knows how to dial back, and what it says then.

    Its chunks come right by QUIC.
    """

    def __init__(self, downloader: Sidecar, peer: HostilePeer) -> None:
        self.downloader = downloader
        self.peer = peer
        self.is_asked = asyncio.Event()
        self.may_answer = asyncio.Event()
        peer.features = ["chunks", "dial_back"]
        peer.answers[messages.DialBack] = self._answer

    async def begin(self) -> DownloadId:
        """The downloader, told of this peer, begins."""
        await self.downloader.add_peer(address_of(self.peer))
        await until(lambda: self.downloader.titles())
        return await start_download(self.downloader)

    async def dial_back(
        self, peer: HostilePeer | None = None, rest: bytes = b""
    ) -> tuple[RawCaller, bytes]:
        """A line of this peer or another one, and what answers its Hello."""
        peer = peer or self.peer
        line = await RawCaller.open(self.downloader._neighbourhood.bulk_port)
        nonce = decode_answer(await line.ask(messages.Challenge()))
        assert isinstance(nonce, messages.Nonce)
        identity = Identity(peer.peer_id, peer.instance, peer.name, peer.credentials)
        hello = identity.hello(
            server=self.downloader.status().peer_id,
            nonce=bytes.fromhex(nonce.nonce),
            listen_port=0,
            library_digest="",
            transport=TLS,
            dials_back=True,
        )
        line.writer.write(encode_frame(hello) + rest)
        return line, await line.body()

    async def _answer(self, _peer: HostilePeer, stream: Stream, _request: Message) -> None:
        self.is_asked.set()
        await self.may_answer.wait()
        await stream.send(encode(messages.DialledBack()), end=True)


@pytest.fixture
async def source(party: Party, monkeypatch: pytest.MonkeyPatch, slow_ways_work: None) -> Source:
    # The same goes for a line that a test opens.
    monkeypatch.setattr(dial_back, "DIAL_BACK_TIMEOUT_S", 60.0)
    peer = await party.hostile({AOE2: make_game(2)})
    peer.bulk_port = free_port()
    return Source(await party.start("downloader"), peer)


async def refused(answer: tuple[RawCaller, bytes]) -> bool:
    """Whether the line was refused and ended."""
    line, body = answer
    await line.ended()
    line.close()
    return isinstance(decode_answer(body), messages.Refused)


async def test_a_line_that_nobody_asked_for_is_refused(party: Party, source: Source) -> None:
    stranger = await party.hostile()
    assert await refused(await source.dial_back(stranger))
    assert await refused(await source.dial_back())


async def test_a_line_of_another_peer_than_the_one_that_was_asked_is_refused(
    party: Party, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    stranger = await party.hostile()
    download_id = await source.begin()
    await source.is_asked.wait()
    assert await refused(await source.dial_back(stranger))
    line, body = await source.dial_back()
    assert isinstance(decode_answer(body), messages.HelloAck)
    assert await refused(await source.dial_back())
    # No other line comes.
    monkeypatch.setattr(dial_back, "DIAL_BACK_TIMEOUT_S", 0.2)
    source.may_answer.set()
    # It is asked on the line that came, which ends here, and then by QUIC.
    assert b"GetChunks" in await line.body()
    line.close()
    assert (await wait_done(source.downloader, download_id)).state is DownloadState.FINISHED


async def test_a_line_with_more_than_the_greeting_is_refused(source: Source) -> None:
    await source.begin()
    await source.is_asked.wait()
    line, _ = await source.dial_back(rest=encode_frame(messages.Ping()))
    await line.ended()
    line.close()


async def test_a_line_that_comes_too_late_is_refused(
    source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dial_back, "DIAL_BACK_TIMEOUT_S", 0.2)
    download_id = await source.begin()
    assert (await wait_done(source.downloader, download_id)).state is DownloadState.FINISHED
    await until(lambda: not source.downloader._bulk.routes._dial_backs._coming)
    assert await refused(await source.dial_back())


async def test_a_line_whose_peer_never_says_that_it_dialled_is_closed(
    source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dial_back, "DIAL_BACK_TIMEOUT_S", 3.0)
    await source.begin()
    await source.is_asked.wait()
    line, body = await source.dial_back()
    assert isinstance(decode_answer(body), messages.HelloAck)
    await line.ended()
    line.close()


@pytest.mark.parametrize(
    "answer",
    [
        saying(messages.DialledBack()),
        saying(messages.Refused("no")),
        saying(messages.Unsupported()),
        saying(messages.Busy(retry_ms=1000)),
        saying(messages.NotFound()),
        saying(messages.Pong()),
        saying(b"nonsense"),
        silent,
    ],
    ids=[
        "a lie",
        "refused",
        "unsupported",
        "busy",
        "not found",
        "another answer",
        "nonsense",
        "silence",
    ],
)
async def test_who_does_not_dial_back_is_asked_by_quic_and_that_is_told_once(
    party: Party, source: Source, answer: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dial_back, "DIAL_BACK_TIMEOUT_S", 0.2)
    source.peer.answers[messages.DialBack] = answer
    download_id = await source.begin()
    assert (await wait_done(source.downloader, download_id)).state is DownloadState.FINISHED
    warned = party.events(source.downloader).of(Warned)
    assert [each.code for each in warned] == ["BULK_UNREACHABLE"]


async def test_who_is_too_busy_for_a_greeting_at_its_port_is_asked_by_quic(party: Party) -> None:
    peer = await party.hostile({AOE2: make_game(2)})

    async def busy(_caller: TlsCaller, _request: Message) -> None:
        raise errors.Busy(1000)

    server = TlsServer.open(
        bind=LOOPBACK, port=0, credentials=peer.credentials, on_request=busy, offences=Offences()
    )
    peer.bulk_port = server.port
    source = Source(await party.start("downloader"), peer)
    peer.features.remove("dial_back")
    try:
        download_id = await source.begin()
        done = await wait_done(source.downloader, download_id)
    finally:
        await server.close()
    assert done.state is DownloadState.FINISHED
