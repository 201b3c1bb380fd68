"""The log: who gets into it and how, and what a hostile peer can make it hold."""

import atexit
import json
import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog

from lanspread_peer.model.errors import InvalidField
from lanspread_peer.model.limits import MAX_LOG_KEYS_PER_MINUTE, MAX_REMEMBERED_LOG_KEYS
from lanspread_peer.runtime import logs
from lanspread_peer.runtime.log_context import log_about, log_only_about
from lanspread_peer.runtime.log_file import LogFile
from lanspread_peer.runtime.log_lines import LogFormat
from lanspread_peer.runtime.logs import LogOnce, LogSettings, configure_logs


@pytest.fixture
def end_logs(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """Puts everything back; does what is to be done at the end of the process."""
    before = structlog.get_config()
    level = logging.getLogger().level
    endings: list[Callable[[], None]] = []
    monkeypatch.setattr(atexit, "register", endings.append)

    def end() -> None:
        while endings:
            endings.pop()()

    yield end
    end()
    structlog.configure(**before)
    structlog.contextvars.clear_contextvars()
    logging.getLogger().removeHandler(logs._forwarder)
    logging.getLogger().setLevel(level)


def test_a_thing_is_said_once() -> None:
    said = LogOnce()
    assert said.first_time("peer", "REASON")
    assert not said.first_time("peer", "REASON")
    assert said.first_time("peer", "OTHER")
    assert said.first_time("other", "REASON")


def test_made_up_keys_fill_no_log(capsys: pytest.CaptureFixture[str]) -> None:
    said = LogOnce()
    shown = sum(said.first_time(number) for number in range(10_000))
    assert shown == MAX_LOG_KEYS_PER_MINUTE
    assert capsys.readouterr().out.count("and more like it") == 1
    assert len(said._said.remembered) <= MAX_REMEMBERED_LOG_KEYS


@pytest.mark.usefixtures("end_logs")
@pytest.mark.parametrize("log_format", list(LogFormat))
def test_a_value_cannot_forge_a_line(
    capsys: pytest.CaptureFixture[str], log_format: LogFormat
) -> None:
    configure_logs(LogSettings(format=log_format))
    structlog.get_logger().info("a peer", name='x"\nlevel=error event=forged')
    structlog.get_logger().debug("too much detail")
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert "info" in lines[0]
    assert "a peer" in lines[0]


@pytest.mark.usefixtures("end_logs")
def test_what_libraries_log_takes_the_same_way(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(LogSettings(level="debug", format=LogFormat.JSON))
    library = logging.getLogger("some.library")
    library.info("chatter")
    library.warning("a name %s", "x\n\x1b[2J")
    try:
        Path("/nowhere/gone").stat()
    except OSError:
        library.exception("broken")
    first, second = map(json.loads, capsys.readouterr().err.splitlines())
    assert (first["level"], first["logger"]) == ("warning", "some.library")
    assert first["event"] == "a name x\n\x1b[2J"
    assert (second["level"], second["event"]) == ("error", "broken")
    assert "FileNotFoundError" in second["exception"]


@pytest.mark.usefixtures("end_logs")
def test_what_libraries_log_has_the_level_too(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(LogSettings(level="error"))
    logging.getLogger("some.library").warning("chatter")
    logging.getLogger("some.library").error("trouble")
    assert [line.count("trouble") for line in capsys.readouterr().err.splitlines()] == [1]


@pytest.mark.parametrize(
    ("on_stderr", "in_file"),
    [
        (LogFormat.JSON, LogFormat.JSON),
        (LogFormat.LOGFMT, LogFormat.LOGFMT),
        (LogFormat.CONSOLE, LogFormat.LOGFMT),
    ],
)
def test_a_file_gets_every_line_too(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    end_logs: Callable[[], None],
    on_stderr: LogFormat,
    in_file: LogFormat,
) -> None:
    path = tmp_path / "log"
    configure_logs(LogSettings(format=on_stderr, file=path))
    structlog.get_logger().info("a peer", name="Anna\n")
    end_logs()
    [line] = path.read_text("utf-8").splitlines()
    assert line.startswith("{") is (in_file is LogFormat.JSON)
    assert "a peer" in line
    assert capsys.readouterr().err.count("\n") == 1


def test_who_logs_never_waits_for_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end_logs: Callable[[], None]
) -> None:
    writers: list[threading.Thread] = []
    write = LogFile.write

    def noting(self: LogFile, data: bytes | memoryview) -> int:
        writers.append(threading.current_thread())
        return write(self, data)

    monkeypatch.setattr(LogFile, "write", noting)
    configure_logs(LogSettings(file=tmp_path / "log"))
    structlog.get_logger().info("a peer")
    end_logs()
    assert writers
    assert threading.current_thread() not in writers


@pytest.mark.usefixtures("end_logs")
def test_a_file_that_cannot_be_is_told_before_anything_changes(tmp_path: Path) -> None:
    before = structlog.get_config()["processors"]
    with pytest.raises(InvalidField, match="log_file"):
        configure_logs(LogSettings(file=tmp_path))
    assert structlog.get_config()["processors"] is before


@pytest.mark.usefixtures("end_logs")
def test_lines_say_what_they_are_about(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(LogSettings(format=LogFormat.JSON))
    log_about(download="d", game="aoe2")
    log_about(peer="p", chunk=None)
    structlog.get_logger().info("one")
    log_only_about(peer="q", chunk=0)
    structlog.get_logger().info("two")
    log_only_about(peer=None)
    structlog.get_logger().info("three")
    said = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    about = [{k: v for k, v in each.items() if k not in ("timestamp", "level")} for each in said]
    assert about == [
        {"download": "d", "game": "aoe2", "peer": "p", "event": "one"},
        {"peer": "q", "chunk": 0, "event": "two"},
        {"event": "three"},
    ]
