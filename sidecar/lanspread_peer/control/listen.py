"""Where the control API listens: a private Unix socket, a loopback port, or any other with TLS.

Only this user's processes reach a Unix socket in a folder of mode 0700, so that is what POSIX
gets by default; Windows, where gRPC has no such sockets, gets a free loopback port, and there
the token alone keeps others out. Any other address may be listened on from another machine, which
would read the token on its way.
"""

import errno
import os
import socket
import stat
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from lanspread_peer.model.errors import CannotBind, InvalidField
from lanspread_peer.model.limits import MAX_UNIX_SOCKET_PATH_BYTES

_UNIX = "unix:"
_SOCKET_NAME = "control.sock"
_FOLDER_PREFIX = "lanspread-"
_EXPECTED = "an IP address with a port, such as 127.0.0.1:PORT or [::1]:PORT, or unix:/PATH"

# What a gRPC target takes for something else than a part of a path, on one side or on both.
_NOT_IN_TARGETS = frozenset("#?%,")

# Windows cannot dial the addresses that stand for all.
_DIALLED_AS = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}  # noqa: S104 - nothing is bound here


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where to listen: `target` is what gRPC takes; `socket_path` None means TCP.

    `own_folder` was made for the socket alone, and goes with it. What `needs_tls` can be heard
    beyond this machine.
    """

    target: str
    socket_path: Path | None = None
    own_folder: Path | None = None
    needs_tls: bool = False

    def on_port(self, port: int) -> "Endpoint":
        """The same, as clients on this machine dial it once it is bound to this TCP port."""
        host, _, _ = self.target.rpartition(":")
        host = _DIALLED_AS.get(host, host)
        return Endpoint(f"{host}:{port}", needs_tls=self.needs_tls)

    def remove(self) -> None:
        """Remove the socket and the folder made for it; nothing happens where they are gone."""
        if self.socket_path:
            self.socket_path.unlink(missing_ok=True)
        if self.own_folder and self.own_folder.is_dir():
            self.own_folder.rmdir()


def endpoint_of(listen: str) -> Endpoint:
    """The endpoint that the setting `listen` names; empty: this system's default.

    Raises InvalidField, or CannotBind when the path is in use or no folder can be made.
    """
    if not listen:
        return _private_socket() if os.name == "posix" else Endpoint("127.0.0.1:0")
    endpoint = named_endpoint(listen)
    if endpoint.socket_path:
        _clear(endpoint.socket_path)
    return endpoint


def named_endpoint(listen: str) -> Endpoint:
    """The endpoint that the setting names, without a look at the disk; raises InvalidField."""
    return _named_socket(listen) if listen.startswith(_UNIX) else _tcp_port(listen)


def remove_private_socket(target: str) -> None:
    """Remove the private socket that a dead sidecar left; nothing else, whatever it is given."""
    path = Path(target.removeprefix(_UNIX))
    is_private = path.name == _SOCKET_NAME and path.parent.name.startswith(_FOLDER_PREFIX)
    if not target.startswith(_UNIX) or not is_private:
        return
    # What cannot be removed is a socket nobody answers on: no reason not to start.
    with suppress(OSError):
        if path.is_socket() and not _is_listened_on(path):
            Endpoint(target, path, path.parent).remove()


def _tcp_port(listen: str) -> Endpoint:
    host, _, port = listen.rpartition(":")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    try:
        address = ip_address(bare)
        number = int(port)
    except ValueError as error:
        raise InvalidField("listen", _EXPECTED, listen[:120]) from error
    is_bracketed = host != bare
    if is_bracketed != (address.version == 6) or "%" in bare:
        raise InvalidField("listen", _EXPECTED, listen[:120])
    if not 0 <= number <= 65535:
        raise InvalidField("listen", "a port from 0 to 65535", listen[:120])
    canonical = f"[{address}]" if is_bracketed else str(address)
    return Endpoint(f"{canonical}:{number}", needs_tls=not address.is_loopback)


def _named_socket(listen: str) -> Endpoint:
    path = Path(listen.removeprefix(_UNIX))
    if os.name != "posix" or not path.is_absolute() or "\0" in listen:
        raise InvalidField("listen", _EXPECTED, listen[:120])
    if expected := _wrong_with(path):
        raise InvalidField("listen", expected, listen[:120])
    return Endpoint(f"{_UNIX}{path}", path)


def _clear(path: Path) -> None:
    # gRPC removes whatever socket is there, which would hide a living server; so it must be gone
    # before, and only one that nobody listens on may go.
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode) or _is_listened_on(path):
            raise CannotBind(f"{path} is in use", address=f"{_UNIX}{path}")
        path.unlink()
    except FileNotFoundError:
        return
    except OSError as error:
        raise CannotBind(f"{path}: {error.strerror}", address=f"{_UNIX}{path}") from error


def _is_listened_on(path: Path) -> bool:
    if sys.platform == "win32":
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        return probe.connect_ex(str(path)) != errno.ECONNREFUSED


def _private_socket() -> Endpoint:
    reasons: list[str] = []
    for parent in filter(None, (os.environ.get("XDG_RUNTIME_DIR"), tempfile.gettempdir(), "/tmp")):  # noqa: S108 - the folder is made by mkdtemp
        try:
            folder = Path(tempfile.mkdtemp(prefix=_FOLDER_PREFIX, dir=parent))
        except OSError as error:
            reasons.append(f"{parent}: {error.strerror}")
            continue
        path = folder / _SOCKET_NAME
        expected = _wrong_with(path)
        if not expected:
            return Endpoint(f"{_UNIX}{path}", path, folder)
        folder.rmdir()
        reasons.append(f"{parent}: expected {expected}")
    raise CannotBind("no folder for the control socket: " + "; ".join(reasons))


def _wrong_with(path: Path) -> str:
    """What was expected of the path instead; empty: a socket may be there."""
    if _NOT_IN_TARGETS & set(str(path)):
        return f"a path without {' '.join(sorted(_NOT_IN_TARGETS))}"
    if len(os.fsencode(path)) > MAX_UNIX_SOCKET_PATH_BYTES:
        return f"a path of at most {MAX_UNIX_SOCKET_PATH_BYTES} bytes"
    return ""
