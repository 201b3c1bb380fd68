"""Log lines of a sidecar at work say which peer, download and chunk they are about."""

from collections.abc import Iterator

import pytest
import structlog
from structlog.testing import LogCapture

from lanspread_peer.runtime.log_context import log_about
from lanspread_peer.wire import messages
from support.hostile_peer import wrong_bytes
from support.party import AOE2, Party, address_of, download, make_game
from support.quic_party import ask


@pytest.fixture
def logs() -> Iterator[LogCapture]:
    """What is logged during a test, with what it is about."""
    capture = LogCapture()
    before = structlog.get_config()
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, capture],
        cache_logger_on_first_use=False,
    )
    yield capture
    structlog.configure(**before)


async def test_a_line_of_a_download_names_it_its_game_the_source_and_the_chunk(
    party: Party, logs: LogCapture
) -> None:
    liar = await party.hostile({AOE2: make_game(6)})
    liar.answers[messages.GetGameFileChunk] = wrong_bytes
    downloader = await party.downloader(liar, await party.hostile({AOE2: make_game(6)}))
    status = await download(downloader)
    [line] = [entry for entry in logs.entries if entry["event"] == "source dropped"]
    assert (line["download"], line["game"], line["peer"]) == (status.id, AOE2, liar.peer_id)
    assert isinstance(line["chunk"], int)


async def test_a_line_of_an_answer_names_who_asked_and_nothing_of_before(
    party: Party, logs: LogCapture
) -> None:
    # As when the sidecar is started by something that has a subject of its own.
    log_about(download="another")
    server = await party.start("server")
    stranger = await party.hostile()
    connection = await stranger.dial(address_of(server))
    await ask(connection, b"nonsense")
    [line] = [entry for entry in logs.entries if entry["event"] == "request refused"]
    assert line["peer"] == stranger.peer_id
    assert "download" not in line
