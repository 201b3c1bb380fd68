import json
import os
import socket
from pathlib import Path

import pytest

from lanspread_client.errors import LanspreadError
from lanspread_client.runtime_file import is_current, read_runtime_file

CONTENT = {
    "address": "127.0.0.1:7000",
    "token": "secret",
    "pid": 7,
    "instance_id": "0" * 32,
    "version": "0.1.0",
    "api": ["lanspread.peer.v1"],
    "a_field_of_a_later_version": True,
}


def write(folder: Path, text: str, mode: int = 0o600) -> Path:
    path = folder / "runtime.json"
    path.write_text(text)
    path.chmod(mode)
    return path


def reason_of(folder: Path) -> str:
    with pytest.raises(LanspreadError) as caught:
        read_runtime_file(folder)
    return caught.value.reason


def test_a_private_file_of_ours_is_believed(tmp_path: Path) -> None:
    write(tmp_path, json.dumps(CONTENT))
    found = read_runtime_file(tmp_path)
    assert (found.address, found.token, found.pid) == ("127.0.0.1:7000", "secret", 7)
    assert "secret" not in repr(found)


def test_of_a_file_that_breaks_off_the_error_holds_no_token(tmp_path: Path) -> None:
    write(tmp_path, json.dumps(CONTENT)[:-1])
    with pytest.raises(LanspreadError) as caught:
        read_runtime_file(tmp_path)
    assert caught.value.reason == "RUNTIME_FILE_INVALID"
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_without_a_file_no_sidecar_runs(tmp_path: Path) -> None:
    assert reason_of(tmp_path) == "NOT_RUNNING"
    assert reason_of(tmp_path / "missing") == "NOT_RUNNING"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666])
def test_a_file_that_others_may_touch_is_refused(tmp_path: Path, mode: int) -> None:
    write(tmp_path, json.dumps(CONTENT), mode)
    assert reason_of(tmp_path) == "RUNTIME_FILE_UNSAFE"


def test_a_file_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, json.dumps(CONTENT))
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    assert reason_of(tmp_path) == "RUNTIME_FILE_UNSAFE"


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    path = write(tmp_path, json.dumps(CONTENT))
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    assert reason_of(tmp_path) == "RUNTIME_FILE_INVALID"


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "3", "{}", "\xff", "[" * 60_000, json.dumps({**CONTENT, "pid": "x"})]
)
def test_what_makes_no_sense_is_an_error(tmp_path: Path, text: str) -> None:
    write(tmp_path, text)
    assert reason_of(tmp_path) == "RUNTIME_FILE_INVALID"


def test_a_sidecar_of_another_api_is_told_apart(tmp_path: Path) -> None:
    write(tmp_path, json.dumps({**CONTENT, "api": ["lanspread.peer.v2"]}))
    assert reason_of(tmp_path) == "API_UNSUPPORTED"


def test_a_socket_that_is_gone_means_that_no_sidecar_runs(tmp_path: Path) -> None:
    write(tmp_path, json.dumps({**CONTENT, "address": f"unix:{tmp_path / 's'}"}))
    assert reason_of(tmp_path) == "NOT_RUNNING"
    with socket.socket(socket.AF_UNIX) as left_over:
        left_over.bind(str(tmp_path / "s"))
        assert read_runtime_file(tmp_path).address.endswith("/s")


def test_something_else_in_the_place_of_the_socket_is_refused(tmp_path: Path) -> None:
    (tmp_path / "s").write_text("")
    write(tmp_path, json.dumps({**CONTENT, "address": f"unix:{tmp_path / 's'}"}))
    assert reason_of(tmp_path) == "RUNTIME_FILE_UNSAFE"


def test_a_launch_is_current_until_its_file_is_gone_or_another_ones(tmp_path: Path) -> None:
    path = write(tmp_path, json.dumps(CONTENT))
    found = read_runtime_file(tmp_path)
    assert is_current(found, tmp_path)
    write(tmp_path, json.dumps({**CONTENT, "instance_id": "1" * 32}))
    assert not is_current(found, tmp_path)
    path.unlink()
    assert not is_current(found, tmp_path)
