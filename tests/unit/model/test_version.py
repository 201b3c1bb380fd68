"""version.ini in all its forms, and the order and the doubts of what is in it."""

from datetime import date, timedelta

import pytest

from lanspread_peer.model.limits import MAX_VERSION_BYTES, MAX_VERSION_INI_BYTES
from lanspread_peer.model.version import (
    Version,
    doubt_about,
    parse_version_ini,
    version_order,
)

TODAY = date(2024, 6, 1)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"20240229", "20240229"),
        (b"20240229\n", "20240229"),
        (b"20240229\r\n", "20240229"),
        (b"\xef\xbb\xbf20240229\r\n", "20240229"),
        (b"  1.2.3  ", "1.2.3"),
        (b"\n\n\n20240229\nmore", "20240229"),
        (b"version=1.2", "1.2"),
        (b"VERSION = 1.2\r\n", "1.2"),
        (b'Version="1.2"', "1.2"),
        (b"\xef\xbb\xbfversion=1.2", "1.2"),
        (b"name=x\nversion=7\nurl=y", "7"),
        (b"[game]\nversion=7", "7"),
        (b"; a comment\n# another\nversion=7", "7"),
        (b"# a comment\n20240229", "20240229"),
        (b"version=1\nversion=2", "1"),
        (b"version=a=b", "a=b"),
        (b"beta", "beta"),
        ("\u00fcber".encode(), "\u00fcber"),
    ],
)
def test_the_version_is_read_from_every_form(content: bytes, expected: str) -> None:
    assert parse_version_ini(content) == expected


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n\n",
        b"\xef\xbb\xbf",
        b"; only a comment",
        b"[section]",
        b"name=x",
        b"version=",
        b"a\x00b",
        b"\x1b[2J",
        "1\u202e2".encode(),
    ],
)
def test_a_file_without_a_usable_version_gives_the_empty_one(content: bytes) -> None:
    assert parse_version_ini(content) == ""
    assert doubt_about(parse_version_ini(content), TODAY)


@pytest.mark.parametrize("prefix", [b"", b"version="])
def test_a_version_may_have_as_many_bytes_as_its_limit_and_no_more(prefix: bytes) -> None:
    assert parse_version_ini(prefix + b"1" * MAX_VERSION_BYTES) == "1" * MAX_VERSION_BYTES
    assert parse_version_ini(prefix + b"1" * (MAX_VERSION_BYTES + 1)) == ""


def test_nothing_is_read_beyond_the_limit_of_the_file() -> None:
    padding = b";" * (MAX_VERSION_INI_BYTES - 3) + b"\n"
    assert parse_version_ini(padding + b"12") == "12"
    assert parse_version_ini(padding + b"123") == "12"


def test_bytes_that_are_no_utf_8_do_no_harm() -> None:
    assert parse_version_ini(b"\xff\xfe1\x00").isprintable()


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("9", "10"),
        ("1.9", "1.10"),
        ("1.2", "1.2.1"),
        ("20231301", "20240229"),
        ("20240229", "20240301"),
        ("0009", "10"),
        ("beta", "1"),
        ("9z", "1"),
        ("", "0"),
        ("1.", "0.1"),
        ("alpha", "beta"),
        ("1", "20240229"),
        ("\u0661\u0662", "1"),
    ],
)
def test_versions_have_an_order(older: str, newer: str) -> None:
    assert version_order(Version(older)) < version_order(Version(newer))


@pytest.mark.parametrize(
    ("left", "right"), [("1", "1.0"), ("1.2", "01.2.0.0"), ("0", "0.0"), ("007", "7")]
)
def test_zeros_that_mean_nothing_change_nothing(left: str, right: str) -> None:
    assert version_order(Version(left)) == version_order(Version(right))


@pytest.mark.parametrize(
    "version",
    [
        "20240229",
        "1.2.3",
        "beta",
        "7",
        "20240608",
        "20240229.2",
        "19991231",
        "9999999",
        "99999999a",
    ],
)
def test_a_sound_version_is_not_doubted(version: str) -> None:
    assert doubt_about(Version(version), TODAY) == ""


@pytest.mark.parametrize(
    ("version", "doubt"),
    [
        ("", "malformed"),
        ("a\nb", "malformed"),
        ("1\u202e2", "malformed"),
        ("\ud800", "malformed"),
        ("20231301", "not a date"),
        ("20230229", "not a date"),
        ("00000101", "not a date"),
        ("99999999", "not a date"),
        ("99999999.1", "not a date"),
        ("202402290", "not a date"),
        ("0099999999", "not a date"),
        ("099912031", "not a date"),
        ("9" * MAX_VERSION_BYTES, "not a date"),
        ("20991231.1", "future"),
        ("20240609", "future"),
        ("99991231", "future"),
        ("1" * (MAX_VERSION_BYTES + 1), "too long"),
        ("\u00e9" * (MAX_VERSION_BYTES // 2) + "x", "too long"),
    ],
)
def test_a_doubtful_version_says_why(version: str, doubt: str) -> None:
    assert doubt in doubt_about(Version(version), TODAY)


def test_a_date_may_be_seven_days_ahead_and_no_more() -> None:
    ahead = [(TODAY + timedelta(days=days)).strftime("%Y%m%d") for days in (7, 8)]
    assert doubt_about(Version(ahead[0]), TODAY) == ""
    assert "future" in doubt_about(Version(ahead[1]), TODAY)


def test_a_version_as_long_as_its_limit_is_not_doubted() -> None:
    assert doubt_about(Version("1." * (MAX_VERSION_BYTES // 2 - 1) + "11"), TODAY) == ""
