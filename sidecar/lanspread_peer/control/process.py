"""One run of `lanspread-peer serve`: start, tell where, wait for the end, and end in order.

Event streams end first, then calls, then transfers; the runtime file is there exactly while the
sidecar answers. Exit codes are part of the interface.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog
from msgspec import UNSET

from lanspread_peer import __version__
from lanspread_peer.control.access import new_token
from lanspread_peer.control.exit_codes import ExitCode, exit_code_of
from lanspread_peer.control.front_end import FrontEnd
from lanspread_peer.control.handshake import Ready, blamed
from lanspread_peer.control.listen import remove_private_socket
from lanspread_peer.control.server import ControlServer
from lanspread_peer.model import errors
from lanspread_peer.model.config import Settings
from lanspread_peer.runtime.clock import unix_s
from lanspread_peer.runtime.memory_at_rest import give_back_at_rest
from lanspread_peer.runtime.sidecar import Sidecar
from lanspread_peer.runtime.tasks import TaskSet, first_of
from lanspread_peer.storage import runtime_file

_log = structlog.get_logger(__name__)

_CALLS_GRACE_S = 2.0
# A part of ORPHAN_GRACE_S, as transfers and the runtime file need the rest; nobody is calling.
_ORPHANS_CALLS_GRACE_S = 0.25
_ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True, slots=True)
class _Ending:
    """Whether the end is asked for, and whether nobody is left who may wait for it."""

    asked: asyncio.Event = field(default_factory=asyncio.Event)
    orphaned: asyncio.Event = field(default_factory=asyncio.Event)


async def serve(settings: Settings, front_end: FrontEnd | None = None) -> ExitCode:
    """Run a sidecar until it is told to end; errors of the start become exit codes.

    With the front end that spawned us, its end is ours.
    """
    ending = _Ending()
    if front_end:
        front_end.watch(_setter_of(ending.asked), _setter_of(ending.orphaned))
    with _signals(ending.asked):
        try:
            sidecar = await _started(Sidecar.start(settings), ending.asked)
        except errors.LanspreadError as error:
            return _report(error, front_end)
        if sidecar is None:
            return ExitCode.CLEAN
        try:
            async with AsyncExitStack() as opened:
                return await _run(sidecar, settings, ending, front_end, opened)
        finally:
            await sidecar.close()


async def _started(start: Coroutine[Any, Any, Sidecar], ending: asyncio.Event) -> Sidecar | None:
    """The sidecar, or None when the process is told to end while a large folder is looked at."""
    starting = asyncio.ensure_future(start)
    await first_of(starting, ending.wait())
    if not starting.done():
        _log.info("ending before the start was over")
        starting.cancel()
    try:
        return await starting
    except asyncio.CancelledError:
        return None


async def _run(
    sidecar: Sidecar,
    settings: Settings,
    ending: _Ending,
    front_end: FrontEnd | None,
    opened: AsyncExitStack,
) -> ExitCode:
    token = (front_end and front_end.handshake.token) or new_token()
    try:
        _remove_leftover(sidecar.state_dir)
        if settings.metrics:
            await _open_metrics(sidecar, settings.metrics, opened)
        server = await ControlServer.start(sidecar, settings.listen, token)
    except errors.LanspreadError as error:
        return _report(error, front_end)
    try:
        with _announced(sidecar, server, token):
            tasks = TaskSet()
            opened.push_async_callback(tasks.close)
            tasks.spawn("memory", give_back_at_rest(lambda: _activity(sidecar)))
            server.set_serving()
            status = sidecar.status()
            _log.info("ready", address=server.address, peer=status.peer_id, pid=os.getpid())
            if front_end:
                front_end.tell_ready(_ready(sidecar, server, token))
            await first_of(sidecar.wait_shutdown(), ending.asked.wait())
            _log.info("ending")
            await _stop(server, ending.orphaned)
    except (errors.HandshakeRefused, errors.StorageError) as error:
        return _report(error, front_end)
    finally:
        await server.stop(0)
    return ExitCode.CLEAN


def _activity(sidecar: Sidecar) -> object:
    """What stays the same while no game moves and no peer comes or goes."""
    counted = sidecar.counters()
    return (
        counted.received_bytes,
        counted.sent_bytes,
        counted.verified_chunks,
        counted.quic_connections,
        counted.tls_connections,
    )


async def _stop(server: ControlServer, orphaned: asyncio.Event) -> None:
    """Give calls their time; it is cut short once nobody is left who waits for us."""
    stopping = asyncio.ensure_future(server.stop(_CALLS_GRACE_S))
    await first_of(stopping, orphaned.wait())
    if not stopping.done():
        await server.stop(_ORPHANS_CALLS_GRACE_S)
    await stopping


async def _open_metrics(sidecar: Sidecar, address: str, opened: AsyncExitStack) -> None:
    from lanspread_peer.control.metrics import CONTENT_TYPE, Metrics
    from lanspread_peer.control.metrics_server import serve_metrics

    text = Metrics(sidecar).text
    bound = await opened.enter_async_context(serve_metrics(address, text, CONTENT_TYPE))
    _log.info("metrics", address=bound)


def _remove_leftover(state_dir: Path) -> None:
    # We hold the lock of the state folder, so whoever wrote this is dead and could not tidy up.
    if old := runtime_file.read(state_dir):
        remove_private_socket(old.address)


@contextmanager
def _announced(sidecar: Sidecar, server: ControlServer, token: str) -> Iterator[None]:
    content = runtime_file.RuntimeFile(
        address=server.address,
        token=token,
        pid=os.getpid(),
        instance_id=sidecar.instance_id,
        version=__version__,
        started_at=unix_s(),
        tls_certificate=server.tls.certificate if server.tls else UNSET,
        tls_cert_sha256=server.tls.sha256 if server.tls else UNSET,
    )
    runtime_file.write(sidecar.state_dir, content)
    try:
        yield
    finally:
        try:
            runtime_file.remove(sidecar.state_dir, sidecar.instance_id)
        except errors.StorageError as error:
            # Whoever finds it sees that nobody answers there, and the next launch replaces it.
            _log.warning("the runtime file stays", detail=error.message)


def _ready(sidecar: Sidecar, server: ControlServer, token: str) -> Ready:
    return Ready(
        address=server.address,
        token=token,
        pid=os.getpid(),
        instance_id=sidecar.instance_id,
        version=__version__,
        tls_certificate=server.tls.certificate if server.tls else "",
        tls_cert_sha256=server.tls.sha256 if server.tls else "",
    )


def _setter_of(ending: asyncio.Event) -> Callable[..., None]:
    """What sets the event from a signal or another thread, whatever it is called with."""
    loop = asyncio.get_running_loop()

    def set_it(*_: object) -> None:
        # Over already: the loop is closed.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(ending.set)

    return set_it


@contextmanager
def _signals(ending: asyncio.Event) -> Iterator[None]:
    """SIGINT and SIGTERM ask for the end; Windows has no other way to take them."""
    on_signal = _setter_of(ending)
    before = {number: signal.signal(number, on_signal) for number in _ENDING_SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _report(error: errors.LanspreadError, front_end: FrontEnd | None) -> ExitCode:
    if front_end:
        error = blamed(error, front_end.handshake)
    sys.stderr.write(f"lanspread-peer: {error.reason}: {error.message}\n")
    return exit_code_of(error)
