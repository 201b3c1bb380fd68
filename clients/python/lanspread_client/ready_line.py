"""The line by which a spawned sidecar says that it serves, and where."""

import json
from dataclasses import dataclass
from typing import Any

from lanspread_client.errors import API_UNSUPPORTED, HANDSHAKE_INVALID, LanspreadError
from lanspread_client.runtime_file import API

MAX_READY_BYTES = 64 * 1024
_VERSION = 1


@dataclass(frozen=True, slots=True)
class Ready:
    """What the line says; `address` is a gRPC target.

    `tls_certificate` in PEM is the one to expect there; empty: it is dialled without TLS.
    """

    address: str
    token: str
    pid: int
    instance_id: str
    version: str
    tls_certificate: str = ""

    def __repr__(self) -> str:
        # The token must not get into a log.
        return f"Ready(address={self.address!r}, pid={self.pid})"


def parse_ready(line: bytes) -> Ready:
    """Raises LanspreadError: HANDSHAKE_INVALID, or API_UNSUPPORTED when it is of another age."""
    try:
        content: dict[str, Any] = json.loads(line)
        version, api = content["lanspread"], list(map(str, content["api"]))
        ready = Ready(
            address=str(content["address"]),
            token=str(content["token"]),
            pid=int(content["pid"]),
            instance_id=str(content["instance_id"]),
            version=str(content["version"]),
            tls_certificate=str(content.get("tls_certificate", "")),
        )
    except (ValueError, TypeError, LookupError, RecursionError):
        # Without the cause, which may hold the token.
        message = "what the sidecar said first cannot be understood"
        raise LanspreadError(HANDSHAKE_INVALID, message) from None
    if version != _VERSION or API not in api:
        raise LanspreadError(
            API_UNSUPPORTED,
            f"the sidecar speaks {', '.join(api)} after handshake {version}, this client {API}",
            {"version": ready.version},
        )
    return ready
