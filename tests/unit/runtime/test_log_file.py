"""The log file is of bounded size, and a disk that refuses is no trouble but for its lines."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import pytest

from lanspread_peer.model.errors import InvalidField
from lanspread_peer.model.limits import KIB, MAX_LOG_FILE_BYTES, MAX_OLD_LOG_FILES
from lanspread_peer.runtime import log_file
from lanspread_peer.runtime.log_file import LogFile
from support.mounts import needs_mounts, small_disk

SMALL = 4 * KIB


@pytest.fixture
def open_log() -> Iterator[Callable[[Path], LogFile]]:
    with ExitStack() as opened:
        yield lambda path: opened.enter_context(closing(LogFile(path)))


@pytest.fixture
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_file, "MAX_LOG_FILE_BYTES", SMALL)


def numbered(count: int) -> list[str]:
    return [f"line {number:06}" for number in range(count)]


def files(folder: Path) -> list[Path]:
    """Those of the log, the oldest first."""
    return sorted(folder.iterdir(), key=lambda path: path.name, reverse=True)


@pytest.mark.usefixtures("_small")
def test_old_files_are_kept_in_order_so_many_and_no_more(
    tmp_path: Path, open_log: Callable[[Path], LogFile]
) -> None:
    lines = numbered(5000)
    log = open_log(tmp_path / "log")
    for start in range(0, len(lines), 7):
        log.write("".join(f"{line}\n" for line in lines[start : start + 7]).encode())
    names = ["log", *(f"log.{number + 1}" for number in range(MAX_OLD_LOG_FILES))]
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    kept = [line for path in files(tmp_path) for line in path.read_text().splitlines()]
    assert kept == lines[-len(kept) :]
    assert all(path.stat().st_size <= SMALL for path in files(tmp_path))
    assert all(path.stat().st_size > SMALL - 100 for path in files(tmp_path)[:-1])


def test_the_file_is_full_at_its_limit(tmp_path: Path, open_log: Callable[[Path], LogFile]) -> None:
    log = open_log(tmp_path / "log")
    half = b"x" * (MAX_LOG_FILE_BYTES // 2 - 2) + b"\n"
    log.write(half)
    log.write(half)
    assert [path.name for path in files(tmp_path)] == ["log"]
    log.write(b"and one\n")
    assert [path.name for path in files(tmp_path)] == ["log.1", "log"]
    assert (tmp_path / "log").read_bytes() == b"and one\n"


def test_an_old_log_goes_on(tmp_path: Path, open_log: Callable[[Path], LogFile]) -> None:
    (tmp_path / "log").write_text("before\n")
    open_log(tmp_path / "log").write("now é\n".encode())
    assert (tmp_path / "log").read_text("utf-8") == "before\nnow é\n"


def test_a_path_that_cannot_be_a_file_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "gone" / "log"):
        with pytest.raises(InvalidField, match="log_file"):
            LogFile(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has other pipes")
def test_a_pipe_that_nobody_reads_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InvalidField, match="not a pipe"):
        LogFile(tmp_path / "pipe")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a disk that is always full")
def test_a_full_disk_costs_lines_and_nothing_else(
    capsys: pytest.CaptureFixture[str], open_log: Callable[[Path], LogFile]
) -> None:
    log = open_log(Path("/dev/full"))
    assert log.write(b"one\n") == 4
    assert log.write(b"two\n") == 4
    # The library would print a traceback for each.
    assert capsys.readouterr() == ("", "")


@pytest.mark.usefixtures("_small")
def test_a_log_goes_on_after_its_folder_was_away(
    tmp_path: Path, open_log: Callable[[Path], LogFile]
) -> None:
    """At the moment of rotation, when the file is opened anew."""
    folder, away = tmp_path / "logs", tmp_path / "away"
    folder.mkdir()
    log = open_log(folder / "log")
    folder.rename(away)
    for line in numbered(1000):
        log.write(f"{line}\n".encode())
    away.rename(folder)
    log.write(b"back\n")
    assert (folder / "log").read_text().endswith("back\n")


@needs_mounts
def test_a_log_goes_on_once_a_full_disk_has_room_again(
    tmp_path: Path, open_log: Callable[[Path], LogFile]
) -> None:
    with small_disk(tmp_path / "logs", 1) as disk:
        log = open_log(disk / "log")
        log.write(b"first\n")
        with suppress(OSError), (disk / "large").open("wb", buffering=0) as large:
            while True:
                large.write(bytes(KIB))
        # More than what the file's last block still holds.
        for line in numbered(1000):
            log.write(f"{line}\n".encode())
        (disk / "large").unlink()
        log.write(b"back\n")
        log.close()
        text = (disk / "log").read_text()
    assert text.startswith("first\n")
    assert text.endswith("back\n")
    assert "line 000999" not in text
