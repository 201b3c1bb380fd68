"""The runtime file: where local clients find the running sidecar, and the token they need.

`runtime.json` in the state folder, readable by its owner alone from the moment it exists.
"""

from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from lanspread_peer.model.errors import GameDirGone, StorageError
from lanspread_peer.model.ids import InstanceId
from lanspread_peer.model.limits import MAX_STATE_FILE_BYTES
from lanspread_peer.storage import beneath
from lanspread_peer.storage.disk_errors import is_missing

RUNTIME_FILE = "runtime.json"
API_VERSIONS = ("lanspread.peer.v1",)


class RuntimeFile(msgspec.Struct, frozen=True, kw_only=True):
    """What the file says; `address` is a gRPC target, `started_at` in seconds since 1970.

    The certificate, in PEM, is the one to expect there; the key is missing where there is no TLS.
    """

    address: str
    token: str
    pid: Annotated[int, Meta(ge=0)]
    instance_id: str
    version: str
    started_at: float
    api: tuple[str, ...] = API_VERSIONS
    tls_certificate: str | UnsetType = UNSET
    tls_cert_sha256: str | UnsetType = UNSET

    def __repr__(self) -> str:
        # The token must not get into a log.
        return f"RuntimeFile(address={self.address!r}, pid={self.pid})"


def write(state_dir: Path, content: RuntimeFile) -> None:
    """Write the file, in place of any older one; raises StorageError."""
    data = msgspec.json.format(msgspec.json.encode(content))
    beneath.write_file(state_dir, RUNTIME_FILE, data, mode=beneath.PRIVATE_MODE)


def read(state_dir: Path) -> RuntimeFile | None:
    """What the file says, or None when there is none or it makes no sense; raises StorageError."""
    try:
        data = beneath.read_file(state_dir, RUNTIME_FILE, MAX_STATE_FILE_BYTES)
        return msgspec.json.decode(data, type=RuntimeFile)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    except GameDirGone:
        # No state folder, no file.
        return None
    except StorageError as error:
        if is_missing(error):
            return None
        raise


def remove(state_dir: Path, instance_id: InstanceId) -> None:
    """Remove the file if this instance wrote it; raises StorageError."""
    content = read(state_dir)
    if content is not None and content.instance_id == instance_id:
        beneath.remove_file(state_dir, RUNTIME_FILE)
