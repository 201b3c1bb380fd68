"""The settings file: private, whole after a crash, and never a reason not to start."""

import os
import stat
from pathlib import Path

import pytest

from lanspread_peer.model.errors import StorageError
from lanspread_peer.model.limits import (
    MAX_NAME_BYTES,
    MAX_RATE_LIMIT_BYTES_PER_SECOND,
    MAX_STATE_FILE_BYTES,
    MAX_UPLOAD_SLOTS,
)
from lanspread_peer.model.live_settings import ChosenSettings
from lanspread_peer.storage.settings_file import (
    DAMAGED_FILE,
    SETTINGS_FILE,
    read_settings,
    write_settings,
)

RATE = MAX_RATE_LIMIT_BYTES_PER_SECOND
FULL = ChosenSettings(RATE, RATE, MAX_UPLOAD_SLOTS, 0.1, "\u00e9" * (MAX_NAME_BYTES // 2))


def test_what_was_written_is_read_again(tmp_path: Path) -> None:
    assert read_settings(tmp_path) == ChosenSettings()
    for chosen in (FULL, ChosenSettings(upload_slots=3), ChosenSettings()):
        write_settings(tmp_path, chosen)
        assert read_settings(tmp_path) == chosen
    assert [path.name for path in tmp_path.iterdir()] == [SETTINGS_FILE]


@pytest.mark.skipif(os.name == "nt", reason="Windows has other permissions")
def test_the_file_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    write_settings(tmp_path, FULL)
    assert stat.S_IMODE((tmp_path / SETTINGS_FILE).stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b"[" * 100_000,
        b'{"upload_slots": "3"}',
        b'{"upload_slots": 3.5}',
        b'{"upload_bytes_per_second": 0}',
        b'{"upload_bytes_per_second": 1e400}',
        b'{"patience_seconds": -1}',
        b'{"name": "a\\u0007"}',
        b" " * MAX_STATE_FILE_BYTES + b"{}",
    ],
)
def test_a_file_that_makes_no_sense_is_set_aside(tmp_path: Path, content: bytes) -> None:
    for _ in range(2):
        (tmp_path / SETTINGS_FILE).write_bytes(content)
        assert read_settings(tmp_path) is None
        assert [path.name for path in tmp_path.iterdir()] == [DAMAGED_FILE]
        assert (tmp_path / DAMAGED_FILE).read_bytes() == content
    assert read_settings(tmp_path) == ChosenSettings()


def test_what_a_later_version_added_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / SETTINGS_FILE).write_bytes(b'{"colour": "red", "upload_slots": 3}')
    assert read_settings(tmp_path) == ChosenSettings(upload_slots=3)


def test_a_disk_that_refuses_is_told(tmp_path: Path) -> None:
    (tmp_path / SETTINGS_FILE).mkdir()
    with pytest.raises(StorageError):
        read_settings(tmp_path)
