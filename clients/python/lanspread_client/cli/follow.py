"""`lanspread get`: start a download, show how it goes, and say how it ended.

On a terminal there is a bar and a line per source, drawn over and over; elsewhere a plain line
now and then; with --json one line per message.
"""

import time
from collections.abc import Iterable
from contextlib import closing
from types import TracebackType
from typing import Protocol, Self

import click
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

from lanspread.peer.v1 import types_pb2
from lanspread_client.cli.documents import write_line
from lanspread_client.cli.render import download_state, open_console
from lanspread_client.cli.text import cell, duration, plain, size
from lanspread_client.errors import LanspreadError
from lanspread_client.sync import SyncClient

_LINE_EVERY_S = 5.0
_BAR_WIDTH = 40


def get(
    client: SyncClient,
    game_id: str,
    *,
    content_id: str,
    paths: Iterable[str] | None,
    as_json: bool,
) -> None:
    """Return once the game is there; raises LanspreadError for every other end.

    Ctrl-C cancels the download.
    """
    started_at = time.monotonic()
    download = client.download_game_files(game_id, content_id=content_id, paths=paths)
    try:
        with (
            _display(as_json=as_json) as display,
            closing(client.follow_download(download.id)) as changes,
        ):
            for download in changes:
                display.show(download)
                if _is_stopped_by_disk(download):
                    break
    except KeyboardInterrupt:
        click.echo("Cancelling the download.", err=True)
        download = client.cancel_download(download.id)
        if as_json:
            write_line(download)
    _check_end(download)
    if not as_json:
        click.echo(_summary(download, time.monotonic() - started_at))


def _is_stopped_by_disk(download: types_pb2.Download) -> bool:
    # A person has to mend that, so it makes no sense to wait here.
    return download.state == types_pb2.DOWNLOAD_STATE_PAUSED and download.HasField("error")


def _check_end(download: types_pb2.Download) -> None:
    match download.state:
        case types_pb2.DOWNLOAD_STATE_FINISHED:
            return
        case types_pb2.DOWNLOAD_STATE_CANCELLED:
            raise LanspreadError(
                "CANCELLED", "the download was cancelled; the game folder is as it was"
            )
        case types_pb2.DOWNLOAD_STATE_PAUSED:
            error = download.error
            how = f"when that is mended, `lanspread resume {download.id}` lets it go on"
            raise LanspreadError(error.reason, f"the download is paused: {error.message}; {how}")
        case _:
            error = download.error
            raise LanspreadError(error.reason, f"the download failed: {error.message}")


def _summary(download: types_pb2.Download, seconds: float) -> str:
    speed = size(download.fetched_bytes / max(seconds, 0.001))
    reused = f", {size(download.reused_bytes)} found on disk" if download.reused_bytes else ""
    lines = [
        f"{download.game_id} {download.version}: finished, {size(download.fetched_bytes)} fetched"
        f"{reused}, in {duration(seconds)} at {speed}/s"
    ]
    lines += [
        f"  {source.name or source.peer_id}: {size(source.size_bytes)}"
        for source in download.sources
    ]
    return "\n".join(map(plain, lines))


class _Display(Protocol):
    def show(self, download: types_pb2.Download) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


def _display(*, as_json: bool) -> _Display:
    if as_json:
        return _JsonLines()
    console = open_console()
    return _Bar(console) if console.is_terminal else _Lines()


class _Unframed:
    """A display that leaves nothing to clean up."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        pass


class _JsonLines(_Unframed):
    def show(self, download: types_pb2.Download) -> None:
        write_line(download)


class _Lines(_Unframed):
    """A line when the state changes, else at most one every few seconds."""

    def __init__(self) -> None:
        self._state = types_pb2.DOWNLOAD_STATE_UNSPECIFIED
        self._next_at = 0.0

    def show(self, download: types_pb2.Download) -> None:
        now = time.monotonic()
        if download.state == self._state and now < self._next_at:
            return
        self._state, self._next_at = download.state, now + _LINE_EVERY_S
        click.echo(plain(f"{download.game_id}: {download_state(download)}, {_figures(download)}"))


class _Bar:
    """The bar and the sources, in place."""

    def __init__(self, console: Console) -> None:
        self._live = Live(console=console, transient=True, refresh_per_second=8)

    def show(self, download: types_pb2.Download) -> None:
        self._live.update(_drawing(download))

    def __enter__(self) -> Self:
        self._live.start(refresh=True)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.stop()


def _drawing(download: types_pb2.Download) -> Group:
    head = cell(f"{download.game_id} {download.version}  {download_state(download)}")
    bar = Table.grid(padding=(0, 1))
    progress = ProgressBar(
        total=max(download.total_bytes, 1), completed=download.done_bytes, width=_BAR_WIDTH
    )
    bar.add_row(progress, cell(_figures(download)))
    sources = Table.grid(padding=(0, 2))
    for source in download.sources:
        sources.add_row(
            cell(f"  {source.name or source.peer_id}"),
            size(source.size_bytes),
            f"{size(source.bytes_per_second)}/s" if source.active else "gone",
        )
    return Group(head, bar, sources)


def _figures(download: types_pb2.Download) -> str:
    share = 100 * download.done_bytes // max(download.total_bytes, 1)
    eta = f", {duration(download.eta_seconds)} left" if download.HasField("eta_seconds") else ""
    return (
        f"{share} %, {size(download.done_bytes)} of {size(download.total_bytes)}, "
        f"{size(download.bytes_per_second)}/s{eta}"
    )
