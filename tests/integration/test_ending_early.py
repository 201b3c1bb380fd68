"""A sidecar that is told to end before it has started ends cleanly and holds nothing after that."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from lanspread_peer.control.exit_codes import ExitCode
from lanspread_peer.control.process import serve
from lanspread_peer.model.config import Settings
from lanspread_peer.runtime.library import Library
from lanspread_peer.runtime.sidecar import Sidecar
from support.quic_party import LOOPBACK


@pytest.mark.skipif(os.name == "nt", reason="Windows delivers no signals to itself")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_during_the_first_look_at_the_games_ends_it_cleanly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    (tmp_path / "games").mkdir()
    settings = Settings(
        str(tmp_path / "games"), str(tmp_path / "state"), bind=LOOPBACK, port=0, mdns=False
    )
    looking = asyncio.Event()

    async def look_for_ever(*_: object) -> None:
        looking.set()
        await asyncio.Event().wait()

    with monkeypatch.context() as slow:
        slow.setattr(Library, "open", look_for_ever)
        running = asyncio.ensure_future(serve(settings))
        await looking.wait()
        os.kill(os.getpid(), number)
        assert await running is ExitCode.CLEAN
    # Its locks are free again.
    sidecar = await Sidecar.start(settings)
    await sidecar.close()
