import os
import subprocess
import sys
from pathlib import Path

import pytest

from lanspread_peer.model.errors import AlreadyRunning, StorageError
from lanspread_peer.storage.locks import lock_folder

_HOLD = """
import sys
from pathlib import Path
from lanspread_peer.storage.locks import lock_folder
held = lock_folder(Path(sys.argv[1]), "game folder")
sys.stdout.write("held\\n")
sys.stdout.flush()
sys.stdin.read()
"""


def test_a_second_lock_is_refused_until_the_first_is_released(tmp_path: Path) -> None:
    first = lock_folder(tmp_path, "state folder")
    with pytest.raises(AlreadyRunning, match="state folder") as caught:
        lock_folder(tmp_path, "state folder")
    assert caught.value.metadata == {"folder": str(tmp_path), "pid": str(os.getpid())}
    first.release()
    first.release()
    second = lock_folder(tmp_path, "state folder")
    second.release()
    assert not (tmp_path / "lock.pid").exists()


def test_the_lock_of_a_killed_process_is_free_and_a_live_one_is_named(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(AlreadyRunning) as caught:
            lock_folder(tmp_path, "game folder")
        assert caught.value.metadata["pid"] == str(holder.pid)
        holder.kill()
    lock_folder(tmp_path, "game folder").release()


def test_an_unreadable_pid_is_left_out(tmp_path: Path) -> None:
    held = lock_folder(tmp_path, "state folder")
    (tmp_path / "lock.pid").write_bytes(b"\x1b[2J")
    with pytest.raises(AlreadyRunning) as caught:
        lock_folder(tmp_path, "state folder")
    assert caught.value.metadata == {"folder": str(tmp_path)}
    held.release()


def test_a_missing_folder_and_a_link_are_refused(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    for name in ("missing", "link"):
        with pytest.raises(StorageError):
            lock_folder(tmp_path / name, "game folder")
    assert list((tmp_path / "real").iterdir()) == []


def test_a_link_in_the_place_of_the_lock_is_not_followed(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "lock").symlink_to(tmp_path / "canary")
    with pytest.raises(StorageError):
        lock_folder(folder, "game folder")
    assert not (tmp_path / "canary").exists()
