import errno
import os
import platform
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from filelock import FileLock

from lanspread_peer.model.errors import AlreadyRunning, StorageError
from lanspread_peer.model.limits import LOCK_REFRESH_S, LOCK_STALE_S
from lanspread_peer.storage import lock_owner
from lanspread_peer.storage.lock_owner import OWNER_FILE, Owner
from lanspread_peer.storage.locks import lock_folder
from support.storage_folders import open_descriptors

_HOLD = """
import sys
from pathlib import Path
from lanspread_peer.storage.locks import lock_folder
held = lock_folder(Path(sys.argv[1]), "game folder")
sys.stdout.write("held\\n")
sys.stdout.flush()
sys.stdin.read()
"""


def owner_in(folder: Path) -> Owner:
    return msgspec.json.decode((folder / OWNER_FILE).read_bytes(), type=Owner)


def leave_owner(folder: Path, *, age_s: float = 0.0, **fields: object) -> bytes:
    """The owner file of another machine, last refreshed so long ago by the clock of the disk."""
    other = {"nonce": "n", "host": "upstairs", "pid": 42, "machine": "m", "boot": "b"}
    content = msgspec.json.encode(other | fields)
    file = folder / OWNER_FILE
    file.write_bytes(content)
    status = file.stat()
    os.utime(file, (status.st_atime, status.st_mtime - age_s))
    return content


