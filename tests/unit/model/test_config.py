"""Settings out of range never come to be."""

import math

import pytest

from lanspread_peer.model.config import Settings
from lanspread_peer.model.errors import InvalidField
from lanspread_peer.model.limits import MAX_NAME_BYTES


def _settings(name: str = "tower", port: int | None = None, patience_s: float = 60.0) -> Settings:
    return Settings("/games", "/state", name, port=port, patience_s=patience_s)


@pytest.mark.parametrize(
    "name", ["a", "x" * MAX_NAME_BYTES, "\u00e9" * (MAX_NAME_BYTES // 2), "Anna's PC"]
)
def test_a_printable_name_within_the_limit_is_taken(name: str) -> None:
    assert _settings(name=name).name == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        "x" * (MAX_NAME_BYTES + 1),
        "\u00e9" * (MAX_NAME_BYTES // 2) + "x",
        "a\nb",
        "a\x1b[2J",
        "\ud800",
        "a\u202eb",
    ],
)
def test_any_other_name_is_refused(name: str) -> None:
    with pytest.raises(InvalidField, match="name"):
        _settings(name=name)


@pytest.mark.parametrize("port", [None, 0, 1, 26789, 65535])
def test_a_port_within_the_limits_is_taken(port: int | None) -> None:
    assert _settings(port=port).port == port


@pytest.mark.parametrize("port", [-1, 65536])
def test_a_port_outside_the_limits_is_refused(port: int) -> None:
    with pytest.raises(InvalidField, match="port"):
        _settings(port=port)


@pytest.mark.parametrize("patience_s", [0.001, 60.0, 86_400.0])
def test_patience_within_the_limits_is_taken(patience_s: float) -> None:
    assert _settings(patience_s=patience_s).patience_s == patience_s


@pytest.mark.parametrize("patience_s", [0.0, -1.0, 86_400.001, math.inf, math.nan])
def test_patience_outside_the_limits_is_refused(patience_s: float) -> None:
    with pytest.raises(InvalidField, match="patience_s"):
        _settings(patience_s=patience_s)
