"""What a spawned program says first is a sidecar of our age, or an error without a secret."""

import json
from typing import Any

import pytest

from lanspread_client import LanspreadError
from lanspread_client.ready_line import Ready, parse_ready

TOKEN = "t0ken" * 10
SAID = {
    "lanspread": 1,
    "address": "unix:/a",
    "token": TOKEN,
    "pid": 7,
    "api": ["lanspread.peer.v0", "lanspread.peer.v1"],
    "version": "9.9.9",
    "instance_id": "i1",
    "added": "later",
}


def line_of(**other: Any) -> bytes:
    return json.dumps({**SAID, **other}).encode() + b"\n"


def error_of(line: bytes) -> LanspreadError:
    with pytest.raises(LanspreadError) as caught:
        parse_ready(line)
    error: BaseException | None = caught.value
    while error is not None:
        assert TOKEN not in f"{error!r} {vars(error)}"
        error = error.__cause__
    return caught.value


def test_a_line_of_our_age_is_understood() -> None:
    assert parse_ready(line_of()) == Ready("unix:/a", TOKEN, 7, "i1", "9.9.9")
    assert parse_ready(line_of(tls_certificate="PEM")).tls_certificate == "PEM"
    assert TOKEN not in repr(parse_ready(line_of()))


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"hello\n",
        b"[]\n",
        b"\xff\n",
        b"[" * 50_000,
        line_of()[:-3],
        line_of(pid="many"),
        line_of(api=None),
        json.dumps({"lanspread": 1, "token": TOKEN}).encode(),
    ],
)
def test_what_is_no_such_line_is_an_error(line: bytes) -> None:
    assert error_of(line).reason == "HANDSHAKE_INVALID"


@pytest.mark.parametrize("other", [{"lanspread": 2}, {"api": []}, {"api": ["lanspread.peer.v9"]}])
def test_a_sidecar_of_another_age_is_an_error_that_tells_its_version(other: dict[str, Any]) -> None:
    error = error_of(line_of(**other))
    assert (error.reason, error.metadata) == ("API_UNSUPPORTED", {"version": "9.9.9"})
