"""What the TypeScript client does beyond the scenarios: its own tests, and its sample."""

import asyncio
import subprocess
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from msgspec import UNSET, UnsetType

from clients.conformance.under_test import require_built, typescript_program
from lanspread_peer.control.server import ControlServer
from lanspread_peer.control.tls import make_launch_tls
from lanspread_peer.model.events import Warned
from lanspread_peer.storage.runtime_file import RuntimeFile, write
from support.control import TOKEN
from support.cut_proxy import cut_proxy
from support.memory_sidecar import INSTANCE, MemorySidecar

_PATIENCE_S = 30.0
# Open to all, as with 0.0.0.0, it speaks TLS on loopback too.
_OPEN = "0.0.0.0:0"


def test_its_own_tests_pass() -> None:
    node, sample = require_built("typescript", typescript_program("samples/watch.js")).command
    command = [node, "--test", str(Path(sample).parents[1] / "tests")]
    ended = subprocess.run(command, check=False, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout


async def test_its_sample_misses_nothing_over_broken_connections(tmp_path: Path) -> None:
    sidecar = MemorySidecar()
    async with _serving(sidecar) as server, cut_proxy(server.address) as proxy:
        _write_runtime_file(tmp_path, proxy.address)
        async with _watching(tmp_path) as watch:
            await _line_with(watch, "snapshotComplete")
            for number in range(3):
                proxy.cut()
                sidecar.events.emit(Warned("W", f"number {number}"))
                # Nothing else came before it, and so no second snapshot.
                assert f"number {number}" in await _line(watch)
            await server.stop(0)
            assert await _line(watch) == "the sidecar has ended\n"
            assert await asyncio.wait_for(watch.wait(), _PATIENCE_S) == 0


async def test_connect_goes_by_the_certificate_in_the_runtime_file(tmp_path: Path) -> None:
    async with _serving(MemorySidecar(), _OPEN) as server:
        assert server.tls
        _write_runtime_file(tmp_path, server.address, server.tls.certificate)
        async with _watching(tmp_path) as watch:
            await _line_with(watch, "snapshotComplete")
        # One that says the same of itself, and has another key.
        _write_runtime_file(tmp_path, server.address, make_launch_tls().certificate)
        async with _watching(tmp_path) as watch:
            assert "NO_ANSWER" in (await watch.communicate())[1].decode()


@asynccontextmanager
async def _serving(
    sidecar: MemorySidecar, listen: str = "127.0.0.1:0"
) -> AsyncIterator[ControlServer]:
    server = await ControlServer.start(sidecar, listen, TOKEN)
    try:
        yield server
    finally:
        await server.stop(0)


def _write_runtime_file(
    state_dir: Path, address: str, certificate: str | UnsetType = UNSET
) -> None:
    content = RuntimeFile(
        address=address,
        token=TOKEN,
        pid=1,
        instance_id=INSTANCE,
        version="0",
        started_at=0.0,
        tls_certificate=certificate,
    )
    write(state_dir, content)


@asynccontextmanager
async def _watching(state_dir: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    program = require_built("typescript", typescript_program("samples/watch.js"))
    watch = await asyncio.create_subprocess_exec(
        *program.command, str(state_dir), stdout=PIPE, stderr=PIPE
    )
    try:
        yield watch
    finally:
        if watch.returncode is None:
            watch.kill()
            await watch.wait()


async def _line_with(watch: asyncio.subprocess.Process, text: str) -> None:
    while text not in await _line(watch):
        pass


async def _line(watch: asyncio.subprocess.Process) -> str:
    assert watch.stdout is not None
    line = await asyncio.wait_for(watch.stdout.readline(), _PATIENCE_S)
    assert line, "it ended"
    return line.decode()
