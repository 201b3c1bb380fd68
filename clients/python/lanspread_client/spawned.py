"""A sidecar of our own, from its start to its end, with a client of it."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from lanspread_client.client import Client
from lanspread_client.errors import LanspreadError
from lanspread_client.ready_line import Ready
from lanspread_client.sidecar_process import SidecarProcess
from lanspread_client.sync import SyncClient

_READY_TIMEOUT_S = 30.0
_C = TypeVar("_C", Client, SyncClient)


@dataclass(frozen=True, slots=True)
class Spawned(Generic[_C]):
    """A running sidecar that is ours: a client of it, its process, and what it said first."""

    client: _C
    process: SidecarProcess
    ready: Ready


@contextmanager
def spawn(
    game_dir: str | Path,
    state_dir: str | Path,
    *,
    command: Sequence[str | Path] = ("lanspread-peer",),
    settings: Mapping[str, Any] | None = None,
    log_level: str | None = None,
    on_log: Callable[[str], None] | None = None,
    timeout_s: float = _READY_TIMEOUT_S,
) -> Iterator[Spawned[SyncClient]]:
    """A sidecar that runs as long as the block, and ends with this process in any case.

    `settings` has the keys of the sidecar's config file. `on_log` gets each line of its log, in
    another thread. Raises LanspreadError, as SidecarProcess does.
    """
    process = SidecarProcess(command, _handshake(game_dir, state_dir, settings, log_level), on_log)
    try:
        ready = process.wait_ready(timeout_s)
        with SyncClient(
            ready.address,
            ready.token,
            tls_certificate=ready.tls_certificate,
            is_running=process.is_running,
        ) as client:
            try:
                yield Spawned(client, process, ready)
            finally:
                # One that has ended already, or hangs, is dealt with below.
                with suppress(LanspreadError):
                    client.shutdown()
    finally:
        process.end()


@asynccontextmanager
async def spawn_async(
    game_dir: str | Path,
    state_dir: str | Path,
    *,
    command: Sequence[str | Path] = ("lanspread-peer",),
    settings: Mapping[str, Any] | None = None,
    log_level: str | None = None,
    on_log: Callable[[str], None] | None = None,
    timeout_s: float = _READY_TIMEOUT_S,
) -> AsyncIterator[Spawned[Client]]:
    """As `spawn`, for asyncio."""
    process = SidecarProcess(command, _handshake(game_dir, state_dir, settings, log_level), on_log)
    try:
        ready = await asyncio.to_thread(process.wait_ready, timeout_s)
        async with Client(
            ready.address,
            ready.token,
            tls_certificate=ready.tls_certificate,
            is_running=process.is_running,
        ) as client:
            try:
                yield Spawned(client, process, ready)
            finally:
                with suppress(LanspreadError):
                    await client.shutdown()
    finally:
        await asyncio.to_thread(process.end)


def _handshake(
    game_dir: str | Path,
    state_dir: str | Path,
    settings: Mapping[str, Any] | None,
    log_level: str | None,
) -> dict[str, Any]:
    handshake: dict[str, Any] = {
        "game_dir": str(Path(game_dir).absolute()),
        "state_dir": str(Path(state_dir).absolute()),
        "parent_pid": os.getpid(),
        "settings": dict(settings or {}),
    }
    if log_level:
        handshake["log_level"] = log_level
    return handshake
