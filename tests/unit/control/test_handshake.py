"""The two lines of `serve --managed`: what is understood, what is refused, and that it is told."""

import json
from typing import Any

import pytest

from lanspread_peer.control.handshake import Handshake, Ready, parse_handshake, ready_line
from lanspread_peer.model.errors import HandshakeRefused
from lanspread_peer.model.limits import MAX_HANDSHAKE_BYTES, MAX_TOKEN_CHARS, MIN_TOKEN_CHARS

FOLDERS = {"game_dir": "/games", "state_dir": "/state"}
SECRET = "s3cret" * 10


def line_of(**content: Any) -> bytes:
    return json.dumps({**FOLDERS, **content}).encode()


def refusal(line: bytes) -> str:
    with pytest.raises(HandshakeRefused) as caught:
        parse_handshake(line)
    assert caught.value.message.isprintable()
    return caught.value.message


def test_two_folders_are_enough() -> None:
    handshake = parse_handshake(line_of())
    assert handshake == Handshake(game_dir="/games", state_dir="/state")
    assert (handshake.parent_pid, handshake.token, handshake.settings) == (None, None, {})


def test_all_that_may_be_said_arrives() -> None:
    handshake = parse_handshake(
        line_of(parent_pid=7, token=SECRET, log_level="debug", settings={"port": 0, "peer": ["a"]})
    )
    assert (handshake.parent_pid, handshake.token, handshake.log_level) == (7, SECRET, "debug")
    assert handshake.settings == {"port": 0, "peer": ["a"]}


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (b"", "JSON"),
        (b"[]", "a JSON object"),
        (b'{"game_dir": "/games"', "JSON"),
        (b"\xff", "JSON"),
        (b"[" * 50_000, "JSON"),
        (b'{"game_dir":"a","game_dir":"b","state_dir":"c"}', "twice"),
        (b'{"game_dir": "/games"}', "state_dir"),
        (line_of(settings={"patience_seconds": float("nan")}), "NaN"),
        (line_of(colour="red"), "'colour'"),
        (line_of(**{"\x1b[2J": 1}), r"\x1b"),
        (line_of(game_dir=1), "game_dir"),
        (line_of(game_dir=""), "game_dir"),
        (line_of(game_dir="/a\0b"), "game_dir"),
        (line_of(state_dir="/a\0b"), "state_dir"),
        (line_of(game_dir="/\ud800"), "JSON"),
        (line_of(parent_pid=0), "parent_pid"),
        (line_of(parent_pid=2**31), "parent_pid"),
        (line_of(parent_pid=True), "parent_pid"),
        (line_of(parent_pid="7"), "parent_pid"),
        (line_of(log_level="loud"), "log_level"),
        (line_of(settings=[]), "settings"),
    ],
)
def test_anything_else_is_refused_and_named(line: bytes, told: str) -> None:
    assert told in refusal(line)


def test_a_line_may_be_so_long_and_no_longer() -> None:
    longest = line_of(game_dir="/" + "g" * (MAX_HANDSHAKE_BYTES - len(line_of(game_dir="/"))))
    assert len(longest) == MAX_HANDSHAKE_BYTES
    parse_handshake(longest)
    assert str(MAX_HANDSHAKE_BYTES) in refusal(longest + b" ")


@pytest.mark.parametrize("length", [MIN_TOKEN_CHARS, MAX_TOKEN_CHARS])
def test_a_token_may_be_given(length: int) -> None:
    assert parse_handshake(line_of(token="~" * length)).token == "~" * length


@pytest.mark.parametrize(
    "token",
    [
        "",
        "x" * (MIN_TOKEN_CHARS - 1),
        "x" * (MAX_TOKEN_CHARS + 1),
        f"{SECRET} {SECRET}",
        f"{SECRET}\n",
        f"{SECRET}\x7f",
        f"{SECRET}é",
    ],
)
def test_a_token_that_is_weak_or_no_header_is_refused(token: str) -> None:
    message = refusal(line_of(token=token))
    assert message.startswith("token: ")
    assert SECRET not in message


@pytest.mark.parametrize(
    "line",
    [
        line_of(token=SECRET)[:-1],
        line_of(token=SECRET) + b"}",
        line_of(token=[SECRET]),
        line_of(token=SECRET, game_dir=1),
        line_of(token=SECRET, more={}),
        line_of(token=SECRET).replace(b"/games", b"\xff"),
        line_of(token=SECRET, game_dir="/\ud800"),
    ],
)
def test_no_error_tells_the_token(line: bytes) -> None:
    with pytest.raises(HandshakeRefused) as caught:
        parse_handshake(line)
    error: BaseException | None = caught.value
    while error is not None:
        assert SECRET not in f"{error!r} {vars(error)}"
        error = error.__cause__


def test_the_answer_is_one_line_that_tells_all() -> None:
    ready = Ready("unix:/a\nb", SECRET, 7, "i1", "0.1.0")
    line = ready_line(ready)
    assert line.index(b"\n") == len(line) - 1
    assert json.loads(line) == {
        "lanspread": 1,
        "address": "unix:/a\nb",
        "token": SECRET,
        "pid": 7,
        "api": ["lanspread.peer.v1"],
        "version": "0.1.0",
        "instance_id": "i1",
    }
    assert SECRET not in repr(ready)
    assert SECRET not in repr(parse_handshake(line_of(token=SECRET)))


def test_the_answer_tells_of_a_certificate_where_there_is_one() -> None:
    ready = Ready("192.0.2.1:7", SECRET, 7, "i1", "0.1.0", "PEM", "ab12")
    content = json.loads(ready_line(ready))
    assert (content["tls_certificate"], content["tls_cert_sha256"]) == ("PEM", "ab12")
