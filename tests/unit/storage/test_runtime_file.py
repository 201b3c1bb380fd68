import os
import stat
from pathlib import Path

import msgspec
import pytest

from lanspread_peer.model.errors import StorageError
from lanspread_peer.model.ids import InstanceId
from lanspread_peer.storage.runtime_file import RuntimeFile, read, remove, write
from lanspread_peer.storage.state_dir import open_state_dir

MINE = InstanceId("a" * 32)
OTHER = InstanceId("b" * 32)
_SENSELESS = [
    b"",
    b"{}",
    b"[1]",
    b"\xff",
    b'{"address":"\xff"}',
    b"[" * 70_000,
    b'{"x":' * 20_000 + b"1" + b"}" * 20_000,
]
CONTENT = RuntimeFile(
    address="unix:/run/lanspread/s",
    token="secret",
    pid=42,
    instance_id=MINE,
    version="0.1.0",
    started_at=1.5,
)


def test_clients_find_every_promised_key(tmp_path: Path) -> None:
    write(tmp_path, CONTENT)
    assert msgspec.json.decode((tmp_path / "runtime.json").read_bytes()) == {
        "address": "unix:/run/lanspread/s",
        "token": "secret",
        "pid": 42,
        "instance_id": MINE,
        "version": "0.1.0",
        "started_at": 1.5,
        "api": ["lanspread.peer.v1"],
    }
    assert read(tmp_path) == CONTENT


def test_the_token_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    (tmp_path / "runtime.json").write_bytes(b"old")
    (tmp_path / "runtime.json").chmod(0o666)
    umask = os.umask(0)
    try:
        write(tmp_path, CONTENT)
    finally:
        os.umask(umask)
    assert stat.S_IMODE((tmp_path / "runtime.json").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["runtime.json"]


def test_the_token_is_not_shown_in_a_log() -> None:
    assert "secret" not in f"{CONTENT!r} {CONTENT}"


def test_only_its_own_file_is_removed(tmp_path: Path) -> None:
    remove(tmp_path, MINE)
    write(tmp_path, CONTENT)
    remove(tmp_path, OTHER)
    assert read(tmp_path) == CONTENT
    remove(tmp_path, MINE)
    assert read(tmp_path) is None


def test_without_a_state_folder_there_is_no_file(tmp_path: Path) -> None:
    assert read(tmp_path / "missing") is None
    remove(tmp_path / "missing", MINE)


@pytest.mark.parametrize("content", _SENSELESS)
def test_a_file_that_makes_no_sense_reads_as_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "runtime.json").write_bytes(content)
    assert read(tmp_path) is None


def test_a_link_is_replaced_and_never_followed(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "canary").write_bytes(b"canary")
    (tmp_path / "state/runtime.json").symlink_to(tmp_path / "canary")
    with pytest.raises(StorageError):
        read(tmp_path / "state")
    write(tmp_path / "state", CONTENT)
    assert (tmp_path / "canary").read_bytes() == b"canary"
    assert read(tmp_path / "state") == CONTENT


def test_the_state_folder_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    folder = open_state_dir(str(tmp_path / "a/b"))
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert open_state_dir(str(folder)) == folder
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError):
        open_state_dir(str(tmp_path / "file"))
