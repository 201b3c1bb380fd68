"""The one table of configuration keys: their kinds, defaults, and what they accept.

The options of the command line, the checks of the config file, of the handshake and of the
environment, and the table in docs/configuration.md are all made from it. Nothing is read here.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from lanspread_peer.control.listen import named_endpoint
from lanspread_peer.model.config import DEFAULT_PORT, require_port
from lanspread_peer.model.errors import InvalidField
from lanspread_peer.model.limits import MAX_LOG_FILE_BYTES, MAX_OLD_LOG_FILES, MAX_UPLOADS, MIB
from lanspread_peer.model.live_settings import DEFAULT_PATIENCE_S, ChosenSettings
from lanspread_peer.model.peer import parse_ip, split_host_port
from lanspread_peer.runtime.log_lines import LogFormat

ENVIRONMENT_PREFIX = "LANSPREAD_"

Value = str | int | float | bool | tuple[str, ...] | None

_TRUE = frozenset(["true", "yes", "on", "1"])
_FALSE = frozenset(["false", "no", "off", "0"])
_WHOLE = re.compile(r"-?[0-9]{1,19}")


class Kind(Enum):
    """What a value is; the text says what is expected."""

    TEXT = "a text"
    WHOLE = "a whole number"
    NUMBER = "a number"
    TRUTH = "true or false"
    TEXTS = "a list of texts"


@dataclass(frozen=True, slots=True)
class Key:
    """One key; a `default` of None is what `default_text` says.

    `accept` makes the value that is used, or raises InvalidField. One that `is_live` may be
    changed while the sidecar runs, under the same name.
    """

    name: str
    kind: Kind
    help: str
    default_text: str
    default: Value = None
    accept: Callable[[Any], Value] = lambda value: value
    metavar: str = ""
    is_live: bool = False

    @property
    def variable(self) -> str:
        """The name of its environment variable."""
        return ENVIRONMENT_PREFIX + self.name.upper()

    @property
    def flag(self) -> str:
        """The name of its flag."""
        return "--" + self.name.replace("_", "-")

    def of_typed(self, value: object) -> Value:
        """The value from TOML or JSON, as it is used; raises InvalidField."""
        if not _IS_OF_KIND[self.kind](value):
            raise InvalidField(self.name, self.kind.value, str(value)[:80])
        if isinstance(value, list):
            value = tuple(value)
        return self.accept(float(value) if self.kind is Kind.NUMBER else value)  # type: ignore[arg-type]

    def of_text(self, text: str) -> Value:
        """The value from a text, as flags and the environment have it; raises InvalidField."""
        return self.accept(_OF_TEXT[self.kind](self.name, text))


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_whole(value: object) -> bool:
    # TOML promises 64 bits; Python reads longer ones, and then fails to show them.
    return type(value) is int and value.bit_length() < 64


_IS_OF_KIND: dict[Kind, Callable[[object], bool]] = {
    Kind.TEXT: _is_text,
    Kind.WHOLE: _is_whole,
    Kind.NUMBER: lambda value: isinstance(value, float) or _is_whole(value),
    Kind.TRUTH: lambda value: isinstance(value, bool),
    Kind.TEXTS: lambda value: isinstance(value, list) and all(map(_is_text, value)),
}


def _whole_of(name: str, text: str) -> int:
    if not _WHOLE.fullmatch(text):
        raise InvalidField(name, Kind.WHOLE.value, text[:80])
    return int(text)


def _number_of(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise InvalidField(name, Kind.NUMBER.value, text[:80]) from error


def _truth_of(name: str, text: str) -> bool:
    lowered = text.lower()
    if lowered not in _TRUE | _FALSE:
        raise InvalidField(name, Kind.TRUTH.value, text[:80])
    return lowered in _TRUE


_OF_TEXT: dict[Kind, Callable[[str, str], Value]] = {
    Kind.TEXT: lambda _, text: text,
    Kind.WHOLE: _whole_of,
    Kind.NUMBER: _number_of,
    Kind.TRUTH: _truth_of,
    Kind.TEXTS: lambda _, text: tuple(part.strip() for part in text.split(",") if part.strip()),
}


def absolute_path(name: str, path: str, expected: str = "a path") -> Path:
    """The path with `~` spelled out; raises InvalidField where that is nobody's home."""
    try:
        if path and "\0" not in path:
            return Path(path).expanduser().absolute()
    except (RuntimeError, OSError) as error:
        raise InvalidField(name, expected, path[:80]) from error
    raise InvalidField(name, expected, path[:80])


def _path(name: str, expected: str) -> Callable[[str], str]:
    def accept(path: str) -> str:
        absolute_path(name, path, expected)
        return path

    return accept


def _one_of(name: str, choices: tuple[str, ...]) -> Callable[[str], str]:
    def accept(text: str) -> str:
        if text not in choices:
            raise InvalidField(name, f"one of {', '.join(choices)}", text[:80])
        return text

    return accept


def _live(name: str) -> Callable[[Any], Value]:
    def accept(value: Any) -> Value:
        chosen: Value = getattr(ChosenSettings(**{name: value}), name)
        return chosen

    return accept


