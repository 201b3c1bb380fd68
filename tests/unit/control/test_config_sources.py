"""Which source of the configuration wins, and what is said of a wrong one."""

import os
from pathlib import Path
from typing import Any

import pytest

from lanspread_peer.control import config_sources
from lanspread_peer.control.config_keys import KEYS
from lanspread_peer.control.config_sources import Config, Rank, read_config
from lanspread_peer.model.errors import HandshakeRefused, InvalidField, InvalidSetting
from lanspread_peer.model.limits import MAX_CONFIG_BYTES
from lanspread_peer.model.live_settings import ChosenSettings
from lanspread_peer.storage.settings_file import write_settings

# Whoever that is has no home here.
HOMELESS = "~nosuchuser/x"


@pytest.fixture(autouse=True)
def _no_file_of_this_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        config_sources, "user_config_dir", lambda *_, **__: str(tmp_path / "user config")
    )


def write(path: Path, text: str) -> str:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, "utf-8")
    return str(path)


def read(
    flags: dict[str, Any] | None = None,
    environment: dict[str, str] | None = None,
    **options: Any,
) -> Config:
    return read_config(flags or {}, environment=environment or {}, **options)


def test_each_source_wins_over_those_behind_it(tmp_path: Path) -> None:
    write_settings(tmp_path, ChosenSettings(name="kept"))
    sources: dict[Rank, dict[str, Any]] = {
        Rank.FLAG: {"flags": {"name": "flag"}},
        Rank.HANDSHAKE: {"handshake": {"name": "handshake"}},
        Rank.KEPT: {},
        Rank.ENVIRONMENT: {"environment": {"LANSPREAD_NAME": "environment"}},
        Rank.FILE: {"config_file": write(tmp_path / "c.toml", 'name = "file"')},
    }
    left = list(Rank)
    while len(left) > 1:
        options: dict[str, Any] = {}
        for rank in left:
            options |= sources.get(rank, {})
        options["flags"] = {"state_dir": str(tmp_path), **options.get("flags", {})}
        config = read(**options)
        found = (config.with_kept() if Rank.KEPT in left else config).found["name"]
        assert found.rank is left[0]
        assert found.value == left[0].value.removesuffix(" setting")
        left.pop(0)


def test_the_sidecar_gets_the_live_settings_on_both_sides_of_the_kept_ones(tmp_path: Path) -> None:
    config = read(
        {"game_dir": "/g", "name": "flag"},
        {"LANSPREAD_UPLOAD_SLOTS": "3", "LANSPREAD_NAME": "environment"},
        handshake={"patience_seconds": 7},
        config_file=write(tmp_path / "c.toml", "upload_slots = 4\nupload_bytes_per_second=600000"),
    )
    settings = config.settings()
    assert settings.given == ChosenSettings(name="flag", patience_seconds=7.0)
    assert settings.fallback == ChosenSettings(upload_slots=3, upload_bytes_per_second=600_000)


def test_without_any_source_all_is_default(tmp_path: Path) -> None:
    config = read()
    assert {found.rank for found in config.found.values()} == {Rank.DEFAULT}
    assert list(config.found) == [key.name for key in KEYS]
    with pytest.raises(InvalidField, match="LANSPREAD_GAME_DIR"):
        config.settings()


def test_every_field_of_the_settings_comes_from_its_key() -> None:
    flags = {
        "game_dir": "/g",
        "state_dir": "/s",
        "bind": "127.0.0.1",
        "port": "7",
        "listen": "127.0.0.1:8",
        "peer": ("a:1", "b:2"),
        "mdns": False,
    }
    settings = read(flags).settings()
    assert (settings.game_dir, settings.state_dir) == (str(Path("/g")), str(Path("/s")))
    assert (settings.bind, settings.port, settings.listen) == ("127.0.0.1", 7, "127.0.0.1:8")
    assert (settings.peers, settings.mdns) == (("a:1", "b:2"), False)


@pytest.mark.parametrize(
    ("options", "source"),
    [
        ({"flags": {"port": "x"}}, "flag --port"),
        ({"environment": {"LANSPREAD_PORT": "x"}}, "LANSPREAD_PORT"),
        # Outvoted, and wrong all the same.
        ({"flags": {"port": "1"}, "environment": {"LANSPREAD_PORT": "x"}}, "LANSPREAD_PORT"),
    ],
)
def test_a_wrong_value_is_the_same_error_from_every_source(
    options: dict[str, Any], source: str
) -> None:
    with pytest.raises(InvalidSetting) as raised:
        read(**options)
    error = raised.value
    assert (error.source, error.field, error.expected) == (source, "port", "a whole number")
    assert error.message == f"{source}: port: expected a whole number, got 'x'"


def test_a_wrong_value_in_the_handshake_refuses_it_in_the_same_words() -> None:
    with pytest.raises(HandshakeRefused) as raised:
        read(handshake={"port": "x"})
    assert raised.value.message == "handshake: port: expected a whole number, got 'x'"
    assert raised.value.metadata["field"] == "port"


def test_a_wrong_value_in_the_file_names_the_file(tmp_path: Path) -> None:
    path = write(tmp_path / "c.toml", 'port = "x"')
    with pytest.raises(InvalidSetting) as raised:
        read(config_file=path)
    assert (raised.value.source, raised.value.field) == (path, "port")


