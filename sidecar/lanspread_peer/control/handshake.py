"""The two lines between a sidecar and the front end that spawned it with `serve --managed`.

In comes where to work, out goes where to call. Only the texts are known here; control/front_end.py
reads and writes the pipes. The token never gets into an error or a repr.
"""

import json
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from lanspread_peer.model.errors import HandshakeRefused, InvalidField, LanspreadError
from lanspread_peer.model.limits import MAX_HANDSHAKE_BYTES, MAX_TOKEN_CHARS, MIN_TOKEN_CHARS
from lanspread_peer.storage.runtime_file import API_VERSIONS

# Raised when the lines change so that old front ends cannot read them.
HANDSHAKE_VERSION = 1

_Folder = Annotated[str, Meta(min_length=1)]
# No system has longer ones.
_Pid = Annotated[int, Meta(ge=1, le=2**31 - 1)]


class Handshake(msgspec.Struct, frozen=True, kw_only=True):
    """What a front end says; `settings` has the keys of the config file, unchecked."""

    game_dir: _Folder
    state_dir: _Folder
    parent_pid: _Pid | None = None
    token: str | None = None
    log_level: Literal["debug", "info", "warning", "error"] | None = None
    settings: dict[str, Any] = {}

    def __repr__(self) -> str:
        return f"Handshake(game_dir={self.game_dir!r}, state_dir={self.state_dir!r})"

    def configuration(self) -> dict[str, object]:
        """All of it that is configuration, by key; raises HandshakeRefused for the wrong place."""
        for key in ("game_dir", "state_dir"):
            if key in self.settings:
                raise HandshakeRefused(f"{key!r} belongs beside the settings", key=key)
        level = {} if self.log_level is None else {"log_level": self.log_level}
        return {"game_dir": self.game_dir, "state_dir": self.state_dir, **self.settings, **level}


_KEYS = frozenset(Handshake.__struct_fields__)


@dataclass(frozen=True, slots=True)
class Ready:
    """What a front end is told once the sidecar serves; `address` is a gRPC target.

    The certificate, in PEM, is the one to expect there; empty: the address is dialled without TLS.
    """

    address: str
    token: str
    pid: int
    instance_id: str
    version: str
    tls_certificate: str = ""
    tls_cert_sha256: str = ""

    def __repr__(self) -> str:
        return f"Ready(address={self.address!r}, pid={self.pid})"


def parse_handshake(line: bytes) -> Handshake:
    """The handshake in a line from stdin; raises HandshakeRefused, which names what is wrong."""
    if len(line) > MAX_HANDSHAKE_BYTES:
        raise HandshakeRefused(f"expected a line of at most {MAX_HANDSHAKE_BYTES} bytes")
    content = _load(line)
    if unknown := sorted(content.keys() - _KEYS):
        shown, known = ascii(unknown[0][:80]), ", ".join(sorted(_KEYS))
        raise HandshakeRefused(f"unknown key {shown}; known are {known}", key=shown)
    try:
        handshake = msgspec.convert(content, Handshake)
    except msgspec.ValidationError as error:
        raise HandshakeRefused(f"the handshake: {error}") from error
    _require_folder("game_dir", handshake.game_dir)
    _require_folder("state_dir", handshake.state_dir)
    if handshake.token is not None:
        _require_token(handshake.token)
    return handshake


def ready_line(ready: Ready) -> bytes:
    """The line that goes to stdout, with its end."""
    content: dict[str, object] = {
        "lanspread": HANDSHAKE_VERSION,
        "address": ready.address,
        "token": ready.token,
        "pid": ready.pid,
        "api": API_VERSIONS,
        "version": ready.version,
        "instance_id": ready.instance_id,
    }
    if ready.tls_certificate:
        content["tls_certificate"] = ready.tls_certificate
        content["tls_cert_sha256"] = ready.tls_cert_sha256
    return msgspec.json.encode(content) + b"\n"


def blamed(error: LanspreadError, handshake: Handshake) -> LanspreadError:
    """The error, as one of the handshake when that set the wrong field."""
    if isinstance(error, InvalidField) and error.field in handshake.settings:
        return HandshakeRefused(f"settings.{error.message}", key=error.field)
    return error


def _load(line: bytes) -> dict[str, object]:
    try:
        text = line.decode("utf-8")
        content = json.loads(text, object_pairs_hook=_unique_keys, parse_constant=_no_constant)
        # A lone surrogate can be written in JSON, and in nothing that we do with a text.
        msgspec.json.encode(content)
    except (ValueError, RecursionError) as error:
        # Without the cause: a decoder's error carries the whole line, and so the token.
        raise HandshakeRefused(f"expected one line of JSON: {_shown(error)}") from None
    if not isinstance(content, dict):
        raise HandshakeRefused("expected a JSON object")
    return content


def _shown(error: Exception) -> str:
    return error.msg if isinstance(error, json.JSONDecodeError) else type(error).__name__


def _unique_keys(pairs: list[tuple[str, object]]) -> dict[str, object]:
    unique = dict(pairs)
    if len(unique) != len(pairs):
        raise json.JSONDecodeError("a key stands twice", "", 0)
    return unique


def _no_constant(name: str) -> object:
    raise json.JSONDecodeError(f"{name} is no JSON number", "", 0)


def _require_folder(field: str, path: str) -> None:
    if "\0" in path:
        raise HandshakeRefused(f"{field}: expected a path without NUL", field=field)


def _require_token(token: str) -> None:
    if not MIN_TOKEN_CHARS <= len(token) <= MAX_TOKEN_CHARS:
        raise HandshakeRefused(
            f"token: expected {MIN_TOKEN_CHARS} to {MAX_TOKEN_CHARS} characters, got {len(token)}",
            field="token",
        )
    if not all("!" <= character <= "~" for character in token):
        raise HandshakeRefused("token: expected printable ASCII without spaces", field="token")
