"""The file of blocked peers: private, whole after a crash, and never a reason not to start."""

import os
import stat
from pathlib import Path

import pytest

from lanspread_peer.model.ids import PeerId
from lanspread_peer.model.limits import MAX_BLOCKED_PEERS, MAX_STATE_FILE_BYTES
from lanspread_peer.storage.blocked_peers import read_blocked, write_blocked
from support.values import peer_id

FIRST, SECOND = peer_id(1), peer_id(2)


def test_what_was_written_is_read_again(tmp_path: Path) -> None:
    assert read_blocked(tmp_path) == frozenset()
    write_blocked(tmp_path, {FIRST, SECOND})
    assert read_blocked(tmp_path) == {FIRST, SECOND}
    write_blocked(tmp_path, [])
    assert read_blocked(tmp_path) == frozenset()
    assert [path.name for path in tmp_path.iterdir()] == ["blocked"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has other permissions")
def test_the_file_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    (tmp_path / "blocked").write_bytes(b"")
    (tmp_path / "blocked").chmod(0o644)
    write_blocked(tmp_path, {FIRST})
    assert stat.S_IMODE((tmp_path / "blocked").stat().st_mode) == 0o600


def test_lines_that_are_no_peer_id_are_passed_over(tmp_path: Path) -> None:
    junk = b"\xff\xfe\n\n../../etc\n" + FIRST.encode() + b"\n" + FIRST.upper().encode() + b"\n"
    (tmp_path / "blocked").write_bytes(junk)
    assert read_blocked(tmp_path) == {FIRST}


def test_a_full_list_fits_the_file_and_more_is_cut(tmp_path: Path) -> None:
    letters = "abcdefghijklmnopqrstuvwxyz234567"
    many = [
        PeerId("a" * 49 + letters[n // 1024] + letters[n // 32 % 32] + letters[n % 32])
        for n in range(MAX_BLOCKED_PEERS + 1)
    ]
    write_blocked(tmp_path, many[:MAX_BLOCKED_PEERS])
    assert (tmp_path / "blocked").stat().st_size <= MAX_STATE_FILE_BYTES
    assert read_blocked(tmp_path) == set(many[:MAX_BLOCKED_PEERS])
    write_blocked(tmp_path, many)
    assert len(read_blocked(tmp_path)) == MAX_BLOCKED_PEERS


def test_of_a_file_that_is_too_large_the_rest_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "blocked").write_bytes(b"\n" * MAX_STATE_FILE_BYTES + FIRST.encode())
    assert read_blocked(tmp_path) == frozenset()
