"""The table of keys: what each takes from TOML, JSON and texts, and what the docs say of it."""

import math
from pathlib import Path

import pytest

from lanspread_peer.control.config_keys import KEY_BY_NAME, KEYS, LIVE_KEYS, Value
from lanspread_peer.model.errors import InvalidField
from lanspread_peer.model.limits import MAX_UPLOAD_SLOTS, MIN_RATE_LIMIT_BYTES_PER_SECOND
from lanspread_peer.model.live_settings import SETTING_NAMES

DOCS = Path(__file__).parents[3] / "docs" / "configuration.md"


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("game_dir", "~/Games", "~/Games"),
        ("bind", "FE80:0::1", "fe80::1"),
        ("port", "0", 0),
        ("port", "65535", 65535),
        ("peer", "a:1, [::1]:2,", ("a:1", "[::1]:2")),
        ("mdns", "No", False),
        ("mdns", "1", True),
        ("upload_slots", str(MAX_UPLOAD_SLOTS), MAX_UPLOAD_SLOTS),
        ("patience_seconds", "0.5", 0.5),
        ("log_level", "debug", "debug"),
        ("listen", "unix:/run/lanspread", "unix:/run/lanspread"),
    ],
)
def test_a_text_becomes_a_value(name: str, text: str, value: Value) -> None:
    assert KEY_BY_NAME[name].of_text(text) == value


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("game_dir", ""),
        ("state_dir", "a\0b"),
        ("name", "a\x1b[2J"),
        ("bind", "localhost"),
        ("port", "65536"),
        ("port", "1_000"),
        ("port", "\u0663"),
        ("port", "9" * 5000),
        ("peer", "no-port"),
        ("mdns", "maybe"),
        ("listen", "localhost:5000"),
        ("listen", "unix:relative"),
        ("upload_slots", "0"),
        ("upload_bytes_per_second", str(MIN_RATE_LIMIT_BYTES_PER_SECOND - 1)),
        ("patience_seconds", "nan"),
        ("patience_seconds", "soon"),
        ("log_level", "loud"),
    ],
)
def test_a_text_that_makes_no_sense_names_its_key(name: str, text: str) -> None:
    with pytest.raises(InvalidField) as raised:
        KEY_BY_NAME[name].of_text(text)
    assert raised.value.field == name


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("port", True),
        ("port", "1"),
        ("port", 2**63),
        ("port", math.inf),
        ("peer", "a:1"),
        ("peer", ["a:1", 2]),
        ("mdns", "no"),
        ("mdns", 0),
        ("name", 7),
        ("patience_seconds", False),
        ("patience_seconds", 2**80),
        ("upload_slots", None),
    ],
)
def test_a_value_of_another_kind_is_refused(name: str, value: object) -> None:
    with pytest.raises(InvalidField) as raised:
        KEY_BY_NAME[name].of_typed(value)
    assert raised.value.field == name


def test_typed_values_are_taken() -> None:
    assert KEY_BY_NAME["patience_seconds"].of_typed(5) == 5.0
    assert KEY_BY_NAME["peer"].of_typed(["a:1"]) == ("a:1",)
    assert KEY_BY_NAME["mdns"].of_typed(False) is False


def test_each_default_is_a_value_that_its_key_takes() -> None:
    for key in KEYS:
        if key.default is not None:
            assert key.accept(key.default) == key.default, key.name


def test_what_can_be_changed_while_it_runs_are_keys_of_the_same_name() -> None:
    assert {key.name for key in LIVE_KEYS} == set(SETTING_NAMES)


def test_the_docs_have_each_key_as_the_table_has_it() -> None:
    rows = [
        f"| `{key.name}` | `{key.flag}` | `{key.variable}` | {key.kind.value} "
        f"| {key.default_text} | {key.help} |"
        for key in KEYS
    ]
    text = DOCS.read_text("utf-8")
    assert "\n".join(rows) in text, "\n".join(rows)