def _bind(address: str) -> str:
    return parse_ip(address, "bind") if address else ""


def _listen(address: str) -> str:
    if address:
        named_endpoint(address)
    return address


def _metrics(address: str) -> str:
    if address:
        # A web server, if a small one, and most have no metrics.
        from lanspread_peer.control.metrics_server import split_loopback

        split_loopback(address)
    return address


def _party(path: str) -> str:
    if path:
        absolute_path("party", path, "the path of a folder")
    return path


def _peers(addresses: tuple[str, ...]) -> tuple[str, ...]:
    for address in addresses:
        split_host_port(address, "peer")
    return addresses


LOG_FORMATS = tuple(log_format.value for log_format in LogFormat)
LOG_LEVELS = ("debug", "info", "warning", "error")

KEYS = (
    Key(
        "game_dir",
        Kind.TEXT,
        "The folder with the games; must exist and be writable.",
        "none: must be given",
        accept=_path("game_dir", "the path of a folder"),
        metavar="DIR",
    ),
    Key(
        "state_dir",
        Kind.TEXT,
        "Where key, index and settings are kept.",
        "a folder of your user",
        accept=_path("state_dir", "the path of a folder"),
        metavar="DIR",
    ),
    Key(
        "name",
        Kind.TEXT,
        "Shown to others.",
        "USER@HOST",
        accept=_live("name"),
        is_live=True,
    ),
    Key(
        "bind",
        Kind.TEXT,
        "An own IP address; nothing leaves by another one.",
        "all interfaces",
        "",
        accept=_bind,
        metavar="ADDRESS",
    ),
    Key(
        "port",
        Kind.WHOLE,
        "UDP and TCP port for peers; 0 is any.",
        f"{DEFAULT_PORT}, else any",
        accept=require_port,
        metavar="PORT",
    ),
    Key(
        "listen",
        Kind.TEXT,
        "Where front ends connect: ADDRESS:PORT or unix:/PATH; beyond this PC by TLS.",
        "a private Unix socket, on Windows a loopback port",
        "",
        accept=_listen,
        metavar="ADDRESS",
    ),
    Key(
        "peer",
        Kind.TEXTS,
        "A peer to connect to where mDNS does not reach; may be repeated.",
        "none",
        (),
        accept=_peers,
        metavar="HOST:PORT",
    ),
    Key(
        "party",
        Kind.TEXT,
        "The folder with a party's certificates; only its members are let in.",
        "STATE_DIR/party where there is one, else an open party",
        "",
        accept=_party,
        metavar="DIR",
    ),
    Key("mdns", Kind.TRUTH, "Announce, and look for others.", "true", default=True),
    Key(
        "upload_bytes_per_second",
        Kind.WHOLE,
        "Limit of all game data sent, in bytes per second.",
        "no limit",
        accept=_live("upload_bytes_per_second"),
        is_live=True,
    ),
    Key(
        "download_bytes_per_second",
        Kind.WHOLE,
        "Limit of all game data received, in bytes per second.",
        "no limit",
        accept=_live("download_bytes_per_second"),
        is_live=True,
    ),
    Key(
        "upload_slots",
        Kind.WHOLE,
        "How many answers are sent to peers at once.",
        str(MAX_UPLOADS),
        MAX_UPLOADS,
        accept=_live("upload_slots"),
        is_live=True,
    ),
    Key(
        "patience_seconds",
        Kind.NUMBER,
        "How long a download waits for a source before it fails.",
        f"{DEFAULT_PATIENCE_S:.0f}",
        DEFAULT_PATIENCE_S,
        accept=_live("patience_seconds"),
        is_live=True,
    ),
    Key(
        "metrics",
        Kind.TEXT,
        "Where Prometheus may scrape /metrics: 127.0.0.1:PORT or [::1]:PORT; 0 is any port.",
        "off",
        "",
        accept=_metrics,
        metavar="ADDRESS",
    ),
    Key(
        "log_level",
        Kind.TEXT,
        f"From which level on to log: {', '.join(LOG_LEVELS)}.",
        "info",
        "info",
        accept=_one_of("log_level", LOG_LEVELS),
        metavar="LEVEL",
    ),
    Key(
        "log_format",
        Kind.TEXT,
        f"How log lines look: {', '.join(LOG_FORMATS)}.",
        "console at a terminal, json with --managed, else logfmt",
        accept=_one_of("log_format", LOG_FORMATS),
        metavar="FORMAT",
    ),
    Key(
        "log_file",
        Kind.TEXT,
        "A file that gets the log too; full ones are kept as FILE.1 to "
        f"FILE.{MAX_OLD_LOG_FILES}, {MAX_LOG_FILE_BYTES // MIB} MiB each.",
        "none",
        accept=_path("log_file", "the path of a file"),
        metavar="FILE",
    ),
)

KEY_BY_NAME = {key.name: key for key in KEYS}
LIVE_KEYS = tuple(key for key in KEYS if key.is_live)
