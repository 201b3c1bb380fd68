"""Live settings: each within its limits, and who wins where several chose."""

import math
from typing import Any

import pytest

from lanspread_peer.model.errors import InvalidField
from lanspread_peer.model.limits import (
    MAX_NAME_BYTES,
    MAX_RATE_LIMIT_BYTES_PER_SECOND,
    MAX_UPLOAD_SLOTS,
    MAX_UPLOADS,
    MIN_RATE_LIMIT_BYTES_PER_SECOND,
)
from lanspread_peer.model.live_settings import (
    DEFAULT_PATIENCE_S,
    SETTING_NAMES,
    ChosenSettings,
    LiveSettings,
)

RATE = MIN_RATE_LIMIT_BYTES_PER_SECOND
RATES = ["upload_bytes_per_second", "download_bytes_per_second"]


def with_rate(field: str, rate: int | None) -> ChosenSettings:
    values: dict[str, Any] = {field: rate}
    return ChosenSettings(**values)


@pytest.mark.parametrize("field", RATES)
def test_a_rate_limit_has_limits_and_zero_is_not_none(field: str) -> None:
    for rate in (RATE, MAX_RATE_LIMIT_BYTES_PER_SECOND, None):
        assert getattr(with_rate(field, rate), field) == rate
    for rate in (0, -1, RATE - 1, MAX_RATE_LIMIT_BYTES_PER_SECOND + 1):
        with pytest.raises(InvalidField, match=field):
            with_rate(field, rate)


def test_the_slots_have_limits() -> None:
    for slots in (1, MAX_UPLOADS, MAX_UPLOAD_SLOTS):
        assert ChosenSettings(upload_slots=slots).upload_slots == slots
    for slots in (0, -1, MAX_UPLOAD_SLOTS + 1):
        with pytest.raises(InvalidField, match="upload_slots"):
            ChosenSettings(upload_slots=slots)


@pytest.mark.parametrize("seconds", [0.001, 60.0, 86_400.0])
def test_patience_within_its_limits_is_taken(seconds: float) -> None:
    assert ChosenSettings(patience_seconds=seconds).patience_seconds == seconds


@pytest.mark.parametrize("seconds", [0.0, -1.0, 86_400.1, math.inf, math.nan])
def test_patience_has_limits(seconds: float) -> None:
    with pytest.raises(InvalidField, match="patience_seconds"):
        ChosenSettings(patience_seconds=seconds)


@pytest.mark.parametrize(
    "name", ["a", "x" * MAX_NAME_BYTES, "\u00e9" * (MAX_NAME_BYTES // 2), "Anna's PC"]
)
def test_a_printable_name_within_the_limit_is_taken(name: str) -> None:
    assert ChosenSettings(name=name).name == name


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
def test_a_name_is_one_to_show(name: str) -> None:
    with pytest.raises(InvalidField, match="name"):
        ChosenSettings(name=name)


def test_what_nobody_chose_is_as_it_is_by_default() -> None:
    effect = ChosenSettings().in_effect("somebody")
    assert effect == LiveSettings(None, None, MAX_UPLOADS, DEFAULT_PATIENCE_S, "somebody")


def test_all_that_was_chosen_is_in_effect() -> None:
    chosen = ChosenSettings(RATE, 2 * RATE, 3, 4.5, "me")
    assert chosen.in_effect("somebody") == LiveSettings(RATE, 2 * RATE, 3, 4.5, "me")


def test_only_the_fields_that_are_named_change_and_may_go_back_to_the_default() -> None:
    chosen = ChosenSettings(upload_bytes_per_second=RATE, upload_slots=3, name="me")
    to = ChosenSettings(upload_slots=5, name="other")
    names = frozenset({"upload_bytes_per_second", "upload_slots"})
    assert chosen.changed(to, names) == ChosenSettings(upload_slots=5, name="me")
    assert chosen.changed(to, frozenset(SETTING_NAMES)) == to


def test_what_is_chosen_above_wins() -> None:
    given, stored = ChosenSettings(name="given"), ChosenSettings(upload_slots=3, name="stored")
    assert given.over(stored) == ChosenSettings(upload_slots=3, name="given")
