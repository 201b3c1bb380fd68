"""The command `lanspread` in a thread, and a sidecar whose downloads end by themselves."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from lanspread_client.cli import main
from lanspread_peer.model.download import DownloadRequest, DownloadState, DownloadStatus
from support.memory_sidecar import MemorySidecar

_WITH_CTRL_C = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from lanspread_client.cli import main
main()
"""


class ScriptedSidecar(MemorySidecar):
    """A sidecar whose downloads end by themselves, as `end_as` says."""

    def __init__(self) -> None:
        super().__init__()
        self.end_as: tuple[DownloadState, str] | None = (DownloadState.FINISHED, "")
        self.has_started = asyncio.Event()
        self.is_ending = asyncio.Event()

    async def start_download(self, request: DownloadRequest) -> DownloadStatus:
        status = await super().start_download(request)
        self.has_started.set()
        if self.end_as:
            asyncio.get_running_loop().call_later(0.05, self.progress, 500)
            asyncio.get_running_loop().call_later(0.1, self.end, *self.end_as)
        return status

    def request_shutdown(self) -> None:
        self.is_ending.set()


async def run(state_dir: Path, *arguments: str) -> Result:
    command = ["--state-dir", str(state_dir), *arguments]
    return await asyncio.to_thread(CliRunner().invoke, main, command)


async def run_json(state_dir: Path, *arguments: str) -> Any:
    result = await run(state_dir, *arguments, "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.isascii()
    return json.loads(result.stdout)


@asynccontextmanager
async def open_command(
    state_dir: Path, *arguments: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _WITH_CTRL_C, "--state-dir", str(state_dir)),
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()
