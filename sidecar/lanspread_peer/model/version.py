"""ETI versions: the text in a game's `version.ini`, how two compare, and which to doubt.

A version says nothing about content; any peer may write any number. So a malformed one, or a
date more than a week ahead, never wins a choice by itself (design section 3). A number as large
as a date has to be one, or `99999999.1` would beat every date.
"""

import re
from datetime import date, timedelta
from typing import NewType

from lanspread_peer.model.limits import MAX_VERSION_BYTES, MAX_VERSION_INI_BYTES

Version = NewType("Version", str)
VersionOrder = tuple[int, tuple[int, ...], str]

_DIGITS = re.compile(r"[0-9]+(\.[0-9]+)*")
_DATE = re.compile(r"[0-9]{8}")
_LEAST_DATE = 1000_00_00
_MAX_DAYS_AHEAD = timedelta(days=7)


def parse_version_ini(content: bytes) -> Version:
    """The version in a `version.ini`: one line, or `key=value` lines with `version=`.

    A file that holds no usable text gives the empty version, which `doubt_about` reports.
    """
    text = content[:MAX_VERSION_INI_BYTES].decode("utf-8-sig", "replace")
    lines = [line.strip() for line in text.splitlines()]
    lines = [line for line in lines if line and not line.startswith((";", "#", "["))]
    for line in lines:
        key, separator, value = line.partition("=")
        if separator and key.strip().casefold() == "version":
            return _bounded(value.strip().strip('"'))
    return _bounded(lines[0]) if lines and "=" not in lines[0] else Version("")


def _bounded(text: str) -> Version:
    fits = len(text.encode("utf-8", "replace")) <= MAX_VERSION_BYTES
    return Version(text if fits and text.isprintable() else "")


def version_order(version: Version) -> VersionOrder:
    """A sort key: digits and dotted digits compare as numbers and rank above any text."""
    if _DIGITS.fullmatch(version):
        numbers = [int(part) for part in version.split(".")]
        while numbers[1:] and numbers[-1] == 0:
            numbers.pop()
        return (1, tuple(numbers), "")
    return (0, (), version)


def doubt_about(version: Version, today: date) -> str:
    """Why this version is never chosen by itself, or an empty string when it may be."""
    if not version or not version.isprintable():
        return "the version is malformed"
    if len(version.encode("utf-8", "replace")) > MAX_VERSION_BYTES:
        return "the version is too long"
    first = version.partition(".")[0]
    if not _DATE.fullmatch(first):
        return "the version is not a date" if _exceeds_dates(version) else ""
    try:
        released = date(int(first[:4]), int(first[4:6]), int(first[6:]))
    except ValueError:
        return "the version is not a date"
    if released - today > _MAX_DAYS_AHEAD:
        return "the version is a date in the future"
    return ""


def _exceeds_dates(version: Version) -> bool:
    is_number, numbers, _ = version_order(version)
    return bool(is_number) and numbers[0] >= _LEAST_DATE
