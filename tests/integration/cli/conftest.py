"""A control server, and the state folder by which the command finds it."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from lanspread_peer.control.server import ControlServer
from support.cli import ScriptedSidecar
from support.control import TOKEN
from support.memory_sidecar import INSTANCE, peer, title


@pytest.fixture
def sidecar() -> ScriptedSidecar:
    sidecar = ScriptedSidecar()
    sidecar.library = [title("aoe2", "Age [bold]\x1b[31m II"), title("quake")]
    sidecar.known_peers = [peer(1, "one\u202e")]
    return sidecar


@pytest.fixture
async def server(sidecar: ScriptedSidecar, tmp_path: Path) -> AsyncIterator[ControlServer]:
    running = await ControlServer.start(sidecar, "", TOKEN)
    content = {
        "address": running.address,
        "token": TOKEN,
        "pid": 2**22 + 1,
        "instance_id": INSTANCE,
        "version": "0.1.0",
        "api": ["lanspread.peer.v1"],
    }
    path = tmp_path / "runtime.json"
    path.touch(0o600)
    path.write_text(json.dumps(content))
    yield running
    await running.stop(0)


@pytest.fixture
def state_dir(server: ControlServer, tmp_path: Path) -> Path:
    del server
    return tmp_path
