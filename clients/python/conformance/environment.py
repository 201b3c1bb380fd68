"""What the harness tells, and the sidecar that is spawned with it."""

import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from lanspread_client import Client, Spawned, spawn_async


def game_dir() -> Path:
    return Path(os.environ["CONFORMANCE_GAME_DIR"])


def state_dir() -> Path:
    return Path(os.environ["CONFORMANCE_STATE_DIR"])


@asynccontextmanager
async def spawned() -> AsyncIterator[Spawned[Client]]:
    """A sidecar whose orderly end, when the block is left, gives the exit code 0."""
    async with spawn_async(
        game_dir(),
        state_dir(),
        command=json.loads(os.environ["CONFORMANCE_SIDECAR"]),
        settings=json.loads(os.environ["CONFORMANCE_SETTINGS"]),
        on_log=lambda line: print(line, file=sys.stderr),
    ) as sidecar:
        yield sidecar
    code = sidecar.process.exit_code
    assert code == 0, f"exit code {code}"
