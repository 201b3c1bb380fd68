"""The runtime file: where a running sidecar says how to reach it.

Only a file that is ours and private is believed: whoever could write it could have us hand a
token, and our commands, to a program of theirs.
"""

import json
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platformdirs

from lanspread_client.errors import API_UNSUPPORTED, NOT_RUNNING, LanspreadError

FILE_NAME = "runtime.json"
API = "lanspread.peer.v1"
_MAX_BYTES = 64 * 1024
_UNIX = "unix:"


@dataclass(frozen=True, slots=True)
class RuntimeFile:
    """What the file says; `address` is a gRPC target.

    `tls_certificate` in PEM is the one to expect there; empty: it is dialled without TLS.
    """

    address: str
    token: str
    pid: int
    instance_id: str
    version: str
    api: tuple[str, ...]
    tls_certificate: str = ""

    def __repr__(self) -> str:
        # The token must not get into a log.
        return f"RuntimeFile(address={self.address!r}, pid={self.pid})"


def default_state_dir() -> Path:
    """The state folder that a sidecar of this user takes by itself."""
    return Path(platformdirs.user_state_dir("lanspread-peer", appauthor=False))


def read_runtime_file(state_dir: Path | None = None) -> RuntimeFile:
    """What the sidecar of this state folder says.

    Raises LanspreadError: NOT_RUNNING without a file, RUNTIME_FILE_UNSAFE when it is not ours or
    others may touch it, RUNTIME_FILE_INVALID when it cannot be understood.
    """
    path = (state_dir or default_state_dir()) / FILE_NAME
    try:
        data = _read_private(path)
    except FileNotFoundError as error:
        raise _not_running(path) from error
    except OSError as error:
        raise LanspreadError("RUNTIME_FILE_INVALID", f"{path}: {error.strerror}") from error
    found = _parse(path, data)
    _check_socket(path, found.address)
    return found


def is_current(found: RuntimeFile, state_dir: Path | None = None) -> bool:
    """Whether the file still is that of the same launch, whether or not it answers."""
    path = (state_dir or default_state_dir()) / FILE_NAME
    try:
        return _parse(path, _read_private(path)).instance_id == found.instance_id
    except (OSError, LanspreadError):
        return False


def _read_private(path: Path) -> bytes:
    # Looked at through the open file, so that it cannot be another one by then.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
    with os.fdopen(descriptor, "rb") as file:
        state = os.fstat(descriptor)
        if os.name == "posix" and (state.st_uid != os.getuid() or state.st_mode & 0o077):
            raise LanspreadError(
                "RUNTIME_FILE_UNSAFE",
                f"{path} is not private: expected it to be ours with mode 0600",
                {"path": str(path)},
            )
        return file.read(_MAX_BYTES)


def _parse(path: Path, data: bytes) -> RuntimeFile:
    try:
        content: dict[str, Any] = json.loads(data)
        found = RuntimeFile(
            address=str(content["address"]),
            token=str(content["token"]),
            pid=int(content["pid"]),
            instance_id=str(content["instance_id"]),
            version=str(content["version"]),
            api=tuple(map(str, content["api"])),
            tls_certificate=str(content.get("tls_certificate", "")),
        )
    except (ValueError, TypeError, LookupError, RecursionError):
        message = f"{path} cannot be understood"
        # The parser's error holds the whole file, and so the token.
        raise LanspreadError("RUNTIME_FILE_INVALID", message, {"path": str(path)}) from None
    if API not in found.api:
        raise LanspreadError(
            API_UNSUPPORTED,
            f"the sidecar speaks {', '.join(found.api)}, this client {API}",
            {"version": found.version},
        )
    return found


def _check_socket(path: Path, address: str) -> None:
    if not address.startswith(_UNIX) or os.name != "posix":
        return
    try:
        state = Path(address.removeprefix(_UNIX)).lstat()
    except OSError as error:
        raise _not_running(path) from error
    # A sidecar that was killed leaves its address to whoever takes it next.
    if not stat.S_ISSOCK(state.st_mode) or state.st_uid != os.getuid():
        raise LanspreadError("RUNTIME_FILE_UNSAFE", f"{address} is not a socket of ours")


def _not_running(path: Path) -> LanspreadError:
    return LanspreadError(
        NOT_RUNNING,
        f"no sidecar runs with the state folder {path.parent}",
        {"state_dir": str(path.parent)},
    )