@pytest.mark.skipif(os.name == "nt", reason="Windows makes up homes for everybody")
@pytest.mark.parametrize("key", ["game_dir", "state_dir", "party", "log_file"])
def test_a_path_in_a_home_that_nobody_has_is_refused_from_every_source(
    tmp_path: Path, key: str
) -> None:
    sources: list[dict[str, Any]] = [
        {"flags": {key: HOMELESS}},
        {"handshake": {key: HOMELESS}},
        {"environment": {f"LANSPREAD_{key.upper()}": HOMELESS}},
        {"config_file": write(tmp_path / "c.toml", f'{key} = "{HOMELESS}"')},
    ]
    for source in sources:
        refused = HandshakeRefused if "handshake" in source else InvalidSetting
        with pytest.raises(refused, match=HOMELESS) as raised:
            read(**source)
        assert raised.value.metadata["field"] == key


@pytest.mark.skipif(os.name == "nt", reason="Windows makes up homes for everybody")
def test_a_config_file_in_a_home_that_nobody_has_is_refused() -> None:
    for options in (
        {"config_file": HOMELESS},
        {"environment": {"LANSPREAD_CONFIG": HOMELESS}},
    ):
        with pytest.raises(InvalidSetting, match=HOMELESS):
            read(**options)


def test_without_a_home_the_state_folder_must_be_given(monkeypatch: pytest.MonkeyPatch) -> None:
    # As for a user id that the system does not know, in a container.
    monkeypatch.setattr(config_sources, "user_state_dir", lambda *_, **__: HOMELESS)
    with pytest.raises(InvalidField, match="state_dir"):
        read()
    assert read({"state_dir": "/state"}).state_dir == Path("/state").absolute()


@pytest.mark.parametrize("key", ["game_dir", "state_dir", "party", "log_file"])
def test_a_path_with_a_nul_is_refused(key: str) -> None:
    with pytest.raises(HandshakeRefused, match=key):
        read(handshake={key: "/a\0b"})


@pytest.mark.parametrize("source", ["handshake", "file"])
def test_an_unknown_key_is_refused_by_name(tmp_path: Path, source: str) -> None:
    options: dict[str, Any] = {"handshake": {"colour": "red"}}
    if source == "file":
        options = {"config_file": write(tmp_path / "c.toml", 'colour = "red"')}
    refused = (InvalidSetting, HandshakeRefused)
    with pytest.raises(refused, match=r"colour.*expected one of the keys.*game_dir"):
        read(**options)


def test_an_unknown_key_cannot_write_to_the_terminal() -> None:
    with pytest.raises(HandshakeRefused) as raised:
        read(handshake={"\x1b[2J": 1})
    assert raised.value.message.isprintable()


@pytest.mark.parametrize("text", ["name = [", "name = " + "[" * 5000, "\x00", "a = 1\na = 2"])
def test_a_file_that_is_no_toml_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(InvalidSetting, match="expected a TOML file") as raised:
        read(config_file=write(tmp_path / "c.toml", text))
    assert raised.value.source == "flag --config"


def test_a_file_has_a_limit(tmp_path: Path) -> None:
    line = 'name = "x"\n'
    path = write(tmp_path / "c.toml", line + "#" * (MAX_CONFIG_BYTES - len(line)))
    assert read(config_file=path).found["name"].value == "x"
    write(tmp_path / "c.toml", line + "#" * (MAX_CONFIG_BYTES + 1 - len(line)))
    with pytest.raises(InvalidSetting, match="64 KiB"):
        read(config_file=path)


def test_the_file_is_that_of_the_flag_else_of_the_environment_else_of_the_user(
    tmp_path: Path,
) -> None:
    write(config_sources.default_config_file(), "port = 1")
    by_variable = write(tmp_path / "b.toml", "port = 2")
    by_flag = write(tmp_path / "c.toml", "port = 3")
    variable = {"LANSPREAD_CONFIG": by_variable}
    assert read().found["port"].value == 1
    assert read(environment=variable).found["port"].value == 2
    assert read(environment=variable, config_file=by_flag).found["port"].value == 3
    assert read(environment=variable).found["port"].source == by_variable


def test_a_file_that_was_named_must_be_there(tmp_path: Path) -> None:
    gone = str(tmp_path / "gone.toml")
    for options in ({"config_file": gone}, {"environment": {"LANSPREAD_CONFIG": gone}}):
        with pytest.raises(InvalidSetting, match=r"gone\.toml"):
            read(**options)


def test_variables_that_look_like_ours_and_are_not_are_told() -> None:
    environment = {
        "LANSPREAD_PORTT": "1",
        "LANSPREAD_CONFIG": "",
        "LANSPREAD_LONG": "1",
        "LANSPREAD_PORT": "1",
        "PATH": "x",
    }
    assert read(environment=environment).unknown_variables == ("LANSPREAD_PORTT",)


def test_an_empty_variable_was_not_set() -> None:
    assert read(environment={"LANSPREAD_PORT": ""}).found["port"].rank is Rank.DEFAULT


def test_settings_that_were_kept_and_make_no_sense_stay_for_the_sidecar(tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_bytes(b"[")
    config = read({"state_dir": str(tmp_path)}).with_kept()
    assert config.found["name"].rank is Rank.DEFAULT
    assert (tmp_path / "settings.json").read_bytes() == b"["


def test_a_state_folder_that_is_not_there_keeps_nothing(tmp_path: Path) -> None:
    config = read({"state_dir": str(tmp_path / "gone")}).with_kept()
    assert config.found["name"].rank is Rank.DEFAULT
    assert not (tmp_path / "gone").exists()