@pytest.fixture(params=["locks", "no locks"])
def _disk(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that has locks, and a network drive that has none."""
    if request.param == "no locks":
        without_locks(monkeypatch)


def without_locks(monkeypatch: pytest.MonkeyPatch, code: int = errno.ENOLCK) -> None:
    def refuse(_: FileLock, *, blocking: bool) -> None:
        assert not blocking
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(FileLock, "acquire", refuse)


@pytest.mark.usefixtures("_disk")
def test_a_second_lock_is_refused_until_the_first_is_released(tmp_path: Path) -> None:
    before = open_descriptors()
    first = lock_folder(tmp_path, "state folder")
    with pytest.raises(AlreadyRunning, match="state folder") as caught:
        lock_folder(tmp_path, "state folder")
    assert caught.value.metadata["folder"] == str(tmp_path)
    assert caught.value.metadata["pid"] == str(os.getpid())
    first.release()
    first.release()
    second = lock_folder(tmp_path, "state folder")
    second.release()
    assert {path.name for path in tmp_path.iterdir()} <= {"lock"}
    assert open_descriptors() <= before


def test_the_lock_of_a_killed_process_is_free_and_a_live_one_is_named(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(AlreadyRunning) as caught:
            lock_folder(tmp_path, "game folder")
        assert caught.value.metadata["pid"] == str(holder.pid)
        holder.kill()
    # What it left is fresh, but the system's lock says that it is dead.
    assert (tmp_path / OWNER_FILE).exists()
    lock_folder(tmp_path, "game folder").release()


@pytest.mark.usefixtures("_disk")
def test_a_folder_that_another_machine_just_refreshed_is_taken_and_it_is_named(
    tmp_path: Path,
) -> None:
    content = leave_owner(tmp_path)
    with pytest.raises(AlreadyRunning, match="process 42 on 'upstairs'") as caught:
        lock_folder(tmp_path, "game folder")
    assert caught.value.metadata["host"] == "'upstairs'"
    assert (tmp_path / OWNER_FILE).read_bytes() == content
    assert {path.name for path in tmp_path.iterdir()} <= {"lock", OWNER_FILE}


@pytest.mark.usefixtures("_disk")
@pytest.mark.parametrize("age_s", [LOCK_STALE_S + 5, -LOCK_STALE_S - 5])
def test_a_folder_that_another_machine_left_long_ago_is_taken_over(
    tmp_path: Path, age_s: float
) -> None:
    leave_owner(tmp_path, age_s=age_s)
    held = lock_folder(tmp_path, "game folder")
    assert owner_in(tmp_path).pid == os.getpid()
    assert held.refresh()
    held.release()
    assert {path.name for path in tmp_path.iterdir()} <= {"lock"}


def test_a_machine_refreshes_often_enough_that_one_miss_costs_it_nothing() -> None:
    assert LOCK_REFRESH_S * 3 <= LOCK_STALE_S


def test_refreshing_makes_a_held_folder_look_fresh_again(tmp_path: Path) -> None:
    held = lock_folder(tmp_path, "game folder")
    content = (tmp_path / OWNER_FILE).read_bytes()
    os.utime(tmp_path / OWNER_FILE, (0, 0))
    assert held.refresh()
    assert (tmp_path / OWNER_FILE).stat().st_mtime > LOCK_STALE_S
    assert (tmp_path / OWNER_FILE).read_bytes() == content
    held.release()


def test_a_lock_that_another_took_over_is_not_refreshed_and_not_removed(tmp_path: Path) -> None:
    held = lock_folder(tmp_path, "game folder")
    content = leave_owner(tmp_path, age_s=5)
    before = (tmp_path / OWNER_FILE).stat().st_mtime
    assert not held.refresh()
    assert (tmp_path / OWNER_FILE).stat().st_mtime == before
    held.release()
    assert (tmp_path / OWNER_FILE).read_bytes() == content
    assert held.refresh()


def test_a_lock_whose_file_is_gone_is_not_refreshed(tmp_path: Path) -> None:
    held = lock_folder(tmp_path, "game folder")
    (tmp_path / OWNER_FILE).unlink()
    assert not held.refresh()
    held.release()


def test_a_lock_on_a_disk_that_is_gone_is_released_all_the_same(tmp_path: Path) -> None:
    before = open_descriptors()
    folder = tmp_path / "games"
    folder.mkdir()
    held = lock_folder(folder, "game folder")
    folder.rename(tmp_path / "unmounted")
    held.release()
    assert open_descriptors() <= before


@pytest.mark.parametrize(
    "code", [errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS]
)
def test_without_locks_a_dead_process_of_this_machine_does_not_delay_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    without_locks(monkeypatch, code)
    held = lock_folder(tmp_path, "game folder")
    mine = msgspec.to_builtins(owner_in(tmp_path))
    held.release()
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait()
    leave_owner(tmp_path, **(mine | {"pid": ended.pid}))
    lock_folder(tmp_path, "game folder").release()


def test_another_fault_of_the_disk_is_not_taken_for_one_without_locks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_locks(monkeypatch, errno.EIO)
    with pytest.raises(StorageError, match="cannot lock"):
        lock_folder(tmp_path, "game folder")


@pytest.mark.parametrize("moment", ["_remove", "_create"])
def test_who_comes_second_at_the_same_moment_gives_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """Another machine claims the folder after we looked and before we wrote."""
    leave_owner(tmp_path, age_s=LOCK_STALE_S + 5)
    real: Callable[..., object] = getattr(lock_owner, moment)

    def too_late(folder: Path, *rest: object) -> object:
        monkeypatch.setattr(lock_owner, moment, real)
        leave_owner(tmp_path, nonce="faster")
        return real(folder, *rest)

    # The probe for the time of day is written first.
    monkeypatch.setattr(lock_owner, "_is_fresh", _is_fresh_by_age)
    monkeypatch.setattr(lock_owner, moment, too_late)
    with pytest.raises(AlreadyRunning):
        lock_folder(tmp_path, "game folder")
    assert owner_in(tmp_path).nonce == "faster"
    assert {path.name for path in tmp_path.iterdir()} == {"lock", OWNER_FILE}


def _is_fresh_by_age(folder: Path, _: str) -> bool:
    probe = folder.parent / "probe"
    probe.write_bytes(b"")
    return probe.stat().st_mtime - (folder / OWNER_FILE).stat().st_mtime < LOCK_STALE_S


@pytest.mark.parametrize("content", [b"\x1b[2J", b"", b"{}", b'{"host":"\xff"}', b"[" * 900])
def test_what_makes_no_sense_is_replaced_under_the_lock_and_names_nobody(
    tmp_path: Path, content: bytes
) -> None:
    (tmp_path / OWNER_FILE).write_bytes(content)
    held = lock_folder(tmp_path, "state folder")
    (tmp_path / OWNER_FILE).write_bytes(content)
    with pytest.raises(AlreadyRunning) as caught:
        lock_folder(tmp_path, "state folder")
    assert caught.value.metadata == {"folder": str(tmp_path)}
    held.release()


def test_a_strange_host_cannot_forge_a_line_of_a_log(tmp_path: Path) -> None:
    leave_owner(tmp_path, host="a\x1b[2J\nready")
    with pytest.raises(AlreadyRunning) as caught:
        lock_folder(tmp_path, "state folder")
    assert str(caught.value).isprintable()
    assert caught.value.metadata["host"].isprintable()


def test_the_owner_file_tells_no_id_of_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock_owner, "read_machine_id", lambda: "0123456789abcdef")
    monkeypatch.setattr(lock_owner, "read_boot_id", lambda: "fedcba9876543210")
    held = lock_folder(tmp_path, "game folder")
    content = (tmp_path / OWNER_FILE).read_bytes()
    assert b"0123456789abcdef" not in content
    assert b"fedcba9876543210" not in content
    held.release()


@pytest.mark.parametrize(
    ("machine", "boot", "host", "is_taken"),
    [
        ("other", "boot", "other", False),
        ("machine", "other", "host", False),
        ("machine", "other", "clone", True),
        ("other", "other", "host", True),
        ("", "", "host", True),
    ],
)
def test_one_machine_is_known_by_its_running_system_or_by_id_and_name(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    machine: str,
    boot: str,
    host: str,
    is_taken: bool,
) -> None:
    monkeypatch.setattr(lock_owner, "read_machine_id", lambda: "machine")
    monkeypatch.setattr(lock_owner, "read_boot_id", lambda: "boot")
    monkeypatch.setattr(platform, "node", lambda: "host")
    hashed = {key: lock_owner._hashed(key) for key in ("machine", "boot", "other", "")}
    leave_owner(tmp_path, machine=hashed[machine], boot=hashed[boot], host=host)
    if is_taken:
        with pytest.raises(AlreadyRunning):
            lock_folder(tmp_path, "game folder")
    else:
        lock_folder(tmp_path, "game folder").release()


def test_a_missing_folder_and_a_link_are_refused(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    for name in ("missing", "link"):
        with pytest.raises(StorageError):
            lock_folder(tmp_path / name, "game folder")
    assert list((tmp_path / "real").iterdir()) == []


def test_a_link_in_the_place_of_a_file_of_the_lock_is_not_followed(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    for name in ("lock", OWNER_FILE):
        (folder / name).symlink_to(tmp_path / "canary")
        with pytest.raises(StorageError):
            lock_folder(folder, "game folder")
        (folder / name).unlink()
    assert not (tmp_path / "canary").exists()
