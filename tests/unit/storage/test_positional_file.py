import os
from pathlib import Path

import pytest

from lanspread_peer.storage.positional_file import PositionalFile


def _open(path: Path) -> PositionalFile:
    return PositionalFile(os.open(path, os.O_RDWR | os.O_CREAT, 0o640))


def test_writing_anywhere_never_shortens_the_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"0123456789")
    file = _open(tmp_path / "file")
    file.write(memoryview(b"ab"), 4)
    file.write(b"", 0)
    file.write(b"!", 12)
    file.sync()
    assert file.read(0, 100) == b"0123ab6789\0\0!"
    assert file.read(12, 5) == b"!"
    assert file.stat().st_size == 13
    file.close()


def test_whoever_may_read_may_run_a_program(tmp_path: Path) -> None:
    file = _open(tmp_path / "file")
    before = file.stat().st_mode
    file.make_executable()
    assert file.stat().st_mode == before | 0o110
    file.close()


def test_a_closed_file_is_not_used_again(tmp_path: Path) -> None:
    file = _open(tmp_path / "file")
    file.close()
    file.close()
    other = os.open(tmp_path / "other", os.O_RDWR | os.O_CREAT)
    with pytest.raises(OSError, match="closed"):
        file.write(b"x", 0)
    with pytest.raises(OSError, match="closed"):
        file.read(0, 1)
    os.close(other)
    assert (tmp_path / "other").read_bytes() == b""
