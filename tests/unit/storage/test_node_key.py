import os
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from lanspread_peer.model.errors import StorageError
from lanspread_peer.model.ids import parse_peer_id, peer_id_of_key
from lanspread_peer.storage import machine_id, node_key
from lanspread_peer.storage.machine_id import read_machine_id
from lanspread_peer.storage.node_key import load_or_create_key

MACHINE = "0123456789abcdef0123456789abcdef"


def _pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def test_a_key_is_made_once_and_found_again(tmp_path: Path) -> None:
    first = load_or_create_key(tmp_path, MACHINE)
    second = load_or_create_key(tmp_path, MACHINE)
    assert first.peer_id == second.peer_id == parse_peer_id(first.peer_id)
    assert not first.was_replaced
    assert not second.was_replaced
    public = first.private_key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    assert first.peer_id == peer_id_of_key(public)
    assert isinstance(first.private_key.curve, ec.SECP256R1)


def test_nobody_else_can_read_what_is_written(tmp_path: Path) -> None:
    umask = os.umask(0)
    try:
        load_or_create_key(tmp_path, MACHINE)
    finally:
        os.umask(umask)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert modes == {"node.key": 0o600, "node.machine": 0o600}


def test_an_opened_key_file_is_closed_to_others_again(tmp_path: Path) -> None:
    first = load_or_create_key(tmp_path, MACHINE)
    (tmp_path / "node.key").chmod(0o644)
    assert load_or_create_key(tmp_path, MACHINE).peer_id == first.peer_id
    assert stat.S_IMODE((tmp_path / "node.key").stat().st_mode) == 0o600


def test_a_cloned_disk_makes_a_new_key_and_keeps_the_old_one(tmp_path: Path) -> None:
    first = load_or_create_key(tmp_path, MACHINE)
    old = (tmp_path / "node.key").read_bytes()
    clone = load_or_create_key(tmp_path, MACHINE[::-1])
    assert clone.was_replaced
    assert clone.peer_id != first.peer_id
    assert (tmp_path / "node.key.old-1").read_bytes() == old
    assert load_or_create_key(tmp_path, MACHINE[::-1]).peer_id == clone.peer_id
    assert load_or_create_key(tmp_path, MACHINE).was_replaced
    assert (tmp_path / "node.key.old-2").exists()


def test_the_machine_id_is_not_written_down(tmp_path: Path) -> None:
    load_or_create_key(tmp_path, MACHINE)
    assert all(MACHINE.encode() not in path.read_bytes() for path in tmp_path.iterdir())


def test_a_machine_without_an_id_binds_to_nothing(tmp_path: Path) -> None:
    first = load_or_create_key(tmp_path, "")
    assert not (tmp_path / "node.machine").exists()
    assert load_or_create_key(tmp_path, "").peer_id == first.peer_id
    bound = load_or_create_key(tmp_path, MACHINE)
    assert bound.peer_id == first.peer_id
    assert load_or_create_key(tmp_path, MACHINE[::-1]).was_replaced


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"garbage",
        b"\xff" * 100_000,
        _pem(ec.generate_private_key(ec.SECP384R1())),
        _pem(rsa.generate_private_key(65537, 2048)),
    ],
    ids=["empty", "garbage", "huge", "other curve", "rsa"],
)
def test_a_key_that_cannot_be_used_is_set_aside(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "node.key").write_bytes(content)
    assert load_or_create_key(tmp_path, MACHINE).was_replaced
    assert (tmp_path / "node.key.old-1").read_bytes() == content
    assert not load_or_create_key(tmp_path, MACHINE).was_replaced


def test_a_broken_binding_is_taken_for_a_foreign_one(tmp_path: Path) -> None:
    load_or_create_key(tmp_path, MACHINE)
    (tmp_path / "node.machine").write_bytes(b"\xffnothing")
    assert load_or_create_key(tmp_path, MACHINE).was_replaced


def test_a_linked_key_is_refused(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "canary").write_bytes(b"canary")
    (tmp_path / "state/node.key").symlink_to(tmp_path / "canary")
    with pytest.raises(StorageError):
        load_or_create_key(tmp_path / "state", MACHINE)


def test_without_a_given_id_the_system_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(node_key, "read_machine_id", lambda: MACHINE)
    asked = load_or_create_key(tmp_path)
    assert load_or_create_key(tmp_path, MACHINE).peer_id == asked.peer_id


@pytest.mark.parametrize(
    ("content", "expected"),
    [(f"{MACHINE.upper()}\n", MACHINE), ("uninitialized\n", ""), ("", ""), ("é" * 32, "")],
)
def test_a_machine_id_is_taken_only_when_it_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, expected: str
) -> None:
    (tmp_path / "machine-id").write_text(content, "utf-8")
    monkeypatch.setattr(machine_id, "_LINUX_FILES", (tmp_path / "none", tmp_path / "machine-id"))
    assert read_machine_id() == expected
