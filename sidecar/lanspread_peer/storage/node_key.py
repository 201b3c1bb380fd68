"""The node key: the P-256 key whose public half is this peer's id.

It lies in `node.key`, PEM, readable by its owner alone. Beside it, `node.machine` holds a salted
hash of the machine's id, so that a cloned disk makes its own key instead of being a second peer
with the same id. A key that cannot be used is set aside under another name, never deleted.
"""

import hmac
import os
import secrets
import sys
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from lanspread_peer.model.errors import StorageError
from lanspread_peer.model.ids import PeerId, peer_id_of_key
from lanspread_peer.model.limits import MAX_STATE_FILE_BYTES
from lanspread_peer.storage import beneath
from lanspread_peer.storage.disk_errors import disk_errors, is_missing
from lanspread_peer.storage.machine_id import read_machine_id

_KEY = "node.key"
_MACHINE = "node.machine"
_SALT_BYTES = 16


@dataclass(frozen=True, slots=True)
class NodeKey:
    """`was_replaced` tells that an older key was set aside, so the peer id is a new one."""

    private_key: ec.EllipticCurvePrivateKey
    peer_id: PeerId
    was_replaced: bool


def load_or_create_key(state_dir: Path, machine_id: str | None = None) -> NodeKey:
    """This install's key; raises StorageError.

    `machine_id` None asks the system for it; an empty one binds the key to nothing.
    """
    machine = read_machine_id() if machine_id is None else machine_id
    content = _read(state_dir, _KEY)
    key = _parse(content) if content is not None else None
    if key is not None and _is_bound_elsewhere(state_dir, machine):
        key = None
    if key is not None:
        _close_to_others(state_dir)
        if machine and _read(state_dir, _MACHINE) is None:
            _bind(state_dir, machine)
        return _node_key(key, was_replaced=False)
    if content is not None:
        _set_aside(state_dir)
    return _node_key(_create(state_dir, machine), was_replaced=content is not None)


def _node_key(key: ec.EllipticCurvePrivateKey, *, was_replaced: bool) -> NodeKey:
    public = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return NodeKey(key, peer_id_of_key(public), was_replaced)


def _read(state_dir: Path, name: str) -> bytes | None:
    try:
        return beneath.read_file(state_dir, name, MAX_STATE_FILE_BYTES)
    except StorageError as error:
        if is_missing(error):
            return None
        raise


def _parse(content: bytes) -> ec.EllipticCurvePrivateKey | None:
    try:
        key = serialization.load_pem_private_key(content, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return None
    if isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256R1):
        return key
    return None


def _create(state_dir: Path, machine: str) -> ec.EllipticCurvePrivateKey:
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    # The binding first: without it, a key left by a crash would pass for one of any machine.
    if machine:
        _bind(state_dir, machine)
    else:
        beneath.remove_file(state_dir, _MACHINE)
    beneath.write_file(state_dir, _KEY, pem, mode=beneath.PRIVATE_MODE)
    return key


def _bind(state_dir: Path, machine: str) -> None:
    salt = secrets.token_bytes(_SALT_BYTES)
    line = f"{salt.hex()}:{_salted(salt, machine)}\n".encode("ascii")
    beneath.write_file(state_dir, _MACHINE, line, mode=beneath.PRIVATE_MODE)


def _is_bound_elsewhere(state_dir: Path, machine: str) -> bool:
    line = _read(state_dir, _MACHINE)
    if line is None or not machine:
        return False
    salt, _, expected = line.decode("ascii", "replace").strip().partition(":")
    try:
        return _salted(bytes.fromhex(salt), machine) != expected
    except ValueError:
        return True


def _salted(salt: bytes, machine: str) -> str:
    return hmac.digest(salt, machine.encode("utf-8"), "sha256").hex()


def _set_aside(state_dir: Path) -> None:
    taken = {name for name, _ in beneath.list_folder(state_dir, "")}
    number = next(n for n in range(1, len(taken) + 2) if f"{_KEY}.old-{n}" not in taken)
    beneath.rename(state_dir, _KEY, state_dir, f"{_KEY}.old-{number}")


def _close_to_others(state_dir: Path) -> None:
    """A key file that a careless copy opened to others gets its mode back."""
    if sys.platform != "win32":
        descriptor = beneath.open_file(state_dir, _KEY)
        try:
            with disk_errors("set the mode of the node key"):
                if os.fstat(descriptor).st_mode & 0o077:
                    os.fchmod(descriptor, beneath.PRIVATE_MODE)
        finally:
            os.close(descriptor)
