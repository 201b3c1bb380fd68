"""Where the configuration comes from, and which source wins.

From the strongest to the weakest: flags, the handshake, settings that a front end changed and
that are kept, the environment, the config file, defaults. A person at the command line means this
launch; what was set in a front end is meant to stay; the environment and the file are how the
machine was set up before that. A wrong value is an error wherever it stands, outvoted or not.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from platformdirs import user_config_dir, user_state_dir

from lanspread_peer.control.config_keys import (
    ENVIRONMENT_PREFIX,
    KEY_BY_NAME,
    KEYS,
    LIVE_KEYS,
    Key,
    Value,
    absolute_path,
)
from lanspread_peer.model.config import Settings
from lanspread_peer.model.errors import HandshakeRefused, InvalidField, InvalidSetting
from lanspread_peer.model.limits import MAX_CONFIG_BYTES
from lanspread_peer.model.live_settings import SETTING_NAMES, ChosenSettings
from lanspread_peer.runtime.current_settings import default_name
from lanspread_peer.runtime.log_lines import LogFormat
from lanspread_peer.runtime.logs import LogSettings
from lanspread_peer.storage.settings_file import peek_settings

CONFIG_VARIABLE = "LANSPREAD_CONFIG"
# Of ours, but no keys: the file to read, and how long our own tests go on.
OTHER_VARIABLES = frozenset([CONFIG_VARIABLE, "LANSPREAD_LONG"])
_APP = "lanspread-peer"


class Rank(Enum):
    """The kinds of sources, the strongest first."""

    FLAG = "flag"
    HANDSHAKE = "handshake"
    KEPT = "kept setting"
    ENVIRONMENT = "environment"
    FILE = "file"
    DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Found:
    """A value, and the source it came from: its kind, and its name as a person knows it."""

    value: Value
    rank: Rank
    source: str


Layer = Mapping[str, Found]


@dataclass(frozen=True, slots=True)
class Config:
    """What holds for each key; without the kept settings, which only the sidecar itself adds.

    `unknown_variables` are those that look as if they were meant for us.
    """

    found: Layer
    unknown_variables: tuple[str, ...] = ()

    def text(self, name: str) -> str:
        """The value of a key that is a text; empty when there is none."""
        value = self.found[name].value
        return "" if value is None else str(value)

    @property
    def state_dir(self) -> Path:
        return absolute_path("state_dir", self.text("state_dir"))

    @property
    def game_dir(self) -> Path:
        """Raises InvalidField when none was given."""
        if not self.text("game_dir"):
            key = KEY_BY_NAME["game_dir"]
            expected = f"a folder, by {key.flag}, {key.variable} or {key.name} in the config file"
            raise InvalidField(key.name, expected)
        return absolute_path("game_dir", self.text("game_dir"))

    def settings(self) -> Settings:
        """How the sidecar is to run; raises InvalidField."""
        values = {name: found.value for name, found in self.found.items()}
        party = self.text("party")
        return Settings(
            game_dir=str(self.game_dir),
            state_dir=str(self.state_dir),
            bind=values["bind"],  # type: ignore[arg-type]
            port=values["port"],  # type: ignore[arg-type]
            listen=values["listen"],  # type: ignore[arg-type]
            peers=values["peer"],  # type: ignore[arg-type]
            mdns=values["mdns"],  # type: ignore[arg-type]
            party=str(absolute_path("party", party)) if party else "",
            metrics=values["metrics"],  # type: ignore[arg-type]
            given=self._chosen(Rank.FLAG, Rank.HANDSHAKE),
            fallback=self._chosen(Rank.ENVIRONMENT, Rank.FILE),
        )

    def log_settings(self, default: LogFormat) -> LogSettings:
        """How to log; in the default format unless another one was given."""
        wanted, file = self.text("log_format"), self.text("log_file")
        return LogSettings(
            self.text("log_level"),
            LogFormat(wanted) if wanted else default,
            absolute_path("log_file", file) if file else None,
        )

    def with_kept(self) -> "Config":
        """The same with the kept settings in their place; raises StorageError."""
        kept = _kept_layer(self.state_dir)
        return Config(_strongest(self.found, kept), self.unknown_variables)

    def _chosen(self, *ranks: Rank) -> ChosenSettings:
        chosen = {key.name: self.found[key.name] for key in LIVE_KEYS}
        values = {name: found.value for name, found in chosen.items() if found.rank in ranks}
        return ChosenSettings(**values)  # type: ignore[arg-type]


def read_config(
    flags: Mapping[str, str | bool | tuple[str, ...] | None],
    *,
    config_file: str | None = None,
    handshake: Mapping[str, object] | None = None,
    environment: Mapping[str, str] = os.environ,
) -> Config:
    """All sources together; raises InvalidSetting, or HandshakeRefused for the handshake.

    Raises InvalidField when no state folder was given and this user has no home. A flag of None
    was not given, nor was a variable that is empty.
    """
    layers = [
        _flag_layer(flags),
        _handshake_layer(handshake or {}),
        _environment_layer(environment),
        _file_layer(config_file, environment.get(CONFIG_VARIABLE)),
        _default_layer(),
    ]
    config = Config(_strongest(*layers), _unknown_variables(environment))
    absolute_path("state_dir", config.text("state_dir"))
    return config


def default_config_file() -> Path:
    """The file that is read when there is one and none was named."""
    return Path(user_config_dir(_APP, appauthor=False)) / "config.toml"


def _strongest(*layers: Layer) -> Layer:
    order = list(Rank)
    found: dict[str, Found] = {}
    for layer in layers:
        for name, each in layer.items():
            if name not in found or order.index(each.rank) < order.index(found[name].rank):
                found[name] = each
    return {key.name: found[key.name] for key in KEYS}


def _flag_layer(flags: Mapping[str, str | bool | tuple[str, ...] | None]) -> Layer:
    layer = {}
    for name, given in flags.items():
        if given is None or given == ():
            continue
        key, source = KEY_BY_NAME[name], f"flag {KEY_BY_NAME[name].flag}"
        read = key.of_text if isinstance(given, str) else key.accept
        layer[name] = Found(_accepted(source, key, read, given), Rank.FLAG, source)
    return layer


def _handshake_layer(handshake: Mapping[str, object]) -> Layer:
    try:
        return _typed_layer(handshake, Rank.HANDSHAKE, Rank.HANDSHAKE.value)
    except InvalidSetting as error:
        raise HandshakeRefused(error.message, **error.metadata) from error


def _environment_layer(environment: Mapping[str, str]) -> Layer:
    layer = {}
    for key in KEYS:
        if text := environment.get(key.variable):
            value = _accepted(key.variable, key, key.of_text, text)
            layer[key.name] = Found(value, Rank.ENVIRONMENT, key.variable)
    return layer


def _unknown_variables(environment: Mapping[str, str]) -> tuple[str, ...]:
    known = OTHER_VARIABLES.union(key.variable for key in KEYS)
    return tuple(
        sorted(
            name
            for name in environment
            if name.startswith(ENVIRONMENT_PREFIX) and name not in known
        )
    )


def _file_layer(by_flag: str | None, by_variable: str | None) -> Layer:
    if by_flag is not None:
        return _read_file(Path(by_flag), "flag --config")
    if by_variable:
        return _read_file(Path(by_variable), CONFIG_VARIABLE)
    path = default_config_file()
    return _read_file(path, str(path)) if _is_there(path) else {}


def _is_there(path: Path) -> bool:
    try:
        path.stat()
    except OSError:
        # A folder that this user may not look into is somebody else's: nothing there is meant.
        return False
    return True


def _read_file(path: Path, named_by: str) -> Layer:
    # Few have a file, and what reads it stays for good.
    import tomllib

    try:
        content = tomllib.loads(_bounded_text(path.expanduser()))
    # A RuntimeError for a home that nobody has, and for what is nested too deep.
    except (OSError, ValueError, RuntimeError) as error:
        expected = f"a TOML file of at most {MAX_CONFIG_BYTES // 1024} KiB"
        raise InvalidSetting(named_by, "config", expected, f"{path}: {error}"[:240]) from error
    return _typed_layer(content, Rank.FILE, str(path))


def _bounded_text(path: Path) -> str:
    with path.open("rb") as file:
        data = file.read(MAX_CONFIG_BYTES + 1)
    if len(data) > MAX_CONFIG_BYTES:
        raise ValueError("too large")
    return data.decode("utf-8")


def _typed_layer(content: Mapping[str, object], rank: Rank, source: str) -> Layer:
    if unknown := sorted(content.keys() - KEY_BY_NAME.keys()):
        known = ", ".join(KEY_BY_NAME)
        raise InvalidSetting(source, ascii(unknown[0][:80]), f"one of the keys {known}")
    layer = {}
    for name, value in content.items():
        key = KEY_BY_NAME[name]
        layer[name] = Found(_accepted(source, key, key.of_typed, value), rank, source)
    return layer


def _kept_layer(state_dir: Path) -> Layer:
    if not _is_there(state_dir):
        return {}
    # A file that makes no sense is set aside by the next start, and then nothing is kept.
    kept = peek_settings(state_dir) or ChosenSettings()
    values = {name: getattr(kept, name) for name in SETTING_NAMES}
    return {
        name: Found(value, Rank.KEPT, Rank.KEPT.value)
        for name, value in values.items()
        if value is not None
    }


def _default_layer() -> Layer:
    values = {key.name: key.default for key in KEYS}
    values["state_dir"] = user_state_dir(_APP, appauthor=False)
    values["name"] = default_name()
    source = Rank.DEFAULT.value
    return {name: Found(value, Rank.DEFAULT, source) for name, value in values.items()}


def _accepted(source: str, key: Key, read: Callable[..., Value], value: object) -> Value:
    try:
        return read(value)
    except InvalidField as error:
        raise InvalidSetting(source, key.name, error.expected, str(value)[:120]) from error
