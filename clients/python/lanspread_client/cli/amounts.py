"""Amounts as people type them: rates such as `20MB/s` and `100Mbit/s`, times such as `2m`."""

import re

_AMOUNT = re.compile(r"(\d{1,15}(?:\.\d{1,9})?)\s*([a-z]*)(?:/s)?", re.IGNORECASE)
_RATE_UNITS: dict[str, float] = {
    "": 1,
    "b": 1,
    **{f"{letter}{ending}": 1000**n for n, letter in enumerate("kmgt", 1) for ending in ("", "b")},
    **{f"{letter}ib": 1024**n for n, letter in enumerate("kmgt", 1)},
    **{f"{letter}bit": 1000**n / 8 for n, letter in enumerate("kmgt", 1)},
}
_TIME_UNITS: dict[str, float] = {"": 1, "s": 1, "m": 60, "min": 60, "h": 3600}
UNLIMITED = ("unlimited", "none", "off")


def parse_rate(text: str) -> int | None:
    """Bytes per second, None for `unlimited`; raises ValueError.

    MB are a million bytes, MiB 1024 times 1024, Mbit a million bits.
    """
    if text.strip().lower() in UNLIMITED:
        return None
    return round(_amount(text, _RATE_UNITS, "such as 20MB/s, 100Mbit/s or unlimited"))


def parse_seconds(text: str) -> float:
    """Raises ValueError."""
    if "/" in text:
        raise ValueError("expected a time")
    return _amount(text, _TIME_UNITS, "such as 90s or 2m")


def _amount(text: str, units: dict[str, float], expected: str) -> float:
    found = _AMOUNT.fullmatch(text.strip())
    if found is None or found[2].lower() not in units:
        raise ValueError(f"expected an amount {expected}")
    return float(found[1]) * units[found[2].lower()]
